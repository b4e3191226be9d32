package server_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/store"
)

// Whoever comes from whatever provider with whatever address, in any order: an
// organization's provider is never linked to somebody outside its own domain
// who did not ask for it, and nobody gets into an account that was confirmed
// before by an address alone.
func TestProvidersNeverCrossTenants(t *testing.T) {
	c := newClub(t, false)
	eve := c.Eve(t)
	providers := map[string]string{ // to the domain that it speaks for
		c.provider(t, c.OrganizationID, aVerified, nil):                            aVerified,
		c.provider(t, eve.OrganizationID, "b-verified.com", claims{"trust": true}): "b-verified.com",
		"google": "", "microsoft": "",
	}
	// Both organizations' SAML providers have the same entity id and key.
	idp := newSAMLIDP(t, idpEntity, 0)
	methods := map[string]*samlMethod{}
	for organizationID, domain := range map[string]string{c.OrganizationID: "a-saml.example", eve.OrganizationID: "b-saml.example"} {
		m := c.saml(t, organizationID, domain, idp, func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.IDPLoginAllowed = true })
		methods[m.ID], providers[m.ID] = m, domain
	}
	domains := []string{aVerified, "b-verified.com", "a-saml.example", "b-saml.example", "elsewhere.example", "gmail.com"}
	confirmed := map[string]bool{} // ids of users whose address was confirmed before anybody came
	for i, domain := range domains {
		confirmed[c.AddUser(t, "", fmt.Sprintf("old%d@%s", i, domain), "", false)] = true
		id := fmt.Sprintf("u0123456789%d", i)
		c.change(t, store.User(id), func(ctx context.Context, tx *store.Tx) error {
			return tx.AddUser(ctx, identity.User{ID: id, Email: fmt.Sprintf("unconfirmed%d@%s", i, domain), RealName: "U", State: identity.StateActive})
		})
	}
	rapid.Check(t, func(rt *rapid.T) {
		c.advance(10 * time.Second) // calls are limited by address
		provider := rapid.SampledFrom(slices.Sorted(maps.Keys(providers))).Draw(rt, "provider")
		domain := rapid.SampledFrom(domains).Draw(rt, "domain")
		email := fmt.Sprintf("%s%d@%s", rapid.SampledFrom([]string{"old", "unconfirmed", "new"}).Draw(rt, "who"), rapid.IntRange(0, 3).Draw(rt, "which"), domain)
		subject := fmt.Sprintf("s%d", rapid.IntRange(0, 9).Draw(rt, "subject"))
		who := claims{"sub": subject, "email": email, "email_verified": rapid.SampledFrom([]any{true, false, "true", nil}).Draw(rt, "verified"), "hd": rapid.SampledFrom([]any{nil, domain}).Draw(rt, "hd")}
		at := c.own
		switch provider {
		case "google":
			at = c.google
		case "microsoft":
			at = c.microsoft
			who["tid"], who["oid"] = tenant, strings.Replace(evesGUID, "aaaaaaaa", fmt.Sprintf("aaaaaaa%s", subject[1:]), 1)
			who["xms_edov"] = rapid.SampledFrom([]any{true, 1, nil}).Draw(rt, "edov")
		}
		b := c.guest(t, login.Begin{})
		var err error
		if m := methods[provider]; m != nil {
			err = b.anySAML(rt, t, m, methods, subject, email)
		} else {
			err = b.at(t, provider, at, who)
		}
		if err == nil && b.flow.Step == login.StepSignUp {
			err = b.accept(t, "Somebody")
		}
		if err != nil && isInternal(err) {
			rt.Fatal(err)
		}
		for _, row := range c.Rows(t, `SELECT l.provider, u.id, u.email FROM linked_identities l JOIN users u ON u.id = l.user_id WHERE l.deleted_at = 0`) {
			domain, own := providers[row[0]], strings.HasPrefix(row[0], "am")
			if own && !strings.HasSuffix(row[2], "@"+domain) {
				rt.Fatalf("the provider of %s is linked to %s", domain, row[2])
			}
			if !own && confirmed[row[1]] {
				rt.Fatalf("%s was linked to the confirmed account %s by an address alone", row[0], row[2])
			}
		}
	})
}

// anySAML brings a response that the provider of both organizations signed: for
// this door or the other, in answer to this browser's request or to none.
func (b *guest) anySAML(rt *rapid.T, t *testing.T, at *samlMethod, methods map[string]*samlMethod, subject, email string) error {
	var a asked
	if rapid.Bool().Draw(rt, "asked") {
		a = b.leaveSAML(t, at)
	}
	by := methods[rapid.SampledFrom(slices.Sorted(maps.Keys(methods))).Draw(rt, "addressed to")]
	s := by.by(a, email)
	s.nameID, s.response = subject, rapid.Bool().Draw(rt, "response signed")
	if rapid.Bool().Draw(rt, "mixed") {
		s.to.ACS = at.to.ACS
	}
	err := b.finish(t, at, by.idp.respond(t, s), a.relay)
	if err == nil && by != at {
		rt.Fatalf("a response for %s counts at %s", by.ID, at.ID)
	}
	return err
}

// isInternal says whether an error is none that a person is told.
func isInternal(err error) bool {
	var e *identity.Error
	return !errors.As(err, &e)
}
