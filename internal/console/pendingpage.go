package console

import (
	"strconv"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// pendingPath is where the forms about a change that waits go.
const pendingPath = "/pending-change"

// pendingView is the change that waits, above every page of the organization.
type pendingView struct {
	Path     string
	Words    string // what was changed, and by whom
	Deadline time.Time
	Left     string // until then, in words
	Ends     bool   // the person may confirm or undo it
	Unlock   unlock
}

// pending is the change of the accessed organization that waits; nil: none does.
func (p *Pages) pending(v *visit) (*pendingView, error) {
	c, found, err := p.Org.PendingChange(v.r.Context(), v.Principal)
	if err != nil || !found {
		return nil, err
	}
	view := &pendingView{
		Path: v.base() + pendingPath, Deadline: c.Deadline, Left: v.left(c.Deadline.Sub(v.Facts.Now)),
		Words: v.say("pending.words", v.say("pending.kind."+c.Kind), c.CreatedBy),
		Ends:  v.Admin() || c.Kind == identity.PendingDomainRemoval && v.May(domainsWrite),
	}
	if view.Ends {
		view.Unlock = v.unlock()
	}
	return view, nil
}

// left is a time that is left, in its largest unit that says enough.
func (t *tongue) left(d time.Duration) string {
	for _, u := range ageUnits[:3] {
		if n := int64((d + u.Long - 1) / u.Long); n > 1 && d >= u.Long {
			return strconv.FormatInt(n, 10) + " " + t.say("unit."+u.Name)
		}
	}
	return t.say("unit.one.minutes")
}

// endChange confirms or undoes the change that waits.
func (p *Pages) endChange(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	var err error
	do := v.r.PostForm.Get("do")
	switch do {
	case "confirm":
		err = p.Org.ConfirmChange(v.r.Context(), v.Principal)
	case "revert":
		err = p.Org.RevertChange(v.r.Context(), v.Principal)
	default:
		p.unreadable(v, policyPath)
		return
	}
	if err != nil {
		status, about := v.problemOf(err, "")
		p.message(v.w, v.r, status, "pending.failed", message{Text: about.Words, Link: v.base() + policyPath, LinkWords: "refused.back"})
		return
	}
	v.done(v.base()+policyPath, "change-"+do)
}

// showPolicyAfter leads to the policy, for instance after a login that the forms
// about a change asked for.
func (p *Pages) showPolicyAfter(v *visit) { seeOther(v.w, v.r, v.base()+policyPath) }

// trialTimes are how long a change can be asked to wait for its confirmation, in
// seconds, by the keys of their words.
var trialTimes = []trialTime{{"600", "trial.minutes"}, {"3600", "trial.hour"}, {"86400", "trial.day"}, {"604800", "trial.week"}}

type trialTime struct{ Seconds, Words string }

// trialView asks whether a change is to undo itself.
type trialView struct {
	Times []trialTime
	Now   string // as chosen
}

func trial(chosen string) *trialView { return &trialView{trialTimes, chosen} }

// confirmWithin is what a form chose; nil: the change stays.
func (v *visit) confirmWithin() *int64 {
	seconds, err := strconv.ParseInt(v.r.PostForm.Get("confirm"), 10, 64)
	if err != nil {
		return nil
	}
	return &seconds
}

// stamp is a time for scripts.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
