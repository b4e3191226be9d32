package saml

import (
	"regexp"
	"time"
)

// utc is an xs:dateTime in UTC with Z, the only form that SAML allows (Core
// 1.3.3), with fractions of any length.
var utc = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)

// instant reads a time of a message.
func instant(text string) (time.Time, bool) {
	if !utc.MatchString(text) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t, err == nil
}

// clock compares times of a message with ours, allowing for a difference.
type clock struct {
	now  time.Time
	skew time.Duration
}

// before refuses a moment from which on something is valid and that is still to
// come. what is the name of the value.
func (c clock) before(text, what string) (time.Time, *Error) {
	t, ok := instant(text)
	if !ok {
		return t, refuse(StageTime, what+" is not a time in UTC").but("a time such as "+stamp(c.now), text)
	}
	if t.After(c.now.Add(c.skew)) {
		return t, refuse(StageTime, what+" is in the future: the clocks differ").
			but("not after "+stamp(c.now.Add(c.skew))+" (our time "+stamp(c.now)+")", text).
			saying("The clocks of your identity provider and of this service differ: it says " + stamp(t) + ", our time is " + stamp(c.now) + ".")
	}
	return t, nil
}

// until refuses a moment until which something is valid and that has passed, or
// is too far off to be meant.
func (c clock) until(text, what string) (time.Time, *Error) {
	t, ok := instant(text)
	if !ok {
		return t, refuse(StageTime, what+" is not a time in UTC").but("a time such as "+stamp(c.now), text)
	}
	if !c.now.Before(t.Add(c.skew)) {
		return t, refuse(StageTime, what+" has passed").
			but("after "+stamp(c.now.Add(-c.skew))+" (our time "+stamp(c.now)+")", text)
	}
	if t.After(c.now.Add(maxValidity)) {
		return t, refuse(StageTime, what+" is more than seven days from now").but("a few minutes from "+stamp(c.now), text)
	}
	return t, nil
}

// issued refuses a message from the future, and one that took longer than ten
// minutes.
func (c clock) issued(text, what string) (time.Time, *Error) {
	t, err := c.before(text, what+"'s IssueInstant")
	if err != nil {
		return t, err
	}
	if c.now.After(t.Add(maxAge + c.skew)) {
		return t, refuse(StageTime, what+" was issued more than ten minutes ago").
			but("after "+stamp(c.now.Add(-maxAge-c.skew))+" (our time "+stamp(c.now)+")", text)
	}
	return t, nil
}
