package saml

import (
	"slices"
	"strconv"
	"strings"
)

// checkAttributes reads the mapped attributes by Name. Others are passed over,
// also when they come twice: Keycloak sends one attribute per role.
func (v *verification) checkAttributes() *Error {
	values, names, err := v.collect()
	if err != nil {
		return err
	}
	read := &v.verified.Attributes
	mapping := v.provider.Mapping
	read.Identity = v.verified.NameID
	for _, one := range []struct {
		name, what string
		into       *string
		required   bool
	}{
		{mapping.Identity, "identity", &read.Identity, true},
		{mapping.Email, "email", &read.Email, true},
		{mapping.FirstName, "first name", &read.FirstName, false},
		{mapping.LastName, "last name", &read.LastName, false},
		{mapping.RealName, "real name", &read.RealName, false},
	} {
		if one.name == "" {
			continue
		}
		value, err := single(values[one.name], one.name, one.what, one.required, names)
		if err != nil {
			return err
		}
		*one.into = value
	}
	if mapping.Groups != "" {
		read.Groups = once(values[mapping.Groups])
	}
	v.note(strconv.Itoa(len(names))+" attributes", "", strings.Join(names, ", "))
	return nil
}

// wanted reports whether an attribute is mapped.
func (m Mapping) wanted(name string) bool {
	return name != "" && slices.Contains([]string{m.Email, m.Identity, m.FirstName, m.LastName, m.RealName, m.Groups}, name)
}

// collect gathers the text values of the mapped attributes over all statements,
// and the names of all.
func (v *verification) collect() (values map[string][]string, names []string, refusal *Error) {
	values = make(map[string][]string)
	for _, statement := range v.assertion.named(nsAssertion, "AttributeStatement") {
		for e := range statement.elements() {
			if !e.is(nsAssertion, "Attribute") {
				return nil, nil, refuse(StageAttributes, "an AttributeStatement has something other than attributes").but("Attribute", e.local)
			}
			name := e.value("Name")
			names = append(names, name)
			if !v.provider.Mapping.wanted(name) {
				continue
			}
			if _, twice := values[name]; twice {
				return nil, nil, refuse(StageAttributes, "the attribute "+display(name)+" comes twice").
					saying("Your identity provider sends the attribute " + display(name) + " twice.")
			}
			values[name] = textValues(e)
		}
	}
	return values, names, nil
}

// textValues are the values of an attribute that hold text only.
func textValues(attribute *element) []string {
	values := []string{}
	for value := range attribute.elements() {
		if !value.is(nsAssertion, "AttributeValue") {
			continue
		}
		if text, plain := value.text(); plain {
			values = append(values, text)
		}
	}
	return values
}

// single is the one value of an attribute; an empty one counts as missing.
func single(values []string, name, what string, required bool, names []string) (string, *Error) {
	if len(values) > 1 {
		return "", refuse(StageAttributes, "the attribute of the "+what+" has several values").
			but("one value of "+name, strconv.Itoa(len(values))+" values").
			saying("Your identity provider sends more than one value of the attribute " + display(name) + ".")
	}
	value := ""
	if len(values) == 1 {
		value = strings.TrimSpace(values[0])
	}
	if value == "" {
		if !required {
			return "", nil
		}
		return "", refuse(StageAttributes, "attribute missing: "+what).
			but(name, strings.Join(names, ", ")).
			saying("The response of your identity provider lacks an attribute: " + what + ".")
	}
	if len(value) > maxSingleValue || !isPlainText(value) {
		return "", refuse(StageAttributes, "the attribute of the "+what+" is too long or has control characters").
			saying("Your identity provider sends an attribute that cannot be used: " + what + ".")
	}
	return value, nil
}

// once drops empty values and repetitions: LemonLDAP::NG sends groups twice.
func once(values []string) []string {
	seen := make(map[string]struct{}, len(values))
	kept := make([]string, 0, len(values))
	for _, value := range values {
		if _, twice := seen[value]; twice || value == "" {
			continue
		}
		seen[value] = struct{}{}
		kept = append(kept, value)
	}
	return kept
}
