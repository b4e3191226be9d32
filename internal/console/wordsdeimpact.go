package console

var impactWordsDE = map[string]string{
	"impact":             "Wer danach Zugang hat",
	"impact.nobody":      "Niemand verliert den Zugang.",
	"impact.loses":       "Den Zugang verlieren:",
	"impact.regain":      "Den Zugang erhalten zurück: %s.",
	"impact.uses":        "Von den letzten Verwendungen wären %d aus 7 Tagen und %d aus 30 Tagen abgelehnt worden.",
	"impact.more":        "Und %d weitere.",
	"impact.admins":      "Administratoren, die sich danach anmelden können: %s.",
	"impact.admins.more": "%s und %d weitere",
	"impact.no-admin":    "Danach könnte sich kein Administrator mehr anmelden.",
	"impact.closed":      "Jetzt kann sich kein Administrator anmelden, und danach könnte es auch keiner.",
	"impact.pilot":       "Das schließt viele Personen aus. Besser wäre es, die Änderung zuerst mit wenigen zu erproben.",
	"impact.pilot.go":    "Als Pilot erproben",

	"impact.lose.people":          "%d Personen, denen kein Zugang bleibt",
	"impact.lose.people.one":      "eine Person, der kein Zugang bleibt",
	"impact.lose.sessions":        "%d Sitzungen",
	"impact.lose.sessions.one":    "eine Sitzung",
	"impact.lose.personal":        "%d persönliche Token",
	"impact.lose.personal.one":    "ein persönliches Token",
	"impact.lose.application":     "%d Anwendungstoken",
	"impact.lose.application.one": "ein Anwendungstoken",

	"impact.count.people":          "%d Personen",
	"impact.count.people.one":      "eine Person",
	"impact.count.sessions":        "%d Sitzungen",
	"impact.count.sessions.one":    "eine Sitzung",
	"impact.count.personal":        "%d persönliche Token",
	"impact.count.personal.one":    "ein persönliches Token",
	"impact.count.application":     "%d Anwendungstoken",
	"impact.count.application.one": "ein Anwendungstoken",

	"impact.kind.session":     "Sitzung %s",
	"impact.kind.personal":    "persönliches Token %s",
	"impact.kind.application": "Anwendungstoken %s",
}
