package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"strings"
)

// Algorithms of XML Encryption 1.1 that are accepted. RSA 1.5 and 3DES are not,
// whoever sends them: the former is an oracle, the latter too small.
const (
	keyOAEPMGF1 = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	keyOAEP     = "http://www.w3.org/2009/xmlenc11#rsa-oaep"

	maxKeyReferences = 8 // DataReference elements of an EncryptedKey
)

// dataAlgorithm encrypts an assertion.
type dataAlgorithm struct {
	keySize int // bytes
	gcm     bool
}

var dataAlgorithms = map[string]dataAlgorithm{
	"http://www.w3.org/2001/04/xmlenc#aes128-cbc": {16, false},
	"http://www.w3.org/2001/04/xmlenc#aes256-cbc": {32, false},
	"http://www.w3.org/2009/xmlenc11#aes128-gcm":  {16, true},
	"http://www.w3.org/2009/xmlenc11#aes256-gcm":  {32, true},
}

// maskHashes are the mask generation functions of RSA-OAEP.
var maskHashes = map[string]crypto.Hash{
	"": crypto.SHA1,
	"http://www.w3.org/2009/xmlenc11#mgf1sha1":   crypto.SHA1,
	"http://www.w3.org/2009/xmlenc11#mgf1sha256": crypto.SHA256,
}

// errDecrypt is the one refusal for everything that goes wrong between the
// encrypted key and the digest inside. CBC can be changed by who cannot read it;
// one bit of difference in our answers would let him read it in the end.
func errDecrypt() *Error {
	return refuse(StageDecrypt, "the encrypted assertion cannot be decrypted to one with a right signature: compare the certificate that the identity provider encrypts for with ours")
}

// decrypt opens an EncryptedAssertion with the first of the keys that fits.
// Nothing the message points to is followed.
func decrypt(encrypted *element, keys []crypto.Decrypter) ([]byte, *Error) {
	data, key, refusal := encryptedParts(encrypted)
	if refusal != nil {
		return nil, refusal
	}
	algorithm, known := dataAlgorithms[methodOf(data)]
	if !known {
		return nil, errDecrypt()
	}
	options, ok := oaepOf(key)
	if !ok {
		return nil, errDecrypt()
	}
	wrapped, ok1 := cipherValue(key)
	text, ok2 := cipherValue(data)
	if !ok1 || !ok2 {
		return nil, errDecrypt()
	}
	for _, candidate := range keys {
		public, isRSA := candidate.Public().(*rsa.PublicKey)
		if !isRSA || len(wrapped) != public.Size() {
			continue
		}
		secret, err := candidate.Decrypt(nil, wrapped, options)
		if err != nil || len(secret) != algorithm.keySize {
			continue
		}
		if plain, ok := algorithm.open(secret, text); ok {
			return plain, nil
		}
	}
	return nil, errDecrypt()
}

// encryptedParts finds the EncryptedData and its one EncryptedKey: inside its
// KeyInfo, or beside it. The places are checked before anything is decrypted, so
// a refusal may be exact.
func encryptedParts(encrypted *element) (data, key *element, refusal *Error) {
	misshapen := func(problem string) (*element, *element, *Error) {
		return nil, nil, refuse(StageShape, problem)
	}
	var keys []*element
	for child := range encrypted.elements() {
		switch {
		case child.is(nsEncryption, "EncryptedData") && data == nil:
			data = child
		case child.is(nsEncryption, "EncryptedKey"):
			keys = append(keys, child)
		default:
			return misshapen("the EncryptedAssertion has an element that does not belong there")
		}
	}
	if data == nil || encrypted.hasText() {
		return misshapen("the EncryptedAssertion has no EncryptedData")
	}
	for child := range data.elements() {
		if !child.is(nsEncryption, "EncryptionMethod") && !child.is(nsEncryption, "CipherData") && !child.is(nsSignature, "KeyInfo") {
			return misshapen("the EncryptedData has an element that does not belong there")
		}
	}
	var pointer *element
	for _, info := range data.named(nsSignature, "KeyInfo") {
		keys = append(keys, info.named(nsEncryption, "EncryptedKey")...)
		if method := info.first(nsSignature, "RetrievalMethod"); method != nil {
			pointer = method
		}
	}
	if len(keys) != 1 {
		return misshapen("the EncryptedAssertion does not have exactly one EncryptedKey")
	}
	key = keys[0]
	if pointer != nil && pointer.value("URI") != "#"+key.value("Id") {
		return misshapen("a RetrievalMethod does not point at the EncryptedKey")
	}
	if problem := keyProblem(key); problem != "" {
		return misshapen(problem)
	}
	return data, key, nil
}

func keyProblem(key *element) string {
	for child := range key.elements() {
		switch {
		case child.is(nsEncryption, "EncryptionMethod"), child.is(nsEncryption, "CipherData"), child.is(nsSignature, "KeyInfo"):
		case child.is(nsEncryption, "ReferenceList"):
			if len(child.children) > 3*maxKeyReferences {
				return "the EncryptedKey's ReferenceList is too long"
			}
		default:
			return "the EncryptedKey has an element that does not belong there"
		}
	}
	return ""
}

// methodOf is the algorithm of the one EncryptionMethod of an element.
func methodOf(e *element) string {
	method := e.only(nsEncryption, "EncryptionMethod")
	if method == nil {
		return ""
	}
	return method.value("Algorithm")
}

// oaepOf reads the parameters of RSA-OAEP (XML Encryption 1.1, 5.5.2).
func oaepOf(key *element) (*rsa.OAEPOptions, bool) {
	method := key.only(nsEncryption, "EncryptionMethod")
	if method == nil {
		return nil, false
	}
	options := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	for child := range method.elements() {
		var known bool
		switch {
		case child.is(nsSignature, "DigestMethod"):
			options.Hash, known = digests[child.value("Algorithm")]
			known = known && options.Hash.Size() <= crypto.SHA256.Size()
		case child.is(nsEncrypt11, "MGF") && method.value("Algorithm") == keyOAEP:
			options.MGFHash, known = maskHashes[child.value("Algorithm")]
		}
		if !known {
			return nil, false
		}
	}
	switch method.value("Algorithm") {
	case keyOAEPMGF1, keyOAEP:
		return options, true
	default:
		return nil, false
	}
}

// cipherValue is the value of the CipherData of an element; a CipherReference
// has none.
func cipherValue(e *element) ([]byte, bool) {
	data := e.only(nsEncryption, "CipherData")
	if data == nil {
		return nil, false
	}
	value := data.only(nsEncryption, "CipherValue")
	if value == nil || len(data.named(nsEncryption, "CipherReference")) > 0 {
		return nil, false
	}
	text, plain := value.text()
	if !plain || strings.TrimSpace(text) == "" {
		return nil, false
	}
	return decodeText(text)
}

// open decrypts data that begins with its initialization vector.
func (a dataAlgorithm) open(secret, text []byte) ([]byte, bool) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, false
	}
	if a.gcm {
		aead, err := cipher.NewGCM(block) // 96-bit vector, 128-bit tag (XML Encryption 1.1, 5.2.4)
		if err != nil || len(text) < aead.NonceSize()+aead.Overhead() {
			return nil, false
		}
		plain, err := aead.Open(nil, text[:aead.NonceSize()], text[aead.NonceSize():], nil)
		return plain, err == nil
	}
	if len(text) < 2*aes.BlockSize || len(text)%aes.BlockSize != 0 {
		return nil, false
	}
	plain := make([]byte, len(text)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, text[:aes.BlockSize]).CryptBlocks(plain, text[aes.BlockSize:])
	// Only the last byte of the padding counts (XML Encryption 1.1, 5.2.1).
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, false
	}
	return plain[:len(plain)-padding], true
}
