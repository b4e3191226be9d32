package softkey

import "encoding/binary"

// cborMap is a map whose keys are written in the order they have here.
type cborMap []struct{ key, value any }

// cborArray is an array.
type cborArray []any

// The major types of RFC 8949 section 3.1.
const (
	majorUnsigned = 0
	majorNegative = 1
	majorBytes    = 2
	majorText     = 3
	majorArray    = 4
	majorMap      = 5
)

// cbor encodes what the structures here are made of: int64, byte strings, text, and arrays and maps of them.
func cbor(v any) []byte {
	switch v := v.(type) {
	case int64:
		if v < 0 {
			return head(majorNegative, uint64(-1-v))
		}
		return head(majorUnsigned, uint64(v))
	case []byte:
		return append(head(majorBytes, uint64(len(v))), v...)
	case string:
		return append(head(majorText, uint64(len(v))), v...)
	case cborArray:
		b := head(majorArray, uint64(len(v)))
		for _, element := range v {
			b = append(b, cbor(element)...)
		}
		return b
	case cborMap:
		b := head(majorMap, uint64(len(v)))
		for _, member := range v {
			b = append(b, cbor(member.key)...)
			b = append(b, cbor(member.value)...)
		}
		return b
	}
	panic("softkey: no cbor for this type")
}

// head is the shortest form of a type with its number, which CTAP2 demands.
func head(major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return []byte{major | byte(n)}
	case n < 1<<8:
		return []byte{major | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major | 25}, uint16(n))
	}
	return binary.BigEndian.AppendUint32([]byte{major | 26}, uint32(n))
}
