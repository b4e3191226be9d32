package server_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// load is a number of workers that change things, each its own and some that
// all share, and write the ledger.
type load struct {
	ledger  *ledger
	target  *installation
	workers []*worker
}

// worker makes one request after the other. What it owns nobody else touches,
// so the history of each thing is one line.
type worker struct {
	*load
	id     int
	random *rand.Rand
	url    string
	// Tokens that were made and are live, and some that were revoked.
	tokens, dead []*operation
	users        []*operation // application users
	projects     []*operation
	last         *operation
	named        int
}

func newLoad(l *ledger, target *installation, workers int, seed uint64) *load {
	all := &load{ledger: l, target: target}
	for id := range workers {
		all.workers = append(all.workers, &worker{load: all, id: id, random: rand.New(rand.NewPCG(seed, uint64(id)))})
	}
	return all
}

// run works on the nodes, one after the other given to the workers, until stop
// is set or a node does not answer any more.
func (all *load) run(stop *atomic.Bool, nodes ...*node) {
	var running sync.WaitGroup
	for _, w := range all.workers {
		w.url = nodes[w.id%len(nodes)].url
		running.Go(func() {
			for !stop.Load() && w.step() {
			}
		})
	}
	running.Wait()
}

// settle tells each worker what a check made of its last operation, when no
// answer did.
func (all *load) settle() {
	for _, w := range all.workers {
		if w.last != nil && w.last.Outcome == happened {
			w.adopt(w.last)
		}
		w.last = nil
	}
}

// adopt brings what the worker owns up to date with an operation that
// happened.
func (w *worker) adopt(o *operation) {
	same := func(other *operation) bool { return other.ID == o.ID }
	switch o.Action {
	case "token_created":
		w.tokens = append(w.tokens, o)
	case "token_revoked":
		w.bury(w.tokens[slices.IndexFunc(w.tokens, same)])
	case "application_user_created":
		w.users = append(w.users, o)
	case "application_user_deleted":
		w.users = slices.DeleteFunc(w.users, same)
		w.buryAll(o.ID)
	case "permissions_changed":
		w.users[slices.IndexFunc(w.users, func(u *operation) bool { return u.ID == o.Of })].Permissions = o.Permissions
	case "project_created":
		w.projects = append(w.projects, o)
	case "project_deleted":
		w.projects = slices.DeleteFunc(w.projects, same)
	}
}

// step makes one request and says whether the node still answers.
func (w *worker) step() bool {
	possible := []func() bool{w.rename, w.changePolicy, w.useDead}
	add := func(possibly bool, steps ...func() bool) {
		if possibly {
			possible = append(possible, steps...)
		}
	}
	// One personal token at a time for each worker: their owner may have ten.
	add(w.live(w.target.admin) == nil, w.createToken, w.createToken)
	add(len(w.users) < 3, w.createUser)
	add(len(w.users) > 0, w.grant, w.createApplicationToken, w.createApplicationToken)
	add(len(w.users) > 1, w.deleteUser)
	add(len(w.tokens) > 0, w.use, w.use, w.revoke, w.revoke)
	add(len(w.projects) < 3, w.createProject)
	add(len(w.projects) > 0, w.deleteProject)
	return possible[w.random.IntN(len(possible))]()
}

// live is one of the worker's live tokens of an owner; nil when there is none.
func (w *worker) live(owner string) *operation {
	for _, t := range w.tokens {
		if t.Of == owner {
			return t
		}
	}
	return nil
}

func pick[T any](w *worker, list []T) T { return list[w.random.IntN(len(list))] }

// send makes one request that changes something.
func (w *worker) send(o operation, method, path string, body any) (*operation, answer) {
	o.Worker = w.id
	entry := w.ledger.begin(o)
	w.last = entry
	a, err := call(method, w.url+path, w.target.token, body)
	switch {
	case err != nil:
		entry.Problem = err.Error()
		w.ledger.end(entry, unknown)
	case a.status >= 500:
		entry.Problem = a.String()
		w.ledger.end(entry, unknown)
	case a.status >= 400:
		entry.Problem, entry.Request = a.String(), a.request
		w.ledger.end(entry, refused)
		w.ledger.miss("refused", "%s %s: %s", method, path, a)
	default:
		entry.Request = a.request
		// Before the answer is entered: the check takes it from there.
		entry.ID, entry.secret = made(a, o), a.text("full_token")
		w.ledger.end(entry, ok)
	}
	return entry, a
}

// made is the id of what an answer says was made.
func made(a answer, o operation) string {
	for _, field := range []string{"token_prefix", "user_id", "project_id"} {
		if id := a.text(field); id != "" {
			return id
		}
	}
	return o.ID
}

// name is one that nothing else has.
func (w *worker) name() string {
	w.named++
	return fmt.Sprintf("ledger-%d-%d", w.id, w.named)
}

func (w *worker) organization(path string) string {
	return "/v1/organization/" + w.target.organization + path
}

func (w *worker) rename() bool {
	name := w.name()
	entry, _ := w.send(operation{Action: "organization_renamed", Key: name}, http.MethodPatch, w.organization(""), map[string]any{"name": name})
	return entry.Outcome != unknown
}

func (w *worker) changePolicy() bool {
	// Long enough to refuse nobody, and no other worker's.
	seconds := 10_000_000 + w.id + len(w.workers)*int(w.random.Uint32N(20_000_000))
	entry, _ := w.send(operation{Action: "policy_changed", Key: fmt.Sprint(seconds)}, http.MethodPatch, w.organization("/config/authentication"), map[string]any{"session_max_age_seconds": seconds})
	return entry.Outcome != unknown
}

func (w *worker) createToken() bool {
	name := w.name()
	entry, _ := w.send(operation{Action: "token_created", Key: name, Of: w.target.admin}, http.MethodPost, "/v1/access_token", map[string]any{"description": name})
	if entry.Outcome == ok {
		w.tokens = append(w.tokens, entry)
	}
	return entry.Outcome != unknown
}

func (w *worker) createUser() bool {
	name := w.name()
	entry, _ := w.send(operation{Action: "application_user_created", Key: name}, http.MethodPost, w.organization("/application-users"), map[string]any{"name": name})
	if entry.Outcome == ok {
		w.users = append(w.users, entry)
	}
	return entry.Outcome != unknown
}

func (w *worker) deleteUser() bool {
	u := w.users[0]
	entry, _ := w.send(operation{Action: "application_user_deleted", Key: u.ID, ID: u.ID}, http.MethodDelete, w.organization("/application-users/"+u.ID), nil)
	if entry.Outcome == ok {
		w.users = w.users[1:]
		w.buryAll(u.ID)
	}
	return entry.Outcome != unknown
}

// buryAll buries the tokens of an application user that was deleted.
func (w *worker) buryAll(owner string) {
	for _, t := range slices.Clone(w.tokens) {
		if t.Of == owner {
			w.bury(t)
		}
	}
}

// grant gives one of two sets of permissions to an application user, by turns.
func (w *worker) grant() bool {
	u := w.users[len(w.users)-1]
	set := []string{"organization:users:write"}
	if slices.Equal(u.Permissions, set) {
		set = []string{"organization:groups:write", "organization:networking:read"}
	}
	entry, _ := w.send(operation{Action: "permissions_changed", Key: "user:" + u.ID, Of: u.ID, Permissions: set},
		http.MethodPatch, w.organization("/permissions/organization/"+w.target.organization),
		map[string]any{"operation": "set", "permissions": []any{map[string]any{"principal_type": "user", "principal_id": u.ID, "permissions": set}}})
	if entry.Outcome == ok {
		u.Permissions = set
	}
	return entry.Outcome != unknown
}

func (w *worker) createApplicationToken() bool {
	u := pick(w, w.users)
	if w.live(u.ID) != nil { // one at a time is plenty
		return true
	}
	name := w.name()
	entry, _ := w.send(operation{Action: "token_created", Key: name, Of: u.ID}, http.MethodPost, w.organization("/application-users/"+u.ID+"/access-tokens"), map[string]any{"description": name})
	if entry.Outcome == ok {
		w.tokens = append(w.tokens, entry)
	}
	return entry.Outcome != unknown
}

func (w *worker) revoke() bool {
	t := pick(w, w.tokens)
	path := "/v1/access_token/" + t.ID
	if t.Of != w.target.admin {
		path = w.organization("/application-users/" + t.Of + "/access-tokens/" + t.ID)
	}
	entry, _ := w.send(operation{Action: "token_revoked", Key: t.ID, ID: t.ID, Of: t.Of}, http.MethodDelete, path, nil)
	if entry.Outcome == ok {
		w.bury(t)
	}
	return entry.Outcome != unknown
}

// bury moves a token to the dead ones, of which some are kept to be tried.
func (w *worker) bury(t *operation) {
	const most = 8
	w.tokens = slices.DeleteFunc(w.tokens, func(o *operation) bool { return o == t })
	if t.secret != "" {
		w.dead = append(w.dead, t)
	}
	w.dead = w.dead[max(0, len(w.dead)-most):]
}

func (w *worker) createProject() bool {
	name := w.name()
	entry, _ := w.send(operation{Action: "project_created", Key: name, ID: name}, http.MethodPost, w.organization("/projects"),
		map[string]any{"project_id": name, "billing_group_id": "b", "tags": map[string]string{}})
	if entry.Outcome == ok {
		w.projects = append(w.projects, entry)
	}
	return entry.Outcome != unknown
}

func (w *worker) deleteProject() bool {
	p := w.projects[0]
	entry, _ := w.send(operation{Action: "project_deleted", Key: p.Key, ID: p.Key}, http.MethodDelete, w.organization("/project/"+p.Key), nil)
	if entry.Outcome == ok {
		w.projects = w.projects[1:]
	}
	return entry.Outcome != unknown
}

// use tries a live token, which has to be accepted.
func (w *worker) use() bool {
	t := pick(w, w.tokens)
	if t.secret == "" { // its answer was lost
		return true
	}
	return w.try(t, http.StatusOK)
}

// useDead tries a revoked token: an acceptance that begins after the answer to
// the revocation is a ghost.
func (w *worker) useDead() bool {
	if len(w.dead) == 0 {
		return true
	}
	return w.try(pick(w, w.dead), http.StatusUnauthorized)
}

func (w *worker) try(t *operation, status int) bool {
	a, err := call(http.MethodGet, w.url+w.organization(""), t.secret, nil)
	if err != nil || a.status >= 500 {
		return false
	}
	if a.status != status {
		kind := "ghost"
		if status == http.StatusOK {
			kind = "wrongly refused"
		}
		w.ledger.miss(kind, "token %s of operation %d: %s", t.ID, t.N, a)
	}
	return true
}
