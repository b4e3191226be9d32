package login

import (
	"context"
	"errors"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// next is the dispatcher: the step that an attempt asks for follows from what
// is known of it, and from nothing else.
func next(r *running) Step {
	how := &r.Authentication
	switch {
	case r.Purpose == identity.AttemptRegisterPasskey:
		return stepRegister
	case r.Purpose == identity.AttemptTest:
		return StepLeave // whatever is proved in it: a test never opens anything
	case r.Purpose == identity.AttemptLink && how.Method == policy.MethodNone:
		return StepLeave
	case how.Method == policy.MethodNone && r.details.Arrived != nil && !r.details.Arrived.HasAccount:
		return StepSignUp
	case how.Method == policy.MethodNone && r.Email == "":
		return StepIdentify
	case how.Method == policy.MethodNone:
		return StepChoose
	case needsFactor(how, r.who):
		return StepFactor
	case r.details.Arrived != nil:
		return StepLink
	case r.Client == identity.ClientCommandLine && !r.details.Approved:
		return StepApprove
	}
	return StepDone
}

// needsFactor says whether a second factor is still to be proved: after a
// password, by everybody who has one. Other ways to log in answer for theirs
// themselves.
func needsFactor(how *policy.Authentication, who *subject) bool {
	return how.Method == policy.MethodPassword && !how.SecondFactor && who.hasFactor()
}

// show is an attempt as its browser sees it.
func (s *Service) show(ctx context.Context, r *running) (Flow, error) {
	flow := Flow{Step: next(r), Purpose: r.Purpose, Email: r.Email, Next: r.Next}
	if r.details.Arrived != nil {
		flow.Provider = r.details.Arrived.Label
	}
	var err error
	switch flow.Step {
	case StepSignUp:
		flow.Email, flow.RealName = r.details.Arrived.Address, r.details.Arrived.Name
	case StepLeave:
		flow.Redirect = s.PublicURL + loginWith + r.details.Provider
		flow.Provider, err = s.labelOf(ctx, r.details.Provider)
	case StepIdentify:
		flow.Options = s.optionsBefore()
	case StepChoose:
		flow.Options, err = s.optionsFor(ctx, r)
	case StepFactor:
		flow.Factors, err = s.factorsOf(ctx, r.who)
	case StepApprove:
		flow.Compare = r.details.CommandLine.Compare()
	}
	if err == nil {
		flow.Passkey, err = s.askPasskey(ctx, r, &flow)
	}
	return flow, err
}

func (s *Service) factorsOf(ctx context.Context, who *subject) (f Factors, err error) {
	var left int64
	err = s.DB.Once(func(r *store.Read) error {
		left, err = r.RecoveryCodesLeft(ctx, who.user.ID)
		return err
	})
	return Factors{Code: who.sealed != "", Recovery: left > 0, Passkey: len(who.passkeys) > 0}, err
}

// proved goes on with an attempt after a proof, which r describes already and
// p uses up. While something is left to be asked the attempt goes on under a
// new secret: whoever knew the one from before the proof is left behind (row
// SES-01). Else the session opens.
func (s *Service) proved(ctx context.Context, r *running, p proof) (Flow, error) {
	step := next(r)
	if step == StepDone {
		return s.finish(ctx, r, p)
	}
	secret, err := s.goOn(ctx, r, p)
	if err != nil {
		return Flow{}, s.notOpened(ctx, err, r.entry(p), nil)
	}
	if step == StepApprove {
		// What would refuse the session is said before its owner allows it.
		if err := s.permitted(ctx, r); err != nil {
			return Flow{}, errors.Join(err, s.end(ctx, r.ID, r.Version))
		}
	}
	flow, err := s.show(ctx, r)
	flow.Secret = secret
	return flow, err
}

// goOn puts a new attempt in the place of the old one and uses the proof up.
func (s *Service) goOn(ctx context.Context, r *running, p proof) (secret string, err error) {
	secret, id := credential.NewCode(s.rand())
	err = s.withProof(ctx, r, p, func(tx *store.Tx) error {
		ok, err := tx.EndAttempt(ctx, r.ID, r.Version)
		if err == nil && !ok {
			err = overtaken()
		}
		if err != nil {
			return err
		}
		return s.add(ctx, tx, r, id, r.Expires)
	})
	if err != nil {
		return "", err
	}
	r.ID, r.Version = id, 1
	return secret, nil
}

// withProof runs a transaction that uses a proof up and changes the attempt.
func (s *Service) withProof(ctx context.Context, r *running, p proof, fn func(*store.Tx) error) error {
	body := func(tx *store.Tx) error {
		if r.who != nil {
			if err := p.spend(ctx, tx, &r.who.user); err != nil {
				return err
			}
		}
		return fn(tx)
	}
	if !p.recorded {
		return s.DB.Maintain(ctx, body)
	}
	return s.DB.Update(ctx, r.from.as(&r.who.user, ""), store.User(r.who.user.ID), body)
}

// permitted refuses what the door would refuse, without opening it.
func (s *Service) permitted(ctx context.Context, r *running) error {
	var refused *refusal
	err := s.DB.View(ctx, func(read *store.Read) (err error) {
		refused, err = judge(ctx, read, &r.who.user, r.Authentication, r.from.Client)
		return err
	})
	switch {
	case err != nil:
		return err
	case refused != nil:
		return s.refuse(ctx, r.who, refused, r.from)
	case r.details.Exposed:
		return s.refuseExposed(ctx, r.who, r.from)
	}
	return nil
}

// finish opens the session that an attempt ends in.
func (s *Service) finish(ctx context.Context, r *running, p proof) (Flow, error) {
	out, err := s.enter(ctx, r.entry(p))
	if err != nil {
		return Flow{}, err
	}
	return Flow{Step: StepDone, Purpose: r.Purpose, Email: out.User.Email, Next: r.Next, Done: &out}, nil
}

// entry is what is left to do when everything is proved.
func (r *running) entry(p proof) *entry {
	return &entry{
		who: r.who, how: r.Authentication, identity: r.Identity, proof: p, exposed: r.details.Exposed,
		client: r.Client, device: r.Device, from: r.from, attempt: &r.Attempt, saml: r.details.SAMLLogin,
	}
}
