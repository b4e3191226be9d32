package login

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

func domainOf(email string) string {
	_, domain, _ := strings.Cut(email, "@")
	return domain
}

func (s *Service) labelOf(ctx context.Context, name string) (string, error) {
	p, err := s.provider(ctx, name)
	if err != nil {
		return "", err
	}
	return p.label, nil
}

// meant is whom an arrival means, by what is stored now.
func (a *arrival) meant(ctx context.Context, read *store.Read, r *running) (identity.LinkDecision, identity.LinkedIdentity, error) {
	asking := ""
	if r.Purpose == identity.AttemptLink {
		asking = r.UserID
	}
	standing, linked, err := a.standing(ctx, read, asking)
	return identity.Link(a.proof(r), standing), linked, err
}

// arrived goes on with what a provider proved.
func (s *Service) arrived(ctx context.Context, r *running, p *provider, a *arrival) (Flow, error) {
	var d identity.LinkDecision
	var linked identity.LinkedIdentity
	err := s.DB.View(ctx, func(read *store.Read) (err error) {
		d, linked, err = a.meant(ctx, read, r)
		return err
	})
	switch {
	case err != nil:
		return Flow{}, err
	case d.Outcome == identity.LinkRefuse:
		return Flow{}, s.linkRefused(ctx, r, p, a, d)
	case d.Outcome == identity.LinkLogIn:
		return s.enterLinked(ctx, r, a, linked.ID, d.User.ID)
	case d.Outcome == identity.LinkToAsking:
		return s.linkAsked(ctx, r, a)
	case r.Purpose == identity.AttemptStepUp:
		return Flow{}, anotherAccount()
	case d.Outcome == identity.LinkOfferSignUp, d.Outcome == identity.LinkLogInFirst:
		return s.wait(ctx, r, a, d)
	}
	return s.settle(ctx, r, a, d, cmp.Or(a.Name, nameOf(a.Address)))
}

// nameOf stands in for a name that a provider did not tell.
func nameOf(address string) string {
	name, _, _ := strings.Cut(address, "@")
	return name
}

func anotherAccount() error {
	return identity.Forbiddenf("fresh_login_required", "this identity does not log your account in: prove who you are with one that is linked to it, or another way")
}

// wait keeps what arrived until its owner has logged in another way, or wants
// an account. The attempt goes on under a new secret.
func (s *Service) wait(ctx context.Context, r *running, a *arrival, d identity.LinkDecision) (Flow, error) {
	// A command line gets no account that has to be confirmed first.
	a.HasAccount = d.Outcome == identity.LinkLogInFirst || a.Address == "" || r.Client == identity.ClientCommandLine && !d.Confirmed
	if d.Outcome == identity.LinkLogInFirst {
		r.Email = a.Address
	}
	r.details.Arrived = a
	secret, id := credential.NewCode(s.rand())
	err := s.DB.Maintain(ctx, func(tx *store.Tx) error {
		if ok, err := tx.EndAttempt(ctx, r.ID, r.Version); err != nil || !ok {
			return cmp.Or(err, error(store.NoAttempt()))
		}
		return s.add(ctx, tx, r, id, r.Expires)
	})
	if err != nil {
		return Flow{}, err
	}
	r.ID, r.Version = id, 1
	flow, err := s.show(ctx, r)
	flow.Secret = secret
	return flow, err
}

// enterLinked logs the owner of a linked identity in.
func (s *Service) enterLinked(ctx context.Context, r *running, a *arrival, linkID, userID string) (Flow, error) {
	if r.Purpose == identity.AttemptStepUp && r.UserID != userID {
		return Flow{}, anotherAccount()
	}
	err := s.DB.View(ctx, func(read *store.Read) (err error) {
		r.who, err = subjectByID(ctx, read, userID, r.Device)
		return err
	})
	if err != nil {
		return Flow{}, err
	}
	r.UserID, r.Email, r.Authentication, r.Identity = userID, r.who.user.Email, a.how(), linkID
	r.details.SAMLLogin = a.SAML
	return s.proved(ctx, r, proof{use: func(ctx context.Context, tx *store.Tx, _ *identity.User) error {
		if ok, err := tx.UseLinkedIdentity(ctx, linkID, a.Public); err != nil || !ok {
			return cmp.Or(err, error(store.NoAttempt()))
		}
		return nil
	}})
}

// linkRefused is the answer when an identity means nobody, or somebody who may
// not log in.
func (s *Service) linkRefused(ctx context.Context, r *running, p *provider, a *arrival, d identity.LinkDecision) error {
	switch d.Reason {
	case identity.LinkElsewhere:
		return identity.Conflictf("user_authentication_method_already_linked", "this identity at %s is linked to another account already: remove it there first, or log in with it", a.Label)
	case identity.LinkTwice:
		return identity.Conflictf("user_authentication_method_already_linked", "this identity at %s is linked to your account already", a.Label)
	case identity.LinkUnproven:
		return d.User.DemandAddress()
	case identity.LinkDeactivated:
		return s.refuseDeactivated(ctx, r, a, d.User)
	}
	answer := identity.Forbiddenf(codeNotLinked, "nobody here is linked to this identity at %s. If you have an account, log in to it another way and link the identity: %s. Else ask your organization for its sign-up address", a.Label, s.linkURL(a.Provider))
	answer.Metadata = map[string]any{"remedy": "log in another way, then link the identity", "remedy_url": s.linkURL(a.Provider)}
	if p == nil {
		return answer
	}
	return s.refusedAt(ctx, r, p, answer, map[string]any{"reason": d.Reason, "identity": a.Public})
}

// codeNotLinked is the code for an identity that means nobody here.
const codeNotLinked = "unknown_user_sso_login_attempt"

// linkURL is where people link a provider's identity to the account they have.
func (s *Service) linkURL(provider string) string { return s.PublicURL + "/link/" + provider }

func (s *Service) refuseDeactivated(ctx context.Context, r *running, a *arrival, u *identity.User) error {
	var refused *refusal
	err := s.DB.View(ctx, func(read *store.Read) (err error) {
		refused, err = judge(ctx, read, u, a.how(), r.from.Client)
		return err
	})
	if err != nil {
		return err
	}
	if refused == nil { // reactivated this moment
		return overtaken()
	}
	return s.refuse(ctx, &subject{user: *u}, refused, r.from)
}

// settle does what a provider's proof leads to beside logging in: it makes the
// account, claims it, or links the identity to it; and then logs in. A login
// that a policy refuses leaves nothing of it.
func (s *Service) settle(ctx context.Context, r *running, a *arrival, want identity.LinkDecision, realName string) (Flow, error) {
	linkID, err := s.DB.NewID("uam")
	if err != nil {
		return Flow{}, err
	}
	user := identity.User{Email: a.Address, RealName: realName, State: identity.StateActive}
	if want.User != nil {
		user = *want.User
	} else if user.ID, err = s.DB.NewID("u"); err != nil {
		return Flow{}, err
	}
	var adopting store.Scope
	err = s.DB.Once(func(read *store.Read) (err error) {
		adopting, err = read.AdoptingScope(ctx, user.Email)
		return err
	})
	if err != nil {
		return Flow{}, err
	}
	if r.details.Arrived == a {
		r.details.Arrived = nil
	}
	row, err := s.sealed(r, r.ID)
	if err != nil {
		return Flow{}, err
	}
	var refused *refusal
	var account identity.User
	err = s.DB.Update(ctx, r.from.as(&user, ""), store.User(user.ID).And(adopting), func(tx *store.Tx) error {
		if err := a.holdProvider(ctx, tx); err != nil {
			return err
		}
		now, _, err := a.meant(ctx, &tx.Read, r)
		if err != nil {
			return err
		}
		if now.Outcome != want.Outcome || now.Confirmed != want.Confirmed || now.User != nil && now.User.ID != user.ID {
			return overtaken()
		}
		if account, err = s.account(ctx, tx, a, now, user); err != nil {
			return err
		}
		if err := a.link(ctx, tx, linkID, &account); err != nil {
			return err
		}
		if account, err = a.join(ctx, tx, now, account); err != nil {
			return err
		}
		if refused, err = judge(ctx, &tx.Read, &account, a.how(), r.from.Client); err != nil {
			return err
		}
		if refused != nil {
			return errRefused
		}
		if ok, err := tx.ChangeAttempt(ctx, row); err != nil || !ok {
			return cmp.Or(err, error(store.NoAttempt()))
		}
		return nil
	})
	if errors.Is(err, errRefused) {
		return Flow{}, s.refuse(ctx, &subject{user: account}, refused, r.from)
	}
	if errors.Is(err, errTaken) {
		err = overtaken()
	}
	if err != nil {
		return Flow{}, err
	}
	r.Version++
	return s.enterLinked(ctx, r, a, linkID, account.ID)
}

// account is the one that an identity is to be linked to: as it is, claimed, or
// new.
func (s *Service) account(ctx context.Context, tx *store.Tx, a *arrival, d identity.LinkDecision, user identity.User) (identity.User, error) {
	switch d.Outcome {
	case identity.LinkAutomatically:
		return *d.User, nil
	case identity.LinkClaim:
		return s.claimed(ctx, tx, *d.User)
	}
	words := "signed up with " + a.Label
	if d.Outcome == identity.LinkCreate || d.Confirmed {
		user.EmailConfirmed = tx.Now
	} else {
		words += "; the e-mail address is not confirmed yet"
	}
	if err := tx.AddUser(ctx, user); err != nil {
		return user, err
	}
	if user.EmailConfirmed.IsZero() {
		if err := s.mailCode(ctx, tx, &user, confirmLetter); err != nil {
			return user, err
		}
	}
	return user, tx.Record(ctx, identity.Event{Action: "user_created", Target: target(&user), Description: words})
}

// claimed ends all that was set up in an account before its owner came.
func (s *Service) claimed(ctx context.Context, tx *store.Tx, u identity.User) (identity.User, error) {
	if err := tx.RemovePassword(ctx, u.ID); err != nil {
		return u, err
	}
	if err := tx.VoidTokens(ctx, u.ID); err != nil {
		return u, err
	}
	if err := claim(ctx, tx, &u); err != nil {
		return u, err
	}
	return tx.User(ctx, u.ID)
}

// holdProvider keeps an organization's own provider while an identity is linked.
func (a *arrival) holdProvider(ctx context.Context, tx *store.Tx) error {
	if a.OrganizationID == "" {
		return nil
	}
	return tx.HoldProvider(ctx, a.OrganizationID, a.Provider)
}

// link links the identity to an account, and tells an owner who had it before.
func (a *arrival) link(ctx context.Context, tx *store.Tx, id string, u *identity.User) error {
	err := tx.AddLinkedIdentity(ctx, identity.LinkedIdentity{
		ID: id, UserID: u.ID, Provider: a.Provider, OrganizationID: a.OrganizationID, Subject: a.Subject, PublicIdentity: a.Public,
	})
	if err != nil {
		return err
	}
	if err := record(ctx, tx, u, "identity_linked", "linked an identity at "+a.Label+" to the account", map[string]any{"provider": a.Provider, "identity": a.Public, "method_id": id}); err != nil {
		return err
	}
	if u.Created.IsZero() || u.EmailConfirmed.IsZero() { // made this moment, or nobody's yet
		return nil
	}
	return tx.SendMail(ctx, identity.Mail{Kind: identity.MailMethodLinked, To: u.Email, Data: map[string]string{"provider": a.Label, "identity": cmp.Or(a.Public, "unnamed")}})
}

// join makes the owner of a confirmed address in a verified domain a managed
// member; whom an organization's provider brings anew joins its group too.
func (a *arrival) join(ctx context.Context, tx *store.Tx, d identity.LinkDecision, u identity.User) (identity.User, error) {
	if u.EmailConfirmed.IsZero() {
		return u, nil
	}
	if err := adopt(ctx, tx, &u); err != nil {
		return u, err
	}
	if d.Outcome == identity.LinkCreate {
		if err := a.autoJoin(ctx, tx, &u); err != nil {
			return u, err
		}
	}
	return tx.User(ctx, u.ID)
}

// autoJoin puts somebody new into the group that their provider names.
func (a *arrival) autoJoin(ctx context.Context, tx *store.Tx, u *identity.User) error {
	m, err := tx.AuthenticationMethod(ctx, a.OrganizationID, a.Provider)
	if err != nil || m.AutoJoinGroupID == "" {
		return err
	}
	if _, err := tx.Member(ctx, m.OrganizationID, u.ID); err != nil {
		if isKind(err, identity.NotFound) { // the domain is at risk: nobody new joins
			return nil
		}
		return err
	}
	g, err := tx.Group(ctx, m.OrganizationID, m.AutoJoinGroupID)
	if err != nil || g.ManagedBySCIM {
		return err
	}
	if err := tx.AddToGroup(ctx, m.OrganizationID, g.ID, u.ID); err != nil {
		return err
	}
	return tx.Record(ctx, identity.Event{
		Action: "group_members_changed", OrganizationID: m.OrganizationID, AccountID: m.AccountID,
		Target:      identity.Target{Kind: "user_group", ID: g.ID, Name: g.Name},
		Description: "joined the group by signing up with " + m.Name, Detail: detail(map[string]any{"after": map[string]any{"add_members": []string{u.ID}}}),
	})
}

// linkAsked links the identity to the account whose session asked for it.
func (s *Service) linkAsked(ctx context.Context, r *running, a *arrival) (Flow, error) {
	err := s.linkToOwner(ctx, r, a, r.Session, func(tx *store.Tx) (bool, error) { return tx.EndAttempt(ctx, r.ID, r.Version) }, func(tx *store.Tx) error {
		_, err := tx.Token(ctx, r.UserID, r.Session)
		return endedMeanwhile(err)
	})
	if err != nil {
		return Flow{}, err
	}
	return Flow{Step: StepDone, Purpose: r.Purpose, Email: r.Email, Provider: a.Label, Next: r.Next}, nil
}

// linkToOwner links the identity to the owner of the attempt, which moves on in
// the same transaction; move reports false when another request was quicker.
// prefix is the credential that the event names; the checks come before anything is done.
func (s *Service) linkToOwner(ctx context.Context, r *running, a *arrival, prefix string, move func(*store.Tx) (bool, error), checks ...func(*store.Tx) error) error {
	id, err := s.DB.NewID("uam")
	if err != nil {
		return err
	}
	err = s.DB.Update(ctx, r.from.as(&r.who.user, prefix), store.User(r.UserID), func(tx *store.Tx) error {
		if err := a.holdProvider(ctx, tx); err != nil {
			return err
		}
		for _, check := range checks {
			if err := check(tx); err != nil {
				return err
			}
		}
		user, err := a.linkable(ctx, &tx.Read, r.UserID)
		if err != nil {
			return err
		}
		if err := a.link(ctx, tx, id, user); err != nil {
			return err
		}
		if ok, err := move(tx); err != nil || !ok {
			return cmp.Or(err, error(store.NoAttempt()))
		}
		return nil
	})
	if notFree, ok := errors.AsType[errNotFree](err); ok {
		return s.linkRefused(ctx, r, nil, a, notFree.decision)
	}
	return err
}

// errNotFree says that an identity cannot be linked to whoever asks.
type errNotFree struct{ decision identity.LinkDecision }

func (errNotFree) Error() string { return "login: the identity cannot be linked" }

// linkable is the user, if the identity may be linked to them now.
func (a *arrival) linkable(ctx context.Context, read *store.Read, userID string) (*identity.User, error) {
	standing, _, err := a.standing(ctx, read, userID)
	if err != nil {
		return nil, err
	}
	d := identity.Link(a.proof(&running{}), standing)
	if d.Outcome != identity.LinkToAsking {
		return nil, errNotFree{d}
	}
	return d.User, nil
}

// acceptSignUp makes the account that a provider's proof offered. Where the
// address has one already, which nobody vouched for, its owner is told by mail,
// and the answer is the same: its session opens nothing.
func (s *Service) acceptSignUp(ctx context.Context, r *running, realName string) (Flow, error) {
	a := r.details.Arrived
	profile := ProfileChange{RealName: cmp.Or(strings.TrimSpace(realName), a.Name)}
	if err := profile.check(); err != nil {
		return Flow{}, err
	}
	var d identity.LinkDecision
	var standing identity.ProviderStanding
	err := s.DB.View(ctx, func(read *store.Read) (err error) {
		standing, _, err = a.standing(ctx, read, "")
		d = identity.Link(a.proof(r), standing)
		return err
	})
	switch {
	case err != nil:
		return Flow{}, err
	case d.Outcome != identity.LinkOfferSignUp: // the world moved on
		r.details.Arrived = nil
		return s.arrived(ctx, r, nil, a)
	case !d.Confirmed && !s.DB.MailEnabled():
		return Flow{}, notConfigured()
	case standing.Owner != nil:
		return s.signUpTaken(ctx, r, a, standing.Owner)
	}
	return s.settle(ctx, r, a, d, profile.RealName)
}

// signUpTaken answers like a sign-up.
func (s *Service) signUpTaken(ctx context.Context, r *running, a *arrival, owner *identity.User) (Flow, error) {
	if err := s.end(ctx, r.ID, r.Version); err != nil {
		return Flow{}, err
	}
	if err := s.signUpAgain(ctx, SignUp{Email: a.Address, From: r.from}, owner); err != nil {
		return Flow{}, err
	}
	device, _ := credential.NewCode(s.rand())
	out := Out{Token: s.newSession().plain, User: identity.User{Email: a.Address}, Device: device, DeviceExpires: s.now().Add(deviceLife)}
	return Flow{Step: StepDone, Purpose: r.Purpose, Email: a.Address, Next: r.Next, Done: &out}, nil
}

// acceptLink links what arrived to the account that has proved itself since,
// and goes on. A login that would be refused links nothing.
func (s *Service) acceptLink(ctx context.Context, r *running) (Flow, error) {
	if err := s.permitted(ctx, r); err != nil {
		return Flow{}, errors.Join(err, s.end(ctx, r.ID, r.Version))
	}
	a := r.details.Arrived
	r.details.Arrived = nil
	row, err := s.sealed(r, r.ID)
	if err != nil {
		return Flow{}, err
	}
	err = s.linkToOwner(ctx, r, a, "", func(tx *store.Tx) (bool, error) { return tx.ChangeAttempt(ctx, row) })
	if err != nil {
		return Flow{}, err
	}
	r.Version++
	return s.proved(ctx, r, proof{})
}

// Decline says no where Accept says yes. At StepLink the login goes on and the
// identity is not linked; at StepSignUp the person is asked for the account
// they have. Errors: Conflict at any other step.
func (s *Service) Decline(ctx context.Context, from Caller, secret string) (Flow, error) {
	r, err := s.load(ctx, from, secret)
	if err != nil {
		return Flow{}, err
	}
	switch next(r) {
	case StepLink:
		r.details.Arrived = nil
		if next(r) == StepDone {
			return s.finish(ctx, r, proof{})
		}
	case StepSignUp:
		r.details.Arrived.HasAccount = true
	default:
		return Flow{}, otherStep()
	}
	if err := s.change(ctx, r); err != nil {
		return Flow{}, err
	}
	return s.show(ctx, r)
}

// Unlink takes an identity at a provider away from the caller's account. The
// sessions and tokens that descend from it end, and its owner is told by mail.
//
// Errors: what DemandFreshSession says; NotFound; Conflict
// user_authentication_method_last when nothing else is left to log in with.
func (s *Service) Unlink(ctx context.Context, p *identity.Principal, id string) error {
	if err := demandPerson(p); err != nil {
		return err
	}
	if err := p.DemandFreshSession(s.now()); err != nil {
		return err
	}
	if id == identity.LoginMethodID(p.User.ID, policy.MethodPassword) {
		return identity.Invalidf("bad_request", "a password is not a linked identity: change it, or leave it unused")
	}
	return s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := alive(ctx, &tx.Read, p); err != nil {
			return err
		}
		l, err := tx.LinkedIdentity(ctx, p.User.ID, id)
		if err != nil {
			return err
		}
		if err := othersLeft(ctx, &tx.Read, p.User, id); err != nil {
			return err
		}
		ended, err := tx.RevokeTokensOfIdentity(ctx, p.User.ID, id)
		if err != nil {
			return err
		}
		if err := tx.RemoveLinkedIdentity(ctx, p.User.ID, id); err != nil {
			return err
		}
		label, err := labelIn(ctx, &tx.Read, l.Provider)
		if err != nil {
			return err
		}
		if err := record(ctx, tx, p.User, "identity_unlinked", "unlinked an identity at "+label+"; what was made with it has ended", map[string]any{"provider": l.Provider, "identity": l.PublicIdentity, "method_id": id, "ended_tokens": ended}); err != nil {
			return err
		}
		return tx.SendMail(ctx, identity.Mail{Kind: identity.MailMethodUnlinked, To: p.User.Email, Data: map[string]string{"provider": label, "identity": cmp.Or(l.PublicIdentity, "unnamed")}})
	})
}

// othersLeft refuses to take the last way to log in.
func othersLeft(ctx context.Context, r *store.Read, u *identity.User, except string) error {
	who := subject{user: *u}
	if err := who.loadFactors(ctx, r); err != nil {
		return err
	}
	links, err := r.LinkedIdentities(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.ID != except {
			return nil
		}
	}
	if who.phc == "" && len(who.passkeys) == 0 {
		return identity.Conflictf("user_authentication_method_last", "this is the only way you can log in: set a password, add a passkey or link another identity first")
	}
	return nil
}

// labelIn is a provider's name for people, also when it was removed since.
func labelIn(ctx context.Context, r *store.Read, provider string) (string, error) {
	for _, t := range thirdParties {
		if t.name == provider {
			return t.label, nil
		}
	}
	m, err := r.AnyAuthenticationMethod(ctx, provider)
	if errors.Is(err, store.NoAuthenticationMethod()) {
		return "an identity provider", nil
	}
	return m.Name, err
}
