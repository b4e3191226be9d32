package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

const organizationsPath = "/organizations"

// place is the organization around a page.
type place struct {
	ID, Name string
	Sections []room  // whose pages the person may open
	Others   []going // the person's other organizations
	Pending  *pendingView
}

// room is a section of an organization in the navigation.
type room struct {
	Path, Name string
	Here       bool
}

// going is a link with its words.
type going struct{ Path, Name string }

// section is a part of an organization's pages. Its path comes after that of
// the organization, its words are "section" and the path of the catalogue, and
// may is the Need of the API's routes that its list is read by.
type section struct{ path, may string }

// sections are the parts in the order of the navigation.
var sections = []section{
	{"", access.Member},
	{usersPath, access.Member},
	{groupsPath, access.Member},
	{applicationUsersPath, applicationUsersWrite},
	{domainsPath, domainsWrite},
	{providersPath, access.Admin},
	{policyPath, access.Member},
	{rangesPath, access.Admin},
	{auditPath, eventsRead},
	{projectsPath, access.Member},
	{settingsPath, access.Member},
}

// base is the path of the accessed organization's pages.
func (v *visit) base() string { return organizationsPath + "/" + v.Organization.ID }

// may says whether the person covers what a section or a button asks for.
func (v *visit) may(permission string) bool {
	switch permission {
	case access.Member, access.Resource:
		return true
	case access.Admin:
		return v.Admin()
	case access.SuperAdmin:
		return v.SuperAdmin
	}
	return v.May(permission)
}

// words of a section in the navigation and as the title of its list.
func (s section) words(t *tongue) string {
	if s.path == "" {
		return t.say("section.overview")
	}
	return t.texts["section."+strings.TrimPrefix(s.path, "/")]
}

// organization lets members through to a page of their organization who have
// what the API's route asks for. The door is shown to a login that the policy
// does not accept, and who is no member learns nothing.
func (p *Pages) organization(need access.Need, handle func(v *visit)) http.HandlerFunc {
	need.Person = true
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := p.principalAt(w, r, r.PathValue("organization_id"), need)
		switch {
		case err == nil:
			handle(&visit{w, r, who, tongueOf(r), p})
		case p.notYet(w, r, err):
		case kindOf(err) == identity.NotFound:
			p.notFound(w, r)
		case kindOf(err) == identity.Forbidden:
			p.own(func(v *visit) { p.refused(v, err) })(w, r)
		default:
			p.fail(w, r, err)
		}
	}
}

// refused shows who is logged in why an organization does not let them do it.
func (p *Pages) refused(v *visit, err error) {
	base := organizationsPath + "/" + v.r.PathValue("organization_id")
	reasons := reasonsOf(asError(err))
	switch {
	case p.stepUp(v, err, pageOf(v.r)):
	case len(reasons) > 0 && !slices.Contains(reasons, policy.CodeForbidden):
		p.door(v, err)
	default:
		// What may be done here is not for this person.
		link, words := base, "refused.back"
		if v.r.URL.Path == base {
			link, words = organizationsPath, "place.all"
		}
		about := message{Text: v.say("refused.words"), Link: link, LinkWords: words}
		if codeOf(err) != policy.CodeForbidden {
			about.Text = v.sentence(asError(err))
		}
		p.message(v.w, v.r, http.StatusForbidden, "refused", about)
	}
}

// reasonsOf are the codes of what refused.
func reasonsOf(e *identity.Error) []string {
	list, _ := e.Metadata["reasons"].([]string)
	return list
}

// pageOf is the page that a request is about: forms go to the path of the page
// that they are on.
func pageOf(r *http.Request) string {
	if safe(r.Method) {
		return r.URL.RequestURI()
	}
	return r.URL.Path
}

// doorView is the page before an organization that does not accept a login.
type doorView struct {
	Why, Todo string
	LogIn     bool   // another login can be enough
	Next      string // where it leads
	Factors   bool   // a second factor has to be set up
	Decision  string // id of the decision, for admins
}

// door says which login an organization asks for, and offers it.
func (p *Pages) door(v *visit, err error) {
	e := asError(err)
	name, lost := p.nameOf(v, v.r.PathValue("organization_id"))
	if lost != nil {
		p.failed(v, lost)
		return
	}
	view := v.doorOf(e, p.PublicURL)
	view.Next = pageOf(v.r)
	view.Decision, _ = e.Metadata["decision_id"].(string)
	p.showOwn(v, http.StatusForbidden, "door", organizationsPath, page{Title: v.say("door.title", name), Body: view})
}

// doorOf is what a refusal says is missing.
func (t *tongue) doorOf(e *identity.Error, publicURL string) doorView {
	why, _, _ := strings.Cut(e.Message, " What to do: ")
	todo, _ := e.Metadata["remedy"].(string)
	at, _ := e.Metadata["remedy_url"].(string)
	at = strings.TrimPrefix(at, publicURL)
	d := doorView{Why: t.tellAll(why), LogIn: at == loginPath, Factors: at == authenticationPath}
	if todo != "" {
		d.Todo = t.sentence(&identity.Error{Message: todo})
	}
	return d
}

// nameOf is the name of one of the person's organizations.
func (p *Pages) nameOf(v *visit, id string) (string, error) {
	all, err := p.Org.Organizations(v.r.Context(), v.Principal)
	for _, o := range all {
		if o.ID == id {
			return o.Name, err
		}
	}
	return id, err
}

// showOrganization shows a page of the accessed organization; section is the
// path of the part that it belongs to.
func (p *Pages) showOrganization(v *visit, status int, name, section string, content page) {
	around, err := p.placeOf(v, section)
	if err != nil {
		p.failed(v, err)
		return
	}
	content.Organization = around
	p.showOwn(v, status, name, v.base()+section, content)
}

func (p *Pages) placeOf(v *visit, here string) (*place, error) {
	all, err := p.Org.Organizations(v.r.Context(), v.Principal)
	if err != nil {
		return nil, err
	}
	around := &place{ID: v.Organization.ID, Name: v.Organization.Name}
	if around.Pending, err = p.pending(v); err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.ID != v.Organization.ID {
			around.Others = append(around.Others, going{organizationsPath + "/" + o.ID, o.Name})
		}
	}
	slices.SortStableFunc(around.Others, func(a, b going) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	for _, s := range sections {
		if v.may(s.may) {
			around.Sections = append(around.Sections, room{v.base() + s.path, s.words(v.tongue), s.path == here || s.path != "" && strings.HasPrefix(here, s.path+"/")})
		}
	}
	return around, nil
}
