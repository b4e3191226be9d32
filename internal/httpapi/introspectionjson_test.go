package httpapi

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport"
)

// TestIntrospectionsAreWrittenAsOtherAnswers whatever names people and groups
// give themselves.
func TestIntrospectionsAreWrittenAsOtherAnswers(t *testing.T) {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", `"`, `\`, "<script>&", "\x00\x1f\x7f", "\xff", "a\xc3", "\u2028\u2029", "😀", "\ufffd", `","active":true`}), rapid.String())
	list := rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(text, 0, 3))
	number := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64())
	optional := rapid.OneOf(rapid.Just((*string)(nil)), rapid.Ptr(text, false))
	rapid.Check(t, func(t *rapid.T) {
		in := sallyport.Introspection{
			Active: rapid.Bool().Draw(t, "active"), Sub: text.Draw(t, "sub"), Username: text.Draw(t, "username"), TokenType: text.Draw(t, "token_type"),
			OrganizationID: text.Draw(t, "organization_id"), Exp: number.Draw(t, "exp"), Iat: number.Draw(t, "iat"), Scope: optional.Draw(t, "scope"),
			Groups: list.Draw(t, "groups"), Roles: list.Draw(t, "roles"), AMR: list.Draw(t, "amr"),
			Managed:   rapid.SampledFrom([]*bool{nil, new(false), new(true)}).Draw(t, "managed"),
			ErrorCode: text.Draw(t, "error_code"), DecisionID: text.Draw(t, "decision_id"),
		}
		want, err := encode(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendIntrospection(nil, &in); string(got) != string(want) {
			t.Fatalf("wrote %s, want %s", got, want)
		}
	})
}
