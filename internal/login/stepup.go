package login

import (
	"cmp"
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// stepsUp says whether the login makes a session fresh, instead of beginning
// one.
func (e *entry) stepsUp() bool {
	return e.attempt != nil && e.attempt.Purpose == identity.AttemptStepUp
}

// begun looks at the session that an attempt was begun from, which must be
// alive still. A step-up must prove the same account, and at least as strongly
// as the session (row SES-09); that session then ends. What a session only said
// yes to lasts no longer than itself: else sessions that let each other in
// would go on for ever after one login.
func (e *entry) begun(ctx context.Context, tx *store.Tx) error {
	if e.attempt.Session == "" {
		return nil
	}
	old, err := tx.Token(ctx, e.who.user.ID, e.attempt.Session)
	if err != nil {
		return endedMeanwhile(err)
	}
	if !e.stepsUp() {
		e.until = cmp.Or(old.Ends, old.Expires)
		e.follows = old.Prefix
		return nil
	}
	if e.who.user.ID != e.attempt.UserID || weaker(e.how, old.Authentication) {
		return tooWeak()
	}
	_, err = tx.RevokeToken(ctx, e.who.user.ID, old.Prefix)
	return err
}

// weaker says whether a proof is weaker than that of a session. A password
// alone stands below everything else; it does for a session that a password
// began, because who has a second factor is asked for it anyway.
func weaker(how, session policy.Authentication) bool {
	return how.Method == policy.MethodPassword && !how.SecondFactor && session.Method != policy.MethodPassword
}

func tooWeak() error {
	return identity.Forbiddenf("fresh_login_required", "this session was begun with something stronger: prove it again the way you logged in, or log out and in again")
}
