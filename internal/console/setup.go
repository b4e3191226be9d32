package console

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/org"
)

// setupView is the page that sets an empty server up, as it was filled in. The
// code is typed again after a mistake elsewhere: pages repeat no secrets.
type setupView struct{ Organization, RealName, Email string }

// whileEmpty leads to the setup page as long as there is nothing else to do;
// true: it did. Where the database does not tell, the page it stands before opens.
func (p *Pages) whileEmpty(w http.ResponseWriter, r *http.Request) bool {
	empty, err := p.Org.Empty(r.Context())
	if err != nil || !empty {
		return false
	}
	seeOther(w, r, setupPath)
	return true
}

// setupForm asks for the code and the first admin. Once an organization exists
// there is no such page, for ever.
func (p *Pages) setupForm(w http.ResponseWriter, r *http.Request) {
	empty, err := p.Org.Empty(r.Context())
	switch {
	case err != nil:
		p.fail(w, r, err)
	case !empty:
		p.notFound(w, r)
	default:
		p.showSetup(w, r, http.StatusOK, setupView{}, nil)
	}
}

func (p *Pages) showSetup(w http.ResponseWriter, r *http.Request, status int, v setupView, about *problem) {
	p.show(w, r, status, "setup", page{Title: tongueOf(r).say("setup.title"), Problem: about, Body: v})
}

// setup makes the first organization and logs its admin in.
func (p *Pages) setup(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	form := r.PostForm
	v := setupView{Organization: form.Get("organization"), RealName: form.Get("real_name"), Email: strings.TrimSpace(form.Get("email"))}
	from := p.caller(w, r)
	made, err := p.Org.SetUp(r.Context(), org.Setup{
		Code: strings.TrimSpace(form.Get("code")), Organization: v.Organization, RealName: v.RealName, Email: v.Email,
		Password: form.Get("password"), Client: from.Client, RequestID: from.RequestID,
	})
	switch {
	case err == nil:
		p.enterFirst(w, r, made, form.Get("password"))
	case codeOf(err) == "already_bootstrapped":
		p.notFound(w, r)
	default:
		status, about := tongueOf(r).problemOf(err, setupField(err))
		if status == http.StatusInternalServerError {
			p.fail(w, r, err)
			return
		}
		p.showSetup(w, r, status, v, &about)
	}
}

// setupField is the field that an error is about; empty: none.
func setupField(err error) string {
	switch codeOf(err) {
	case "setup_code_wrong":
		return "code"
	case "setup_address_taken":
		return "email"
	case "organization_name_invalid":
		return "organization"
	}
	return newAccountField(err)
}

// enterFirst logs the first admin in, as the login page would, and leads to
// what there is to do next. Were that to fail, the login page is the next step.
func (p *Pages) enterFirst(w http.ResponseWriter, r *http.Request, made org.Bootstrapped, password string) {
	ctx, from := r.Context(), p.caller(w, r)
	flow, err := p.Login.Begin(ctx, from, login.Begin{Next: organizationsPath + "/" + made.OrganizationID + "?done=setup"})
	if err == nil {
		secret := flow.Secret
		flow, err = p.Login.Identify(ctx, from, secret, made.Email)
		if err == nil {
			flow, err = p.Login.Password(ctx, from, cmp.Or(flow.Secret, secret), password)
		}
	}
	if err != nil || flow.Step != login.StepDone || flow.Purpose != identity.AttemptLogin {
		seeOther(w, r, loginPath)
		return
	}
	p.finish(w, r, flow)
}
