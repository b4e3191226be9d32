package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

const pilotsPath = policyPath + "/pilots"

// pilotRoutes are the pages of pilots.
func (p *Pages) pilotRoutes(on func(method, path string, need access.Need, handle func(v *visit)), admin, present access.Need) {
	on("GET", pilotsPath, admin, p.pilots)
	on("POST", pilotsPath, present, p.createPilot)
	on("GET", pilotsPath+"/new", admin, p.newPilot)
	on("GET", pilotsPath+"/{pilot_id}", admin, p.pilot)
	on("POST", pilotsPath+"/{pilot_id}", present, p.changePilot)
	on("GET", pilotsPath+"/{pilot_id}/edit", admin, p.editPilot)
	on("GET", pilotsPath+"/{pilot_id}/promote", admin, p.reviewPromotion)
	on("GET", pilotsPath+"/{pilot_id}/drop", admin, p.confirmDrop)
}

// pilotsView is the list of pilots, in the order in which they count.
type pilotsView struct {
	New    string
	Policy string
	List   []pilotRow
}

type pilotRow struct {
	Path, Name    string
	Sets          []changeRow
	Users, Groups int
	Begun         time.Time
}

func (p *Pages) pilots(v *visit) {
	list, err := p.Org.Pilots(v.r.Context(), v.Principal)
	now, bad := p.Org.Policy(v.Principal)
	if err = errors.Join(err, bad); err != nil {
		p.failed(v, err)
		return
	}
	view := pilotsView{New: v.base() + pilotsPath + "/new", Policy: v.base() + policyPath}
	for _, pilot := range list {
		view.List = append(view.List, v.pilotRow(now, pilot))
	}
	p.showOrganization(v, http.StatusOK, "pilots", policyPath, page{Title: v.say("pilots"), Body: view})
}

func (v *visit) pilotRow(now policy.Policy, pilot identity.Pilot) pilotRow {
	return pilotRow{v.base() + pilotsPath + "/" + pilot.ID, pilot.Name, v.pilotSets(now, pilot), len(pilot.Users), len(pilot.Groups), pilot.Created}
}

// pilotSets are the differences that a pilot makes, in words.
func (v *visit) pilotSets(now policy.Policy, pilot identity.Pilot) []changeRow {
	next, err := policy.ParseOver(now, []byte(pilot.Change))
	if err != nil {
		return nil
	}
	is, was := formOf(next), formOf(now)
	rows := is.rows(v.tongue, was)
	if before, after := v.rangesWords(now.Ranges), v.rangesWords(next.Ranges); before != after {
		rows = append(rows, changeRow{v.say("pilot.ranges"), before, after, v.say("pilot.ranges.effect")})
	}
	return rows
}

// rangesWords are the addresses that ranges let in, in words.
func (v *visit) rangesWords(r policy.Ranges) string {
	if !r.Enabled {
		return v.say("pilot.ranges.any")
	}
	var list []string
	for _, one := range r.List {
		list = append(list, one.Prefix.String())
	}
	return cmp.Or(strings.Join(list, ", "), v.say("pilot.ranges.none"))
}

// pilotForm is the page that makes a pilot, or changes one.
type pilotForm struct {
	Action, Back string
	Guard        string // what the lock-out guard says
	Name         string
	People       string // addresses or ids, one a line
	Groups       []pilotGroup
	Form         policyForm
	Units        []ageUnit
	Lives        []lifeField
	Addresses    string // same, any or own
	Ranges       string // CIDR, one a line
	Yes          string
	Unlock       unlock
}

type pilotGroup struct {
	ID, Name string
	Chosen   bool
}

// pilotFormOf is the form of a pilot as it is; the zero pilot: of a new one.
func (p *Pages) pilotFormOf(v *visit, pilot identity.Pilot) (form pilotForm, err error) {
	now, err := p.Org.Policy(v.Principal)
	if err != nil {
		return form, err
	}
	form = pilotForm{Action: v.base() + pilotsPath, Back: v.base() + pilotsPath, Name: pilot.Name, Addresses: "same", Yes: v.say("pilot.create")}
	next := now
	if pilot.ID != "" {
		form.Action, form.Yes = form.Action+"/"+pilot.ID, v.say("pilot.save")
		form.Back = form.Action
		if next, err = policy.ParseOver(now, []byte(pilot.Change)); err != nil {
			next, err = now, nil // which the form mends
		}
		form.addresses(pilot.Change, next.Ranges)
	}
	form.Form = formOf(next)
	if form.People, err = p.peopleOf(v, pilot.Users); err != nil {
		return form, err
	}
	return form, p.groupsOf(v, &form, pilot.Groups)
}

// addresses shows what a pilot says of addresses.
func (f *pilotForm) addresses(change string, r policy.Ranges) {
	fields := map[string]json.RawMessage{}
	if json.Unmarshal([]byte(change), &fields) != nil {
		return
	}
	switch {
	case fields["api_client_ip_allowlist"] == nil && fields["api_client_ip_allowlist_enabled"] == nil:
		return
	case !r.Enabled:
		f.Addresses = "any"
		return
	}
	f.Addresses = "own"
	for _, one := range r.List {
		f.Ranges += one.Prefix.String() + "\n"
	}
}

// peopleOf are members as the form names them: people by their addresses,
// programs by their ids.
func (p *Pages) peopleOf(v *visit, ids []string) (string, error) {
	if len(ids) == 0 {
		return "", nil
	}
	members, err := p.Org.Members(v.r.Context(), v.Principal, true)
	var lines []string
	for _, m := range members {
		if slices.Contains(ids, m.UserID) {
			lines = append(lines, nameOfMember(m))
		}
	}
	return strings.Join(lines, "\n"), err
}

func nameOfMember(m identity.Member) string {
	if m.User.Application {
		return m.UserID
	}
	return m.User.Email
}

func (p *Pages) groupsOf(v *visit, form *pilotForm, chosen []string) error {
	groups, err := p.Org.Groups(v.r.Context(), v.Principal)
	for _, g := range groups {
		form.Groups = append(form.Groups, pilotGroup{g.ID, g.Name, slices.Contains(chosen, g.ID)})
	}
	return err
}

func (p *Pages) newPilot(v *visit) {
	form, err := p.pilotFormOf(v, identity.Pilot{})
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showPilotForm(v, http.StatusOK, form, v.say("pilot.new"), nil)
}

func (p *Pages) showPilotForm(v *visit, status int, form pilotForm, title string, about *problem) {
	form.Units, form.Lives, form.Unlock = ageUnits, form.Form.lives(), v.unlock()
	p.showOrganization(v, status, "pilotform", policyPath, page{Title: title, Problem: about, Body: form})
}

// pilotOf finds the pilot that a page is about.
func (p *Pages) pilotOf(v *visit) (pilot identity.Pilot, ok bool) {
	pilot, err := p.Org.Pilot(v.r.Context(), v.Principal, v.r.PathValue("pilot_id"))
	if err != nil {
		p.failOr404(v, err)
	}
	return pilot, err == nil
}

func (p *Pages) editPilot(v *visit) {
	pilot, ok := p.pilotOf(v)
	if !ok {
		return
	}
	form, err := p.pilotFormOf(v, pilot)
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showPilotForm(v, http.StatusOK, form, v.say("pilot.edit", pilot.Name), nil)
}

func (p *Pages) createPilot(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	document, err := p.pilotDocument(v, identity.Pilot{})
	var made identity.Pilot
	if err == nil {
		made, err = p.Org.CreatePilot(v.r.Context(), v.Principal, document)
	}
	if err != nil {
		p.pilotFailed(v, identity.Pilot{}, v.say("pilot.new"), err)
		return
	}
	v.done(v.base()+pilotsPath+"/"+made.ID, "pilot-created")
}

// pilotFailed shows the form again as it was sent, with what was wrong.
func (p *Pages) pilotFailed(v *visit, pilot identity.Pilot, title string, err error) {
	form, bad := p.pilotFormOf(v, pilot)
	if bad != nil {
		p.failed(v, bad)
		return
	}
	sent := v.r.PostForm
	form.Name, form.People, form.Ranges, form.Addresses = sent.Get("name"), sent.Get("people"), sent.Get("ranges"), cmp.Or(sent.Get("addresses"), "same")
	form.Form = sentForm(sent)
	for i := range form.Groups {
		form.Groups[i].Chosen = slices.Contains(sent["group"], form.Groups[i].ID)
	}
	status, about := v.policyProblem(err)
	if invalid, ok := errors.AsType[*policy.Invalid](err); ok && strings.HasPrefix(invalid.Field, "api_client_ip_allowlist") {
		about.Field = "ranges"
	}
	if unknown, ok := errors.AsType[*unknownPerson](err); ok {
		status, about = http.StatusBadRequest, problem{Words: v.say("pilot.people.wrong", unknown.name), Field: "people"}
	}
	if lockedOut(err) {
		form.Guard = v.guardWords(err)
		p.showPilotForm(v, status, form, title, nil)
		return
	}
	p.showPilotForm(v, status, form, title, &about)
}

// unknownPerson is a line that names no member.
type unknownPerson struct{ name string }

func (u *unknownPerson) Error() string { return "no member is named " + u.name }

// pilotDocument is what the API would be sent: the fields in which the form
// differs from the policy, and for a pilot that is there those that it leaves
// alone again.
func (p *Pages) pilotDocument(v *visit, pilot identity.Pilot) ([]byte, error) {
	form := v.r.PostForm
	now, err := p.Org.Policy(v.Principal)
	if err != nil {
		return nil, err
	}
	chosen := sentForm(form)
	fields := chosen.changes(formOf(now))
	maps.Copy(fields, addressFields(form))
	unset := []string{}
	before := map[string]json.RawMessage{}
	if pilot.ID != "" && json.Unmarshal([]byte(pilot.Change), &before) == nil {
		for name := range before {
			// What no question of the page is about stays, and words go with
			// their ranges.
			if name == "mcp_enabled" || strings.HasSuffix(name, "_descriptions") {
				continue
			}
			if _, still := fields[name]; !still {
				unset = append(unset, name)
			}
		}
		fields["unset"] = unset
	}
	users, err := p.usersNamed(v, form.Get("people"))
	if err != nil {
		return nil, err
	}
	groups := form["group"]
	if groups == nil {
		groups = []string{}
	}
	fields["name"], fields["users"], fields["user_groups"] = form.Get("name"), users, groups
	if form.Get("accept") != "" {
		fields["accept_lockout"] = true
	}
	return json.Marshal(fields)
}

// addressFields are what the form says of addresses.
func addressFields(form url.Values) map[string]any {
	switch form.Get("addresses") {
	case "any":
		return map[string]any{"api_client_ip_allowlist_enabled": false}
	case "own":
		return map[string]any{"api_client_ip_allowlist_enabled": true, "api_client_ip_allowlist": strings.Fields(form.Get("ranges"))}
	}
	return nil
}

// usersNamed are the ids of the members that lines name by address or id.
func (p *Pages) usersNamed(v *visit, lines string) ([]string, error) {
	ids := []string{}
	names := strings.FieldsFunc(lines, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
	if len(names) == 0 {
		return ids, nil
	}
	members, err := p.Org.Members(v.r.Context(), v.Principal, true)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		i := slices.IndexFunc(members, func(m identity.Member) bool { return m.UserID == name || strings.EqualFold(m.User.Email, name) })
		if i < 0 {
			return nil, &unknownPerson{name}
		}
		ids = append(ids, members[i].UserID)
	}
	return ids, nil
}

// pilotView is the page of one pilot, with how its people fare.
type pilotView struct {
	Path, All string
	Sets      []changeRow
	Groups    []string
	Users     int
	Report    org.PilotReport
	Rows      []pilotPerson
	More      int // people who are not shown
	By        string
	Begun     time.Time
}

// pilotPerson is one of its people.
type pilotPerson struct {
	Path, Name, Email string
	In                bool
	Why               []string // what refuses them now
	Refused           []string // what refused them since, and how often
	LastUsed          time.Time
}

// pilotShown is how many people a page shows; those who are out come first.
const pilotShown = 100

func (p *Pages) pilot(v *visit) {
	report, err := p.Org.PilotReport(v.r.Context(), v.Principal, v.r.PathValue("pilot_id"))
	if err != nil {
		p.failOr404(v, err)
		return
	}
	now, err := p.Org.Policy(v.Principal)
	groups, bad := p.Org.Groups(v.r.Context(), v.Principal)
	if err = errors.Join(err, bad); err != nil {
		p.failed(v, err)
		return
	}
	pilot := report.Pilot
	view := pilotView{
		Path: v.base() + pilotsPath + "/" + pilot.ID, All: v.base() + pilotsPath, Sets: v.pilotSets(now, pilot), Users: len(pilot.Users),
		Report: report, By: pilot.CreatedBy, Begun: pilot.Created,
	}
	for _, g := range groups {
		if slices.Contains(pilot.Groups, g.ID) {
			view.Groups = append(view.Groups, g.Name)
		}
	}
	slices.SortStableFunc(report.People, func(a, b org.PilotPerson) int { return cmp.Compare(rank(a), rank(b)) })
	for _, person := range report.People[:min(len(report.People), pilotShown)] {
		view.Rows = append(view.Rows, v.pilotPerson(person))
	}
	view.More = len(report.People) - len(view.Rows)
	p.showOrganization(v, http.StatusOK, "pilot", policyPath, page{Title: pilot.Name, Body: view})
}

// rank puts people first who do not get in.
func rank(p org.PilotPerson) int {
	if p.GetsIn {
		return 1
	}
	return 0
}

func (v *visit) pilotPerson(person org.PilotPerson) pilotPerson {
	row := pilotPerson{
		Path: v.base() + usersPath + "/" + person.ID, Name: cmp.Or(person.RealName, person.Email), Email: person.Email, In: person.GetsIn, LastUsed: person.LastUsed,
	}
	if person.Application {
		row.Path, row.Email = v.base()+applicationUsersPath+"/"+person.ID, ""
	}
	for _, reason := range person.Reasons {
		row.Why = append(row.Why, v.tellAll(reason.Message))
	}
	for _, refused := range person.Refused {
		row.Refused = append(row.Refused, refused.Code+" ×"+strconv.Itoa(refused.Count))
	}
	return row
}

// changePilot does what one of the forms of a pilot asks for.
func (p *Pages) changePilot(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	pilot, ok := p.pilotOf(v)
	if !ok {
		return
	}
	switch v.r.PostForm.Get("do") {
	case "promote":
		p.promotePilot(v, pilot)
	case "drop":
		p.dropPilot(v, pilot)
	case "change":
		document, err := p.pilotDocument(v, pilot)
		if err == nil {
			_, err = p.Org.ChangePilot(v.r.Context(), v.Principal, pilot.ID, document)
		}
		if err != nil {
			p.pilotFailed(v, pilot, v.say("pilot.edit", pilot.Name), err)
			return
		}
		v.done(v.base()+pilotsPath+"/"+pilot.ID, "pilot-changed")
	default:
		p.unreadable(v, pilotsPath+"/"+pilot.ID)
	}
}

func (p *Pages) reviewPromotion(v *visit) {
	if pilot, ok := p.pilotOf(v); ok {
		p.showPromotion(v, http.StatusOK, pilot, "")
	}
}

// showPromotion shows what the promotion of a pilot would do to everybody.
func (p *Pages) showPromotion(v *visit, status int, pilot identity.Pilot, guard string) {
	now, err := p.Org.Policy(v.Principal)
	if err != nil {
		p.failed(v, err)
		return
	}
	p.showReview(v, status, pilotsPath+"/"+pilot.ID, v.say("pilot.promote.title", pilot.Name), review{
		Words: v.say("pilot.promote.words"), Changes: v.pilotSets(now, pilot), Guard: guard, Yes: v.say("pilot.promote"),
		Values: []hidden{{"do", "promote"}}, Trial: trial(v.r.PostForm.Get("confirm")),
		Impact: p.previewed(v, func() (org.Impact, error) {
			return p.Org.PreviewPolicy(v.r.Context(), v.Principal, []byte(pilot.Change), impactPage)
		}),
	})
}

func (p *Pages) promotePilot(v *visit, pilot identity.Pilot) {
	how := v.howToChange()
	how["accept_all_addresses"] = json.RawMessage("true") // which was said when the pilot was made
	document, err := json.Marshal(how)
	if err == nil {
		_, err = p.Org.PromotePilot(v.r.Context(), v.Principal, pilot.ID, document)
	}
	switch {
	case err == nil:
		v.done(v.base()+policyPath, "pilot-promoted")
	case lockedOut(err):
		p.showPromotion(v, http.StatusBadRequest, pilot, v.guardWords(err))
	default:
		p.pilotRefused(v, pilot, err)
	}
}

// pilotRefused says why something was not done with a pilot.
func (p *Pages) pilotRefused(v *visit, pilot identity.Pilot, err error) {
	status, about := v.policyProblem(err)
	p.message(v.w, v.r, status, "pilot.failed", message{Text: about.Words, Link: v.base() + pilotsPath + "/" + pilot.ID, LinkWords: "refused.back"})
}

func (p *Pages) confirmDrop(v *visit) {
	if pilot, ok := p.pilotOf(v); ok {
		p.showDrop(v, http.StatusOK, pilot, "")
	}
}

func (p *Pages) showDrop(v *visit, status int, pilot identity.Pilot, guard string) {
	p.showReview(v, status, pilotsPath+"/"+pilot.ID, v.say("pilot.drop.title", pilot.Name), review{
		Words: v.say("pilot.drop.words"), Guard: guard, Yes: v.say("pilot.drop"), Values: []hidden{{"do", "drop"}},
	})
}

func (p *Pages) dropPilot(v *visit, pilot identity.Pilot) {
	err := p.Org.DropPilot(v.r.Context(), v.Principal, pilot.ID, v.r.PostForm.Get("accept") != "")
	switch {
	case err == nil:
		v.done(v.base()+pilotsPath, "pilot-dropped")
	case lockedOut(err):
		p.showDrop(v, http.StatusBadRequest, pilot, v.guardWords(err))
	default:
		p.pilotRefused(v, pilot, err)
	}
}
