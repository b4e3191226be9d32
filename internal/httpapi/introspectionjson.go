package httpapi

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport"
)

// appendIntrospection writes what encode does. It is the answer that is asked
// for most, and reflection would take more time than all of its decision.
func appendIntrospection(b []byte, in *sallyport.Introspection) []byte {
	b = append(b, `{"active":`...)
	b = strconv.AppendBool(b, in.Active)
	b = appendText(b, `,"sub":`, in.Sub)
	b = appendText(b, `,"username":`, in.Username)
	b = appendText(b, `,"token_type":`, in.TokenType)
	b = appendText(b, `,"organization_id":`, in.OrganizationID)
	b = appendNumber(b, `,"exp":`, in.Exp)
	b = appendNumber(b, `,"iat":`, in.Iat)
	if in.Scope != nil {
		b = appendString(append(b, `,"scope":`...), *in.Scope)
	}
	b = appendTexts(b, `,"groups":`, in.Groups)
	b = appendTexts(b, `,"roles":`, in.Roles)
	b = appendTexts(b, `,"amr":`, in.AMR)
	if in.Managed != nil {
		b = append(b, `,"managed":`...)
		b = strconv.AppendBool(b, *in.Managed)
	}
	b = appendText(b, `,"error_code":`, in.ErrorCode)
	b = appendText(b, `,"decision_id":`, in.DecisionID)
	return append(b, "}\n"...)
}

func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(append(b, name...), value)
}

func appendNumber(b []byte, name string, value int64) []byte {
	if value == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), value, 10)
}

func appendTexts(b []byte, name string, values []string) []byte {
	if values == nil {
		return b
	}
	b = append(append(b, name...), '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, value)
	}
	return append(b, ']')
}

// appendString writes what needs no escape itself and leaves all else to the
// encoder.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if !plainInJSON[s[i]] {
			text, err := json.Marshal(s, written)
			if err != nil {
				text = []byte(`""`) // text always can be written
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// written is how answers are written.
var written = json.JoinOptions(jsontext.EscapeForHTML(true), jsontext.AllowInvalidUTF8(true))

// plainInJSON are the bytes that stand for themselves in text of an answer.
var plainInJSON = func() (plain [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		plain[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return plain
}()
