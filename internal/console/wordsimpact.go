package console

// impactWords are those of previews of who loses access.
var impactWords = map[string]string{
	"impact":             "Who gets in afterwards",
	"impact.nobody":      "Nobody loses access.",
	"impact.loses":       "Access is lost by:",
	"impact.regain":      "Access comes back for: %s.",
	"impact.uses":        "Of the last uses, %d within 7 days and %d within 30 days would have been refused.",
	"impact.more":        "And %d more.",
	"impact.admins":      "Admins who can log in afterwards: %s.",
	"impact.admins.more": "%s and %d more",
	"impact.no-admin":    "No admin could log in afterwards.",
	"impact.closed":      "No admin can log in now, and none could afterwards.",
	"impact.pilot":       "This keeps many people out. It would be wiser to try it with a few first.",
	"impact.pilot.go":    "Try it as a pilot",

	"impact.lose.people":          "%d people, who keep no way in",
	"impact.lose.people.one":      "one person, who keeps no way in",
	"impact.lose.sessions":        "%d sessions",
	"impact.lose.sessions.one":    "one session",
	"impact.lose.personal":        "%d personal tokens",
	"impact.lose.personal.one":    "one personal token",
	"impact.lose.application":     "%d application tokens",
	"impact.lose.application.one": "one application token",

	"impact.count.people":          "%d people",
	"impact.count.people.one":      "one person",
	"impact.count.sessions":        "%d sessions",
	"impact.count.sessions.one":    "one session",
	"impact.count.personal":        "%d personal tokens",
	"impact.count.personal.one":    "one personal token",
	"impact.count.application":     "%d application tokens",
	"impact.count.application.one": "one application token",

	"notices":       "Tell people",
	"notices.words": "When a change of the policy, of the ranges or of an identity provider keeps people out.",
	"notices.label": "Mail those whom a change keeps out",
	"notices.hint":  "They read why, and what they can do; admins read how many they are.",
	"notices.save":  "Save",
	"done.notices":  "Saved.",

	"impact.kind.session":     "session %s",
	"impact.kind.personal":    "personal token %s",
	"impact.kind.application": "application token %s",
}
