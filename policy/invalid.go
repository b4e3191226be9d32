package policy

// The error codes of a policy that cannot be accepted.
const (
	// CodeBadRequest is a document of the wrong shape, or a value out of bounds.
	CodeBadRequest = "bad_request"
	// CodeNoMethod is a policy under which nobody could log in.
	CodeNoMethod = "account_must_have_enabled_authentication_method"
	// CodeBadRange is an address range that is not written strictly.
	CodeBadRange = "ip_address_not_valid"
)

// Invalid says why a policy document, a policy or a range is not accepted, in
// words for the person who wrote it.
type Invalid struct {
	// Field is the wire name of the field at fault; empty when the document
	// as a whole is.
	Field string
	// Code is the error_code on the wire, one of the Code constants.
	Code string
	// Message is a sentence without the field's name: lower case, no full stop.
	Message string
	// Suggestion is the corrected value where there is a certain one, such as
	// 203.0.113.0/24 for 203.0.113.7/24; else empty.
	Suggestion string
}

// Error is the field, the message and the suggestion in one line.
func (e *Invalid) Error() string {
	text := e.Message
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Suggestion != "" {
		text += ": write " + e.Suggestion
	}
	return text
}

func bad(field, message string) *Invalid {
	return &Invalid{Field: field, Code: CodeBadRequest, Message: message}
}
