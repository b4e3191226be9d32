package org

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const (
	// defaultTokenAge is how long a token lives when no age is asked for, and
	// maxTokenAge the most that may be asked for unless the operator says
	// otherwise (docs/parameters.md 3.4).
	defaultTokenAge = 90 * 24 * time.Hour
	maxTokenAge     = 366 * 24 * time.Hour
	// maxTokens is how many live tokens of a kind one owner may have. None is
	// evicted to make room: somebody's program would stop.
	maxTokens = 10
	// maxTokenList bounds the address ranges, and the scopes, of one token.
	maxTokenList = 100
)

// TokenRequest is what a new token is asked to be.
type TokenRequest struct {
	Description string // at most 1000 characters, may be empty
	// MaxAgeSeconds is a whole number from 600 to 315360000; nil is the
	// server's default lifetime. It is a float because clients write 3600.0.
	MaxAgeSeconds *float64
	// ExtendWhenUsed moves the expiry to the last use plus the maximum age. It
	// has no effect without one.
	ExtendWhenUsed bool
	Addresses      []string // at most 100 CIDR; empty: no restriction
	Scopes         []string // at most 100 published names; empty: no restriction
}

// NewToken is a token just made. Its plain form is nowhere else and is shown
// once.
type NewToken struct {
	identity.Token
	Plain credential.Token
}

// Tokens returns the caller's live tokens of every kind, newest first, and how
// the personal ones stand at each of the caller's organizations.
func (s *Service) Tokens(ctx context.Context, p *identity.Principal) (list []identity.Token, err error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		if list, err = r.Tokens(ctx, p.User.ID); err != nil {
			return err
		}
		organizations, err := r.OrganizationsOf(ctx, p.User.ID)
		if err != nil {
			return err
		}
		return judgeTokens(ctx, r, list, organizations)
	})
	return list, err
}

func (s *Service) tokensOf(ctx context.Context, userID string) (list []identity.Token, err error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		list, err = r.Tokens(ctx, userID)
		return err
	})
	return list, err
}

// CreateToken makes a personal token of the caller, if the policy allows
// (docs/spec/policy.md rule 11). Made with a session it remembers how that session's
// owner logged in. Made with a personal token it reaches no further than that
// one: no longer, no more scopes, no more addresses, the same login; and it
// dies with it.
func (s *Service) CreateToken(ctx context.Context, p *identity.Principal, in TokenRequest) (NewToken, error) {
	asked, err := s.askedToken(in)
	if err != nil {
		return NewToken{}, err
	}
	if slices.Contains(in.Scopes, identity.IntrospectPermission) {
		return NewToken{}, identity.Invalidf("bad_request", "the scope %s is for application tokens; leave it out", identity.IntrospectPermission)
	}
	var made NewToken
	var refused error
	err = s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) (err error) {
		known, facts, err := creator(ctx, tx, p)
		if err != nil {
			return err
		}
		if d := policy.Decide(&facts); !d.Allowed() {
			refused, err = s.refuseToken(ctx, tx, p, &known.Facts, &facts, d)
			return err
		}
		refused = nil
		made, err = s.addPersonalToken(ctx, tx, asked, &known, facts.Credential.Expires)
		return err
	})
	if err != nil {
		return NewToken{}, err
	}
	return made, refused
}

// creator reads again, now that nobody can change it, who wants to make a
// personal token, and gathers what the policy asks about it. A credential that
// was voided after the request was let in must not leave a new one behind.
func creator(ctx context.Context, tx *store.Tx, p *identity.Principal) (store.Maker, policy.Facts, error) {
	known, err := tx.Maker(ctx, p.User.ID, p.Token.Prefix, p.User.ManagingOrganizationID, policy.PersonalToken)
	if managing := known.User.ManagingOrganizationID; err == nil && managing != p.User.ManagingOrganizationID {
		known.Facts, err = tx.Facts(ctx, p.Token.Prefix, managing)
	}
	if err != nil {
		return store.Maker{}, policy.Facts{}, err
	}
	u := &known.User
	f := policy.Facts{
		Action: policy.CreatePersonalToken, Now: tx.Now, Client: p.Address.Client,
		Credential: credentialNow(p, &known.Facts), Principal: known.User.Principal(known.Member),
		Organization: u.ManagingOrganizationID, Covered: true,
	}
	if u.ManagingOrganizationID != "" {
		// The managing organization is one of the user's organizations, so
		// rule 11 refuses by it alone whenever all of them refuse. The others
		// stay out of facts that its admins may read.
		f.Policy = tx.EffectivePolicy(known.Organization.Policy, known.Pilot)
		return known, f, nil
	}
	f.Memberships = known.Policies
	return known, f, nil
}

// readPolicy reads a stored policy; nil, which refuses, when it cannot.
func readPolicy(stored string) *policy.Policy {
	p, err := policy.Parse([]byte(stored))
	if err != nil {
		return nil
	}
	return &p
}

// refuseToken records a refusal, at most once per credential, reason and
// minute, and returns what the caller hears.
func (s *Service) refuseToken(ctx context.Context, tx *store.Tx, p *identity.Principal, known *store.Facts, f *policy.Facts, d policy.Decision) (refused, err error) {
	if d.Status() == 401 {
		return identity.BadCredential(), nil
	}
	id := identity.DecisionID(s.Keys.Derive("decision id"), known.Token.Prefix+" "+f.Action.String(), known.Organization.ID, d, f.Now)
	refused = identity.RefusedError(d, f, id, s.PublicURL)
	if recorded, err := tx.DecisionRecorded(ctx, id); err != nil || recorded {
		return refused, err
	}
	refusal, err := identity.NewRefusal(d, f, known.Organization.PolicyVersion, p.Address)
	if err != nil {
		return nil, err
	}
	detail, err := json.Marshal(refusal)
	if err != nil {
		return nil, err
	}
	return refused, tx.RecordRefusal(ctx, identity.Event{
		Action: "token_refused", Outcome: identity.Refused, DecisionID: id,
		OrganizationID: known.Organization.ID, AccountID: known.Organization.AccountID,
		Target:      identity.Target{Kind: "user", ID: known.User.ID, Name: known.User.Email},
		Description: fmt.Sprintf("refused %s a personal token: %s", known.User.Email, d.Code()),
		Detail:      detail,
	})
}

// addPersonalToken stores the token that was asked for, made with a known
// credential that expires at the given time (zero: never).
func (s *Service) addPersonalToken(ctx context.Context, tx *store.Tx, t identity.Token, by *store.Maker, expires time.Time) (NewToken, error) {
	if err := by.User.DemandAddress(); err != nil {
		return NewToken{}, err
	}
	if err := checkTokenCount(by.Tokens); err != nil {
		return NewToken{}, err
	}
	s.date(&t, tx.Now)
	t.Kind, t.UserID = policy.PersonalToken, by.User.ID
	t.Authentication, t.Identity = by.Token.Authentication, by.Token.Identity
	if by.Token.Kind != policy.Session {
		if err := inherit(&t, &by.Token, expires); err != nil {
			return NewToken{}, err
		}
	}
	made := s.sealToken(t, credential.KindPersonal)
	if err := tx.AddToken(ctx, made.Token); err != nil {
		return NewToken{}, err
	}
	err := tx.Record(ctx, identity.Event{
		Action: "token_created", OrganizationID: by.Organization.ID, AccountID: by.Organization.AccountID, Target: tokenTarget(made.Token),
		Description: "created the personal token " + made.Prefix, Detail: createdTokenDetail(made.Token),
	})
	if err != nil {
		return NewToken{}, err
	}
	return made, tx.SendMail(ctx, identity.Mail{Kind: identity.MailTokenCreated, To: by.User.Email, Data: map[string]string{"prefix": made.Prefix}})
}

// inherit keeps a token that is made with another one within that one's reach;
// otherwise one theft would last for ever.
func inherit(t, parent *identity.Token, expires time.Time) error {
	t.Parent = parent.Prefix
	// Extension would carry it past its parent.
	t.ExtendWhenUsed = false
	if !expires.IsZero() && t.Expires.After(expires) {
		t.Expires = expires
	}
	if len(t.Scopes) == 0 {
		t.Scopes = parent.Scopes
	}
	if len(t.Addresses) == 0 {
		t.Addresses, t.AddressTexts = parent.Addresses, parent.AddressTexts
	}
	return within(t, parent)
}

// within refuses a token that has scopes or addresses which the token it is
// made with has not.
func within(t, parent *identity.Token) error {
	if len(parent.Scopes) > 0 && len(t.Scopes) == 0 {
		return identity.Forbiddenf("request_forbidden", "name the scopes of the new token: the calling token is narrowed to %s, and a token made with it may not reach further", strings.Join(parent.Scopes, " "))
	}
	for _, scope := range t.Scopes {
		if !identity.ScopesCover(parent.Scopes, scope) {
			return identity.Forbiddenf("request_forbidden", "the calling token does not have the scope %s, so it cannot give it to another; leave it out, or log in and repeat it from that session", scope)
		}
	}
	if len(parent.Addresses) > 0 && len(t.Addresses) == 0 {
		return identity.Forbiddenf("request_forbidden", "give the new token an ip_allowlist: the calling token has one, and a token made with it may not be used from elsewhere")
	}
	for i, prefix := range t.Addresses {
		if !containedIn(prefix, parent.Addresses) {
			return identity.Forbiddenf("request_forbidden", "%s is not within the ip_allowlist of the calling token, so it cannot be in that of a token made with it", t.AddressTexts[i])
		}
	}
	return nil
}

// containedIn says whether one prefix of a list holds all of another; an empty
// list holds everything.
func containedIn(p netip.Prefix, list []netip.Prefix) bool {
	for _, outer := range list {
		if outer.Bits() <= p.Bits() && outer.Contains(p.Addr()) {
			return true
		}
	}
	return len(list) == 0
}

// UpdateToken changes the description of one of the caller's tokens, named by
// its prefix or whole. Nothing else of a token can change.
func (s *Service) UpdateToken(ctx context.Context, p *identity.Principal, name, description string) (t identity.Token, err error) {
	if err := checkTokenDescription(description); err != nil {
		return t, err
	}
	err = s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if t, err = findToken(ctx, tx, p.User.ID, name); err != nil {
			return err
		}
		before := t.Description
		t.Description = description
		if err := tx.SetTokenDescription(ctx, t.Prefix, description); err != nil {
			return err
		}
		e, err := ownEvent(ctx, tx, p.User)
		if err != nil {
			return err
		}
		e.Action, e.Target = "token_updated", tokenTarget(t)
		e.Description = "changed the description of token " + t.Prefix
		e.Detail = beforeAfter(map[string]any{"description": before}, map[string]any{"description": description})
		return tx.Record(ctx, e)
	})
	return t, err
}

// RevokeToken ends one of the caller's tokens, named by its prefix or whole,
// and those that were made with it. It may be the calling one.
func (s *Service) RevokeToken(ctx context.Context, p *identity.Principal, name string) error {
	return s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		e, err := ownEvent(ctx, tx, p.User)
		if err != nil {
			return err
		}
		return revokeToken(ctx, tx, p.User.ID, name, e)
	})
}

// revokeToken ends a user's token and its descendants with one event, e.
func revokeToken(ctx context.Context, tx *store.Tx, userID, name string, e identity.Event) error {
	t, err := findToken(ctx, tx, userID, name)
	if err != nil {
		return err
	}
	ended, err := tx.RevokeToken(ctx, userID, t.Prefix)
	if err != nil {
		return err
	}
	e.Action, e.Target = "token_revoked", tokenTarget(t)
	e.Description = "revoked token " + t.Prefix
	if len(ended) > 1 {
		e.Description = fmt.Sprintf("revoked token %s and %d made with it", t.Prefix, len(ended)-1)
	}
	e.Detail = beforeAfter(map[string]any{"tokens": ended, "user_id": userID}, nil)
	return tx.Record(ctx, e)
}

// findToken returns a live token of a user by its prefix or its whole text. A
// text that has the right prefix but is not the token names none.
func findToken(ctx context.Context, tx *store.Tx, userID, name string) (identity.Token, error) {
	prefix, ok := credential.Prefix(name)
	if !ok {
		return identity.Token{}, store.NoToken()
	}
	t, err := tx.Token(ctx, userID, prefix)
	if err != nil || len(name) == credential.PrefixLength {
		return t, err
	}
	if parsed, ok := credential.Parse(name); !ok || !parsed.Matches(t.Hash) {
		return identity.Token{}, store.NoToken()
	}
	return t, nil
}

// ownEvent is an event about something of a user's own. It belongs to the
// organization that manages the user, or that an application user is of; the
// log of a user whom nobody manages is theirs alone.
func ownEvent(ctx context.Context, tx *store.Tx, u *identity.User) (identity.Event, error) {
	id := u.ManagingOrganizationID
	if u.Application {
		id = u.OrganizationID
	}
	if id == "" {
		return identity.Event{}, nil
	}
	o, err := tx.Organization(ctx, id)
	return identity.Event{OrganizationID: o.ID, AccountID: o.AccountID}, err
}

// askedToken checks a request and returns the token it describes, yet without
// owner, dates and secret.
func (s *Service) askedToken(in TokenRequest) (identity.Token, error) {
	t := identity.Token{Description: in.Description, Manual: true, AddressTexts: in.Addresses, Scopes: in.Scopes}
	if err := checkTokenDescription(in.Description); err != nil {
		return t, err
	}
	var err error
	if t.MaxAge, err = s.tokenAge(in.MaxAgeSeconds); err != nil {
		return t, err
	}
	t.ExtendWhenUsed = in.ExtendWhenUsed && t.MaxAge > 0
	if t.Addresses, err = tokenAddresses(in.Addresses); err != nil {
		return t, err
	}
	return t, checkScopes(in.Scopes)
}

func checkTokenDescription(text string) error {
	if utf8.RuneCountInString(text) > identity.MaxDescription {
		return identity.Invalidf("bad_request", "the description is too long: at most %d characters", identity.MaxDescription)
	}
	return identity.CheckDescription("description", text)
}

// tokenAge reads an asked-for maximum age; zero when none was asked for.
func (s *Service) tokenAge(seconds *float64) (time.Duration, error) {
	if seconds == nil {
		return 0, nil
	}
	n, least, most := *seconds, policy.MinTokenAge.Seconds(), policy.MaxTokenAge.Seconds()
	if !(n >= least && n <= most) || n != math.Trunc(n) {
		return 0, identity.Invalidf("bad_request", "max_age_seconds is not a whole number from %.0f to %.0f", least, most)
	}
	age := time.Duration(n) * time.Second
	if limit := s.longestTokenAge(); age > limit {
		return 0, identity.Invalidf("bad_request", "max_age_seconds is more than this server allows: at most %.0f (%.0f days)", limit.Seconds(), limit.Hours()/24)
	}
	return age, nil
}

func (s *Service) longestTokenAge() time.Duration {
	switch {
	case s.AllowLongTokens:
		return policy.MaxTokenAge
	case s.MaxTokenAge > 0:
		return s.MaxTokenAge
	}
	return maxTokenAge
}

// date sets when a token begins and ends. The default lifetime shows in the
// expiry only: no maximum age was asked for.
func (s *Service) date(t *identity.Token, now time.Time) {
	age := t.MaxAge
	if age == 0 {
		age = min(defaultTokenAge, s.longestTokenAge())
	}
	t.Created, t.Expires = now, now.Add(age)
}

// sealToken gives a token its secret, of which it keeps the hash.
func (s *Service) sealToken(t identity.Token, kind credential.Kind) NewToken {
	plain, prefix, hash := credential.New(kind, s.rand())
	t.Prefix, t.Hash = prefix, hash
	return NewToken{t, credential.Conceal(plain)}
}

// checkTokenCount refuses a token more than an owner may have of a kind, when
// there are n. The caller holds the owner's scope, so that two cannot both be
// the last.
func checkTokenCount(n int64) error {
	if n >= maxTokens {
		return identity.Invalidf("token_limit_reached", "there are %d tokens already, which is the most; revoke one that is no longer needed", n)
	}
	return nil
}

func tokenAddresses(texts []string) ([]netip.Prefix, error) {
	if len(texts) > maxTokenList {
		return nil, identity.Invalidf("bad_request", "ip_allowlist has %d ranges: at most %d are allowed", len(texts), maxTokenList)
	}
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = policy.ParseRange(text); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func checkScopes(scopes []string) error {
	if len(scopes) > maxTokenList {
		return identity.Invalidf("bad_request", "there are %d scopes: at most %d are allowed", len(scopes), maxTokenList)
	}
	for _, scope := range scopes {
		if !slices.Contains(identity.Scopes, scope) {
			return identity.Invalidf("bad_request", "%.64q is not a scope; use some of %s", scope, strings.Join(identity.Scopes, " "))
		}
	}
	return nil
}

func tokenTarget(t identity.Token) identity.Target {
	return identity.Target{Kind: "token", ID: t.Prefix, Name: t.Description}
}

func createdTokenDetail(t identity.Token) json.RawMessage {
	after := map[string]any{"kind": t.Kind.String(), "user_id": t.UserID, "description": t.Description, "expiry_time": t.Expires, "extend_when_used": t.ExtendWhenUsed}
	if t.MaxAge > 0 {
		after["max_age_seconds"] = int64(t.MaxAge / time.Second)
	}
	if len(t.AddressTexts) > 0 {
		after["ip_allowlist"] = t.AddressTexts
	}
	if len(t.Scopes) > 0 {
		after["scopes"] = t.Scopes
	}
	if t.Parent != "" {
		after["made_with"] = t.Parent
	}
	return beforeAfter(nil, after)
}
