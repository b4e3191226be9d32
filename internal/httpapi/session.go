package httpapi

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

func (a *API) sessionRoutes() []route {
	const tag = "login"
	ends := access.Need{Scopes: []string{"user:write", "authentication:write"}, Person: true, Session: true}
	return []route{
		{
			method: "GET", path: "/v1/me/sessions", id: "UserSessionList", tag: tag, summary: "List your sessions: where you are logged in",
			need: access.Need{Scopes: []string{"user:read", "authentication:read"}, Person: true}, status: http.StatusOK, own: true, handler: read(a.sessions),
		},
		{
			method: "DELETE", path: "/v1/me/sessions/{session_id}", id: "UserSessionEnd", tag: tag, summary: "End one of your sessions",
			need: ends, status: http.StatusNoContent, event: "session_ended", own: true, handler: do(a.endSession),
		},
		{
			method: "DELETE", path: "/v1/me/sessions", id: "UserSessionsEnd", tag: tag, summary: "End all your sessions but the one that calls",
			need: ends, status: http.StatusOK, event: "sessions_ended", own: true, handler: read(a.endSessions),
		},
	}
}

func (a *API) sessions(ctx context.Context, c *Call) (sallyport.SessionList, error) {
	list, err := a.Login.Sessions(ctx, c.Principal)
	return sallyport.SessionList{Sessions: wireList(list, func(t identity.Token) sallyport.Session { return sessionOf(t, c) })}, err
}

// sessionOf is a session on the wire; c tells which one is calling.
func sessionOf(t identity.Token, c *Call) sallyport.Session {
	how := t.Authentication
	return sallyport.Session{
		SessionID: t.Prefix, Method: how.Method.String(), SecondFactor: how.SecondFactor, CurrentlyActive: t.Prefix == c.Principal.Token.Prefix,
		CreateTime: t.Created, ExpiryTime: timeOrNull(t.Expires), EndTime: timeOrNull(t.Ends), LastUsedTime: timeOrNull(t.LastUsed), ExtendWhenUsed: t.ExtendWhenUsed,
		LastIP: textOrNull(t.LastIP), LastUserAgent: textOrNull(t.LastUserAgent), LastUserAgentHumanReadable: textOrNull(programOf(t.LastUserAgent)),
	}
}

func (a *API) endSession(ctx context.Context, c *Call) error {
	return a.Login.EndSession(ctx, c.Principal, c.Path("session_id"))
}

func (a *API) endSessions(ctx context.Context, c *Call) (sallyport.EndedSessions, error) {
	ended, err := a.Login.EndOtherSessions(ctx, c.Principal)
	return sallyport.EndedSessions{EndedSessions: ended}, err
}
