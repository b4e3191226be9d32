package policy

import (
	"fmt"
	"strings"
)

// Remedy is what a refused caller can do next.
type Remedy struct {
	Text string `json:"text"`           // lower case, no full stop
	Path string `json:"path,omitempty"` // a path of the console; empty when no page helps
}

// The pages of the console that remedies lead to.
const (
	pathLogin   = "/login"
	pathFactors = "/profile/authentication"
	pathTokens  = "/profile/tokens"
)

// Remedy says how the caller gets past the first visible refusal; f are the
// facts of the decision. It never names ranges, other users or other
// organizations. It is the zero Remedy when nothing refused.
func (d Decision) Remedy(f *Facts) Remedy {
	switch d.Visible().Rule() {
	case ruleNone:
		return Remedy{}
	case 0:
		return Remedy{Text: "try again in a moment; if it stays so, tell the operator of the server"}
	case 1:
		return Remedy{"log in again, or use a token that is still valid", pathLogin}
	case 4:
		return Remedy{Text: "ask an admin of your organization to activate this user again"}
	case 5:
		return Remedy{addressed(f, "outside the addresses this credential may be used from; use it from there, or make another"), pathTokens}
	case 6:
		return Remedy{Text: addressed(f, "outside this organization's ranges; ask an admin of the organization")}
	case 7:
		return Remedy{Text: "check the organization's id, or ask an admin of the organization to invite you"}
	case 9, 10:
		return Remedy{"log in instead of using a personal token, or ask an admin of the organization for an application token", pathLogin}
	case 11:
		return createInstead(f)
	case 12, 13, 14, 15, 16:
		return loginOtherwise(f)
	case 17:
		return secondFactor(f)
	case 18:
		return renew(f)
	}
	return Remedy{Text: "ask an admin of the organization for the permission, or use a credential with the scope"}
}

func addressed(f *Facts, rest string) string {
	client := plain(f.Client)
	if !client.IsValid() {
		return "your address could not be determined, so it counts as " + rest
	}
	return fmt.Sprintf("your address %s is %s", client, rest)
}

func createInstead(f *Facts) Remedy {
	if f.Principal.Kind != User || f.Credential.Kind == ApplicationToken || f.Credential.Kind == SCIMToken {
		return Remedy{Text: "ask an admin of the organization for an application token"}
	}
	return Remedy{Text: "ask an admin of your organization to allow personal tokens, or for an application token"}
}

// loginOtherwise names the methods that the organization does allow. The one
// that was refused is not among them, except that an identity provider of
// another organization is answered with one's own.
func loginOtherwise(f *Facts) Remedy {
	allowed := allowedMethods(f.Policy)
	if f.Credential.ProviderOff && len(allowed) > 0 && f.Policy.SAMLEnabled {
		allowed[0] = "another identity provider of your organization"
	}
	if len(allowed) == 0 {
		return Remedy{Text: "ask an admin of the organization to allow a login method"}
	}
	text := "log in with " + strings.Join(allowed, " or ")
	if f.Credential.Kind == PersonalToken {
		text += ", then make a new personal token"
	}
	return Remedy{text, pathLogin}
}

func allowedMethods(p *Policy) []string {
	if p == nil {
		return nil
	}
	var list []string
	if p.SAMLEnabled {
		list = append(list, "your organization's identity provider")
	}
	if p.OAuthEnabled {
		for i, name := range []string{"Google", "Microsoft", "GitHub"} {
			if p.OAuthProviders&(1<<i) != 0 {
				list = append(list, name)
			}
		}
	}
	if p.PasskeyEnabled {
		list = append(list, "a passkey")
	}
	if p.PasswordEnabled {
		list = append(list, "your password")
	}
	return list
}

func secondFactor(f *Facts) Remedy {
	if f.Principal.SecondFactorSetUp {
		return Remedy{"log in again with your second factor", pathLogin}
	}
	return Remedy{"set up a second factor, then log in again", pathFactors}
}

func renew(f *Facts) Remedy {
	switch f.Credential.Kind {
	case Session:
		return Remedy{"log in again", pathLogin}
	case PersonalToken:
		return Remedy{"make a new personal token", pathTokens}
	}
	return Remedy{Text: "ask an admin of the organization for a new application token"}
}
