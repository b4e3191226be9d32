package org

// provenAdmins are the admins of an organization who can get in: active people
// with a way to log in that passes the login and the access of the session.
func (o *outlook) provenAdmins() []Person {
	list := []Person{}
	for i := range o.People {
		if p := &o.People[i]; p.Admin && !p.Application && o.getsIn(p) {
			list = append(list, Person{p.ID, p.Email, p.RealName})
		}
	}
	return list
}
