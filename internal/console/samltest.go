package console

import "net/http"

// testLogin begins a login that opens nothing in the browser of whoever was given
// its address. It ends with the provider's response: see samlResponse.
func (p *Pages) testLogin(w http.ResponseWriter, r *http.Request) {
	secret := r.PathValue("secret")
	p.leaveWith(w, r, secret, secret)
}
