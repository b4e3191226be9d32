package saml

import (
	"errors"
	"testing"
	"time"
)

// What a login asks for beyond the standard is refused in the step that it is
// about: a NameID that stays (row LNK-3), and a new authentication.
func TestWhatALoginAsksFor(t *testing.T) {
	f := forge{t, librarySigner{}}
	transient := format(` Format="` + FormatTransient + `"`)(f)
	then := noon.Add(-2 * time.Minute) // the AuthnInstant
	for _, c := range []struct {
		name     string
		message  string
		provider func(*Provider)
		expect   func(*Expectation)
		stage    Stage
		step     Step
	}{
		{name: "transient", message: transient, provider: func(p *Provider) { p.RefuseTransient = true }, stage: StageSubject, step: StepSubject},
		{name: "transient, and an attribute is the identity", message: transient},
		{name: "an address", message: f.b1(), provider: func(p *Provider) { p.RefuseTransient = true }},
		{name: "authenticated anew", message: f.b1(), expect: func(e *Expectation) { e.AuthnAfter = then }},
		{name: "within the skew", message: f.b1(), expect: func(e *Expectation) { e.AuthnAfter = then.Add(defaultSkew) }},
		{name: "an older login", message: f.b1(), expect: func(e *Expectation) { e.AuthnAfter = then.Add(defaultSkew + time.Second) }, stage: StageContext, step: StepContext},
	} {
		t.Run(c.name, func(t *testing.T) {
			provider, expect := idp(), expected()
			if c.provider != nil {
				c.provider(&provider)
			}
			if c.expect != nil {
				c.expect(&expect)
			}
			_, report, err := Verify(post(c.message), provider, expect, noon)
			refused, _ := errors.AsType[*Error](err)
			switch {
			case c.stage == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.stage != "" && (refused == nil || refused.Stage != c.stage):
				t.Errorf("%v, want a refusal of %s", err, c.stage)
			}
			for _, check := range report.Checks {
				if (check.Verdict == Failed) != (check.Step == c.step) {
					t.Errorf("step %s: %s", check.Step, check.Verdict)
				}
			}
		})
	}
}
