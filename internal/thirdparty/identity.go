package thirdparty

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/oauth2"
)

// Identity is who a provider says has logged in.
type Identity struct {
	// Subject names the person at the provider and stays the same when name,
	// address or login change: "ISSUER|SUB"; of Microsoft "TENANT|OBJECT", both
	// GUIDs in lower case; of GitHub the numeric id.
	Subject string
	// Email is the address as the provider writes it, "" when it says none. It
	// never names an account on its own.
	Email string
	// EmailVerified is true only when the provider vouches that the address is
	// the person's now: email_verified is the boolean true, of Google also only
	// for addresses that are Google's to give (gmail.com, and those of a
	// Workspace); of Microsoft xms_edov is the boolean true; of GitHub the
	// address is the primary one and verified.
	EmailVerified bool
	Name          string // for display, "" when unknown, at most 255 characters
	// PublicIdentity is how people know the identity, for display: the address,
	// or the login at GitHub.
	PublicIdentity string
	HostedDomain   string // Google: the Workspace's domain (hd), "" for personal accounts
	Tenant         string // Microsoft: the tenant's id (tid), a GUID in lower case
	// Groups are the claim "groups" when it is a list of at most 500 texts.
	Groups []string
}

// guid is how Microsoft writes the ids of tenants and objects.
var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// claims are those of an ID token, or of the userinfo endpoint (OpenID Connect
// Core, 2 and 5.1; Microsoft's and Google's own). Those that providers write in
// different types are of type any: only one type counts.
type claims struct {
	Issuer          string   `json:"iss"`
	Subject         string   `json:"sub"`
	AuthorizedParty *string  `json:"azp"`
	Expires         *float64 `json:"exp"`
	IssuedAt        *float64 `json:"iat"`
	NotBefore       *float64 `json:"nbf"`
	AuthTime        *float64 `json:"auth_time"`
	Tenant          string   `json:"tid"`
	Object          string   `json:"oid"`

	Email         any `json:"email"`
	EmailVerified any `json:"email_verified"`
	DomainOwner   any `json:"xms_edov"` // Microsoft: the tenant has proved the address's domain
	HostedDomain  any `json:"hd"`
	Name          any `json:"name"`
	Username      any `json:"preferred_username"`
	Groups        any `json:"groups"`
}

// openIDIdentity turns a token into the identity of an OpenID provider.
func (p *Provider) openIDIdentity(ctx context.Context, m metadata, token *oauth2.Token, callbackIssuer string, c Challenge) (Identity, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok || raw == "" {
		return Identity{}, p.failed(ReasonToken, "the provider sent no ID token")
	}
	got, err := p.idToken(ctx, m, raw, token.AccessToken, c)
	if err != nil {
		return Identity{}, err
	}
	if callbackIssuer != "" && callbackIssuer != got.Issuer {
		return Identity{}, p.failed(ReasonCallback, "the callback is of the issuer %s", quoted(callbackIssuer))
	}
	if p.config.Kind == Microsoft {
		return p.microsoftIdentity(got)
	}
	if !plain(got.Subject, 255) {
		return Identity{}, p.failed(ReasonIdentity, "sub is missing, longer than 255 characters, or not plain text")
	}
	about := got
	if text(got.Email) == "" && m.UserinfoEndpoint != "" {
		if about, err = p.userinfo(ctx, m, token.AccessToken, got.Subject); err != nil {
			return Identity{}, err
		}
	}
	return p.identity(got.Issuer+"|"+got.Subject, about), nil
}

// userinfo asks for the claims that the ID token lacks: with a code many
// providers put only the subject there (OpenID Connect Core, 5.4). They count
// only for that subject (5.3.4).
func (p *Provider) userinfo(ctx context.Context, m metadata, accessToken, subject string) (claims, error) {
	var about claims
	status, err := p.get(ctx, m.UserinfoEndpoint, accessToken, nil, &about)
	if err != nil {
		return claims{}, err
	}
	if status != http.StatusOK {
		return claims{}, p.failed(ReasonIdentity, "the userinfo endpoint answered with status %d", status)
	}
	if about.Subject != subject {
		return claims{}, p.failed(ReasonIdentity, "the userinfo endpoint speaks of another sub")
	}
	return about, nil
}

// identity reads the claims that describe a subject.
func (p *Provider) identity(subject string, about claims) Identity {
	who := Identity{
		Subject: subject,
		Email:   address(text(about.Email)),
		Name:    line(text(about.Name), 255),
		Groups:  groups(about.Groups),
	}
	verified, _ := about.EmailVerified.(bool)
	if p.config.Kind == Google {
		who.HostedDomain = line(text(about.HostedDomain), 255)
		verified = verified && (who.HostedDomain != "" || googleMail(who.Email))
	}
	who.EmailVerified = verified && who.Email != ""
	who.PublicIdentity = display(who.Email, text(about.Username), about.Subject)
	return who
}

// googleMail reports whether the address is one of Google's own. Of a personal
// account with another address Google knows only that it once was the person's
// (Google, "Authenticate with a backend server").
func googleMail(email string) bool {
	_, domain, _ := strings.Cut(strings.ToLower(email), "@")
	return domain == "gmail.com" || domain == "googlemail.com"
}

// microsoftIdentity is an account of a tenant. Its address is what the tenant's
// administrators typed, anybody's, unless Microsoft says that the tenant owns
// the domain (row SOC-05).
func (p *Provider) microsoftIdentity(got claims) (Identity, error) {
	if !guid.MatchString(got.Object) {
		return Identity{}, p.failed(ReasonIdentity, "oid is not the id of an object; the scope profile brings it")
	}
	tenant := strings.ToLower(got.Tenant)
	who := p.identity(tenant+"|"+strings.ToLower(got.Object), got)
	who.Tenant = tenant
	verified, _ := got.DomainOwner.(bool)
	who.EmailVerified = verified && who.Email != ""
	return who, nil
}

// display is the first of the texts that can be shown.
func display(texts ...string) string {
	for _, t := range texts {
		if t = line(t, 255); t != "" {
			return t
		}
	}
	return ""
}

// text is a claim's text; a claim of another type has none.
func text(claim any) string {
	t, _ := claim.(string)
	return t
}

// groups are the claim's texts, none when it is not a list of texts.
func groups(claim any) []string {
	list, _ := claim.([]any)
	if len(list) > 500 {
		return nil
	}
	var names []string
	for _, entry := range list {
		name, ok := entry.(string)
		if !ok || !plain(name, 255) {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// address is what may be an e-mail address, else "". The caller parses it; here
// it is kept from breaking lines and records.
func address(t string) string {
	if !plain(t, 254) || strings.Count(t, "@") != 1 || strings.ContainsRune(t, ' ') {
		return ""
	}
	return t
}

// plain reports whether a text has characters, at most so many, all printable.
func plain(t string, length int) bool {
	return t != "" && len([]rune(t)) <= length && !strings.ContainsFunc(t, func(r rune) bool {
		return r == unicode.ReplacementChar || !unicode.IsPrint(r)
	})
}
