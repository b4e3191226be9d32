package policy

import (
	"fmt"
	"strings"
)

// The words of each enumeration, by value. They are part of recorded facts and
// of the text cases, so they never change their meaning; new ones are added at
// the end.
var (
	methodWords     = []string{"none", "password", "google", "microsoft", "github", "passkey", "saml", "oidc"}
	credentialWords = []string{"none", "session", "personal_token", "application_token", "scim_token"}
	principalWords  = []string{"user", "application_user"}
	stateWords      = []string{"active", "deactivated", "deleted"}
	actionWords     = []string{"access", "login", "create_personal_token"}
	providerWords   = []string{"google", "microsoft", "github"}
)

// ParseMethod reads the word of a method, as String writes it.
func ParseMethod(text string) (Method, error) {
	return parseWord[Method]("authentication method", methodWords, text)
}

// String is the wire name: password, google, microsoft, github, passkey, saml,
// oidc; none for MethodNone.
func (m Method) String() string { return word("Method", methodWords, m) }

// MarshalText is String, or an error for a value that has no word.
func (m Method) MarshalText() ([]byte, error) {
	return marshalWord("authentication method", methodWords, m)
}

// UnmarshalText is ParseMethod.
func (m *Method) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMethod(string(text))
	return err
}

// ParseCredentialKind reads the word of a kind, as String writes it.
func ParseCredentialKind(text string) (CredentialKind, error) {
	return parseWord[CredentialKind]("kind of credential", credentialWords, text)
}

// String is the wire name: session, personal_token, application_token,
// scim_token; none for CredentialNone.
func (k CredentialKind) String() string { return word("CredentialKind", credentialWords, k) }

// MarshalText is String, or an error for a value that has no word.
func (k CredentialKind) MarshalText() ([]byte, error) {
	return marshalWord("kind of credential", credentialWords, k)
}

// UnmarshalText is ParseCredentialKind.
func (k *CredentialKind) UnmarshalText(text []byte) (err error) {
	*k, err = ParseCredentialKind(string(text))
	return err
}

// ParsePrincipalKind reads the word of a kind, as String writes it.
func ParsePrincipalKind(text string) (PrincipalKind, error) {
	return parseWord[PrincipalKind]("kind of principal", principalWords, text)
}

// String is the wire name: user or application_user.
func (k PrincipalKind) String() string { return word("PrincipalKind", principalWords, k) }

// MarshalText is String, or an error for a value that has no word.
func (k PrincipalKind) MarshalText() ([]byte, error) {
	return marshalWord("kind of principal", principalWords, k)
}

// UnmarshalText is ParsePrincipalKind.
func (k *PrincipalKind) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePrincipalKind(string(text))
	return err
}

// ParseState reads the word of a state, as String writes it.
func ParseState(text string) (State, error) {
	return parseWord[State]("state", stateWords, text)
}

// String is the wire name: active, deactivated or deleted.
func (s State) String() string { return word("State", stateWords, s) }

// MarshalText is String, or an error for a value that has no word.
func (s State) MarshalText() ([]byte, error) { return marshalWord("state", stateWords, s) }

// UnmarshalText is ParseState.
func (s *State) UnmarshalText(text []byte) (err error) {
	*s, err = ParseState(string(text))
	return err
}

// ParseAction reads the word of an action, as String writes it.
func ParseAction(text string) (Action, error) {
	return parseWord[Action]("action", actionWords, text)
}

// String is the wire name: access, login or create_personal_token.
func (a Action) String() string { return word("Action", actionWords, a) }

// MarshalText is String, or an error for a value that has no word.
func (a Action) MarshalText() ([]byte, error) { return marshalWord("action", actionWords, a) }

// UnmarshalText is ParseAction.
func (a *Action) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAction(string(text))
	return err
}

// ParseProviders reads a set from the names of its members, in any order. A
// name that is unknown or appears twice is an error. No name is the empty set.
func ParseProviders(names []string) (Providers, error) {
	var set Providers
	for _, name := range names {
		i, err := parseWord[Providers]("third-party provider", providerWords, name)
		if err != nil {
			return 0, err
		}
		if one := Providers(1) << i; set&one == 0 {
			set |= one
			continue
		}
		return 0, fmt.Errorf("third-party provider %q appears twice", name)
	}
	return set, nil
}

// Names are the names of the members, always in the order google, microsoft,
// github. It is never nil.
func (p Providers) Names() []string {
	names := make([]string, 0, len(providerWords))
	for i, name := range providerWords {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String is the names with commas between; empty for the empty set.
func (p Providers) String() string { return strings.Join(p.Names(), ",") }

// MarshalText is String, or an error for a set with a member that has no name.
func (p Providers) MarshalText() ([]byte, error) {
	if p&^AllProviders != 0 {
		return nil, fmt.Errorf("third-party providers %#b have no name", uint8(p&^AllProviders))
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (p *Providers) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*p = 0
		return nil
	}
	*p, err = ParseProviders(strings.Split(string(text), ","))
	return err
}

func word[T ~uint8](kind string, words []string, value T) string {
	if int(value) < len(words) {
		return words[value]
	}
	return fmt.Sprintf("%s(%d)", kind, uint8(value))
}

func marshalWord[T ~uint8](what string, words []string, value T) ([]byte, error) {
	if int(value) < len(words) {
		return []byte(words[value]), nil
	}
	return nil, fmt.Errorf("%s %d has no name", what, uint8(value))
}

func parseWord[T ~uint8](what string, words []string, text string) (T, error) {
	for i, w := range words {
		if w == text {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("unknown %s %.40q: use one of %s", what, text, strings.Join(words, ", "))
}
