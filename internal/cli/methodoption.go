package cli

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport"
)

// methodOptions are settings of an identity provider by their names on the
// wire, as an older command line of the compatible API took them.
type methodOptions struct{ values, files []string }

func (o *methodOptions) add(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&o.values, "config", "c", nil, "a setting by its name in the API, such as saml_idp_url=https://id.example.com/sso; may be repeated")
	flags.StringArrayVarP(&o.files, "config-file", "f", nil, "a setting whose value is in a file, such as saml_certificate=idp.pem; may be repeated")
}

// lay lays the options over a change.
func (o *methodOptions) lay(a *app, in *sallyport.UpdateAuthenticationMethod) error {
	settings := map[string]any{}
	for _, option := range o.values {
		key, value, ok := strings.Cut(option, "=")
		if !ok {
			return usagef("write -c KEY=VALUE, not %q", option)
		}
		settings[key] = value
	}
	for _, option := range o.files {
		key, name, ok := strings.Cut(option, "=")
		if !ok {
			return usagef("write -f KEY=FILE, not %q", option)
		}
		text, err := a.file(name)
		if err != nil {
			return err
		}
		settings[key] = text
	}
	for key, value := range settings {
		typed, err := methodOption(key, value.(string))
		if err != nil {
			return err
		}
		settings[key] = typed
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, in)
}

// methodOption gives a value the type that its setting has.
func methodOption(key, value string) (any, error) {
	all := reflect.VisibleFields(reflect.TypeFor[sallyport.UpdateAuthenticationMethod]())
	i := slices.IndexFunc(all, func(f reflect.StructField) bool {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name == key && name != ""
	})
	if i < 0 {
		return nil, usagef("there is no setting %q; those of the API are meant, such as saml_idp_url", key)
	}
	switch t := all[i].Type; t {
	case reflect.TypeFor[*bool]():
		b, err := strconv.ParseBool(value)
		if err != nil {
			return nil, usagef("%s can be true or false, not %q", key, value)
		}
		return b, nil
	case reflect.TypeFor[*int64]():
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, usagef("%s must be a whole number, not %q", key, value)
		}
		return n, nil
	case reflect.TypeFor[*string]():
		return value, nil
	case reflect.TypeFor[[]string]():
		return strings.Split(value, ","), nil
	default:
		into := reflect.New(t)
		if err := json.Unmarshal([]byte(value), into.Interface()); err != nil {
			return nil, usagef(`%s must be a JSON object, such as {"email": "mail"}`, key)
		}
		return into.Interface(), nil
	}
}

// maxFile is the most of a file that is sent, in bytes.
const maxFile = 1 << 20

// file reads a file that is sent; "-" is standard input.
func (a *app) file(name string) (string, error) {
	if name == "-" {
		return readAll(a.in)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readAll(f)
}
