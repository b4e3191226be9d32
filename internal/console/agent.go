package console

import "strings"

// programs are those that are no browsers, by what they call themselves.
var programs = []struct{ mark, name string }{
	{"terraform-provider-", "Terraform"},
	{"aiven-client/", "avn command line"},
	{"sallyport/", "sallyport command line"},
	{"sallyport-go", "Go program"},
	{"go-client", "Go program"},
	{"curl/", "curl"},
	{"python-requests/", "Python program"},
	{"Go-http-client", "Go program"},
}

// browsers by their marks. The order matters: each names those it descends
// from, and the last ones are named by nearly all.
var browsers = []struct{ mark, name string }{
	{"Edg/", "Edge"},
	{"EdgA/", "Edge"},
	{"EdgiOS/", "Edge"},
	{"OPR/", "Opera"},
	{"Vivaldi/", "Vivaldi"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"FxiOS/", "Firefox"},
	{"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"},
	{"HeadlessChrome/", "Chrome"},
	{"Chrome/", "Chrome"},
	{"Version/", "Safari"},
}

// systems by their marks; Android calls itself Linux, iPads call themselves
// Macintosh.
var systems = []struct{ mark, name string }{
	{"iPhone", "iPhone"},
	{"iPad", "iPad"},
	{"Android", "Android"},
	{"CrOS", "ChromeOS"},
	{"Windows", "Windows"},
	{"Macintosh", "macOS"},
	{"Linux", "Linux"},
}

// agentName is what sent a request, in words, by its User-Agent: "Firefox on
// Windows". What is not known is shown cut.
func (t *tongue) agentName(agent string) string {
	if agent == "" {
		return t.say("agent.unknown")
	}
	browser, system := firstMark(browsers, agent), firstMark(systems, agent)
	switch {
	case !strings.HasPrefix(agent, "Mozilla/"):
		if name := firstMark(programs, agent); name != "" {
			return name
		}
		return cut(agent, 40)
	case browser == "":
		browser = t.say("agent.browser")
	}
	if system == "" {
		return browser
	}
	return t.say("agent.on", browser, system)
}

func firstMark(list []struct{ mark, name string }, agent string) string {
	for _, l := range list {
		if strings.Contains(agent, l.mark) {
			return l.name
		}
	}
	return ""
}

// cut is the beginning of a text, in at most n characters.
func cut(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}
