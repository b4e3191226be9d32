package server

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sample is a value of each setting that differs from its default, and what it
// makes of a configuration.
var sample = map[string]struct {
	value string
	want  func(*Config)
}{
	"listen":               {"127.0.0.1:9999", func(c *Config) { c.Listen, c.PublicURL = "127.0.0.1:9999", "http://127.0.0.1:9999" }},
	"public-url":           {"https://auth.example.com/", func(c *Config) { c.PublicURL, c.publicURLSet = "https://auth.example.com", true }},
	"database-url":         {"postgres://u@h/d", func(c *Config) { c.DatabaseURL, c.databaseSet = "postgres://u@h/d", true }},
	"database-connections": {"40", func(c *Config) { c.Connections = 40 }},
	"data-dir": {"data", func(c *Config) {
		c.DataDir, c.DatabaseURL, c.SecretKeyFile = "data", "sqlite:data/sallyport.db", "data/secret.key"
	}},
	"secret-key-file":      {"k", func(c *Config) { c.SecretKeyFile, c.keyFileSet = "k", true }},
	"tls-cert":             {"cert.pem", func(c *Config) { c.TLSCert = "cert.pem" }},
	"tls-key":              {"key.pem", func(c *Config) { c.TLSKey = "key.pem" }},
	"trusted-proxies":      {"10.0.0.0/24, 10.1.0.1,fd00::/64", func(c *Config) { c.TrustedProxies = prefixes("10.0.0.0/24", "10.1.0.1/32", "fd00::/64") }},
	"trusted-proxy-header": {"forwarded", func(c *Config) { c.ForwardedHeader = true }},
	"brand":                {"Acme", func(c *Config) { c.Brand = "Acme" }},
	"exposed-passwords":    {"breaches.txt", func(c *Config) { c.ExposedPasswords = "breaches.txt" }},
	"password-min-length":  {"20", func(c *Config) { c.PasswordMinLength = 20 }},
	"audit-retention-days": {"90", func(c *Config) { c.AuditDays = 90 }},
	"lease":                {"5s", func(c *Config) { c.Lease = 5 * time.Second }},
	"cache-entries":        {"250000", func(c *Config) { c.CacheEntries = 250_000 }},
	"metrics-listen":       {"127.0.0.1:9464", func(c *Config) { c.MetricsListen = "127.0.0.1:9464" }},
	"allow-long-tokens":    {"true", func(c *Config) { c.AllowLongTokens = true }},
	"break-glass":          {"true", func(c *Config) { c.BreakGlass = true }},
	"dns-servers": {"192.0.2.53:53, [2001:db8::53]:5353", func(c *Config) {
		c.DNSServers = []string{"192.0.2.53:53", "[2001:db8::53]:5353"}
	}},
	"allow-private-networks": {"true", func(c *Config) { c.AllowPrivate = true }},
	"log-level":              {"debug", func(c *Config) { c.LogLevel = "debug" }},
	"smtp-url":               {"smtps://me:word@mail.example", func(c *Config) { c.SMTPURL = "smtps://me:word@mail.example" }},
	"mail-from":              {"no-reply@a.example", func(c *Config) { c.MailFrom = "no-reply@a.example" }},
	"log-format":             {"text", func(c *Config) { c.LogFormat = "text" }},

	"google-client-id":        {"g-id", func(c *Config) { c.Google.ClientID = "g-id" }},
	"google-client-secret":    {"g-secret", func(c *Config) { c.Google.ClientSecret = "g-secret" }},
	"google-issuer":           {"http://127.0.0.1:7000", func(c *Config) { c.Google.Issuer = "http://127.0.0.1:7000" }},
	"microsoft-client-id":     {"m-id", func(c *Config) { c.Microsoft.ClientID = "m-id" }},
	"microsoft-client-secret": {"m-secret", func(c *Config) { c.Microsoft.ClientSecret = "m-secret" }},
	"microsoft-issuer":        {"https://login.microsoftonline.com/t/v2.0", func(c *Config) { c.Microsoft.Issuer = "https://login.microsoftonline.com/t/v2.0" }},
	"github-client-id":        {"h-id", func(c *Config) { c.GitHub.ClientID = "h-id" }},
	"github-client-secret":    {"h-secret", func(c *Config) { c.GitHub.ClientSecret = "h-secret" }},
	"github-url":              {"https://git.example.com", func(c *Config) { c.GitHub.URL = "https://git.example.com" }},
	"github-api-url":          {"https://git.example.com/api/v3", func(c *Config) { c.GitHub.APIURL = "https://git.example.com/api/v3" }},
}

// TestDefaultsAreWhatHelpSays for numbers, times, and yes or no.
func TestDefaultsAreWhatHelpSays(t *testing.T) {
	compared := 0
	for _, setting := range settings {
		_, number := strconv.Atoi(setting.fallback)
		_, truth := strconv.ParseBool(setting.fallback)
		_, length := time.ParseDuration(setting.fallback)
		if number != nil && truth != nil && length != nil {
			continue
		}
		compared++
		c := defaults()
		if err := setting.set(&c, setting.fallback); err != nil {
			t.Errorf("%s: %v", setting.name, err)
		}
		if !reflect.DeepEqual(c, defaults()) {
			t.Errorf("%s: %q is not the default", setting.name, setting.fallback)
		}
	}
	if compared < 8 {
		t.Errorf("%d settings were compared", compared)
	}
}

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func environ(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// plain is the configuration when nothing is set.
func plain(t *testing.T) Config {
	t.Helper()
	c, err := LoadConfig(nil, environ(nil), "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEverySetting sets each setting in each of the three ways.
func TestEverySetting(t *testing.T) {
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			c, known := sample[s.name]
			if !known {
				t.Fatalf("there is no sample value for the setting %s", s.name)
			}
			want := plain(t)
			c.want(&want)
			flags, env, yaml := map[string]string{s.name: c.value}, map[string]string{s.Env(): c.value}, s.key()+": "+c.value+"\n"
			// A certificate comes with its key, a mail server with a sender.
			other := map[string]string{
				"tls-cert": "tls-key", "tls-key": "tls-cert", "smtp-url": "mail-from",
				"google-client-id": "google-client-secret", "google-client-secret": "google-client-id",
				"microsoft-client-id": "microsoft-client-secret", "microsoft-client-secret": "microsoft-client-id",
				"github-client-id": "github-client-secret", "github-client-secret": "github-client-id",
			}[s.name]
			if other != "" {
				sample[other].want(&want)
				if want.TLSCert != "" {
					want.PublicURL = "https://127.0.0.1:8080"
				}
				value := sample[other].value
				flags[other], env["SALLYPORT_"+strings.ToUpper(strings.ReplaceAll(other, "-", "_"))] = value, value
				yaml += strings.ReplaceAll(other, "-", "_") + ": " + value + "\n"
			}
			for way, load := range map[string]func() (Config, error){
				"flag":        func() (Config, error) { return LoadConfig(flags, environ(nil), "") },
				"environment": func() (Config, error) { return LoadConfig(nil, environ(env), "") },
				"file":        func() (Config, error) { return LoadConfig(nil, environ(nil), writeConfig(t, yaml)) },
			} {
				got, err := load()
				if err != nil {
					t.Errorf("%s: %v", way, err)
				} else if diff := cmp.Diff(want, got, cmp.AllowUnexported(Config{}), cmpopts.IgnoreFields(Config{}, "written"), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
					t.Errorf("%s (-want +got):\n%s", way, diff)
				}
			}
		})
	}
}

// TestStrengthOfSources: a flag wins over the environment, that over the file,
// that over the default.
func TestStrengthOfSources(t *testing.T) {
	file := writeConfig(t, "brand: File\n")
	flags, env := map[string]string{"brand": "Flag"}, map[string]string{"SALLYPORT_BRAND": "Environment"}
	for _, c := range []struct {
		name  string
		flags map[string]string
		env   map[string]string
		file  string
		want  string
	}{
		{"all", flags, env, file, "Flag"},
		{"no flag", nil, env, file, "Environment"},
		{"file alone", nil, nil, file, "File"},
		{"nothing", nil, nil, "", "Sallyport"},
		{"an empty variable is none", nil, map[string]string{"SALLYPORT_BRAND": ""}, file, "File"},
		{"an empty line is none", nil, nil, writeConfig(t, "brand:\n"), "Sallyport"},
	} {
		got, err := LoadConfig(c.flags, environ(c.env), c.file)
		if err != nil || got.Brand != c.want {
			t.Errorf("%s: brand %q, %v, want %q", c.name, got.Brand, err, c.want)
		}
	}
	// An empty flag is a value: it takes back what the environment says.
	got, err := LoadConfig(map[string]string{"trusted-proxies": ""}, environ(map[string]string{"SALLYPORT_TRUSTED_PROXIES": "10.0.0.1"}), "")
	if err != nil || len(got.TrustedProxies) > 0 {
		t.Errorf("an empty --trusted-proxies leaves %v, %v", got.TrustedProxies, err)
	}
}

func TestConfigFileLists(t *testing.T) {
	c, err := LoadConfig(nil, environ(nil), writeConfig(t, "trusted_proxies: [10.0.0.0/24, 'fd00::/64']\npassword_min_length: 20\nallow_long_tokens: true\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := prefixes("10.0.0.0/24", "fd00::/64"); !cmp.Equal(c.TrustedProxies, want, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })) {
		t.Errorf("trusted proxies %v, want %v", c.TrustedProxies, want)
	}
	if c.PasswordMinLength != 20 || !c.AllowLongTokens {
		t.Errorf("a number is %d, a truth %v", c.PasswordMinLength, c.AllowLongTokens)
	}
}

// TestUnsafeConfiguration is the configuration half of row OPS-02: what cannot
// work, or not safely, is refused in one line that names it.
func TestUnsafeConfiguration(t *testing.T) {
	public := map[string]string{"listen": "0.0.0.0:8080"}
	with := func(base map[string]string, name, value string) map[string]string {
		m := map[string]string{name: value}
		for k, v := range base {
			m[k] = v
		}
		return m
	}
	for _, c := range []struct {
		name  string
		flags map[string]string
		file  string
		want  string // the beginning of the message
	}{
		{"public address without TLS", with(public, "public-url", "https://a.example"), "", "SALLYPORT_LISTEN: passwords would cross the network"},
		{"every address without TLS", map[string]string{"listen": ":8080"}, "", "SALLYPORT_LISTEN: passwords"},
		{"a name without TLS", map[string]string{"listen": "auth.example.com:80"}, "", "SALLYPORT_LISTEN: passwords"},
		{"public address without its URL", with(public, "trusted-proxies", "10.0.0.1"), "", "SALLYPORT_PUBLIC_URL: "},
		{"all proxies", map[string]string{"trusted-proxies": "0.0.0.0/0"}, "", `--trusted-proxies: "0.0.0.0/0" trusts the whole internet`},
		{"all proxies, IPv6", map[string]string{"trusted-proxies": "::/0"}, "", `--trusted-proxies: "::/0" trusts the whole internet`},
		{"proxy with host bits", map[string]string{"trusted-proxies": "10.0.0.1/24"}, "", `--trusted-proxies: "10.0.0.1/24": write 10.0.0.0/24`},
		{"mapped proxy", map[string]string{"trusted-proxies": "::ffff:10.0.0.0/120"}, "", `--trusted-proxies: "::ffff:10.0.0.0/120": write it as an IPv4`},
		{"no proxy", map[string]string{"trusted-proxies": "proxy.example"}, "", `--trusted-proxies: "proxy.example" is not an address`},
		{"unknown header", map[string]string{"trusted-proxy-header": "X-Real-IP"}, "", "--trusted-proxy-header: "},
		{"no port", map[string]string{"listen": "127.0.0.1"}, "", "--listen: write HOST:PORT"},
		{"empty address", map[string]string{"listen": ""}, "", "--listen: "},
		{"URL with a path", map[string]string{"public-url": "https://a.example/x"}, "", "--public-url: "},
		{"URL with a password", map[string]string{"public-url": "https://u:p@a.example"}, "", "--public-url: "},
		{"URL with a query", map[string]string{"public-url": "https://a.example?"}, "", "--public-url: "},
		{"URL with a fragment", map[string]string{"public-url": "https://a.example#x"}, "", "--public-url: "},
		{"URL without a host", map[string]string{"public-url": "https://:8443"}, "", "--public-url: "},
		{"URL with no port", map[string]string{"public-url": "https://a.example:"}, "", "--public-url: "},
		{"URL with a wrong port", map[string]string{"public-url": "https://a.example:99999"}, "", "--public-url: "},
		{"no URL", map[string]string{"public-url": "a.example"}, "", "--public-url: "},
		{"a file on a host", map[string]string{"database-url": "sqlite://data/x.db"}, "", "--database-url: write sqlite:FILE without slashes"},
		{"another database", map[string]string{"database-url": "mysql://x"}, "", "--database-url: "},
		{"no folder", map[string]string{"data-dir": ""}, "", "--data-dir: name a folder"},
		{"no key file", map[string]string{"secret-key-file": ""}, "", "--secret-key-file: name a file"},
		{"half a certificate", map[string]string{"tls-cert": "x"}, "", "SALLYPORT_TLS_CERT and SALLYPORT_TLS_KEY: set both"},
		{"short passwords", map[string]string{"password-min-length": "7"}, "", "--password-min-length: "},
		{"brand with a colon", map[string]string{"brand": "a:b"}, "", "--brand: "},
		{"no events kept", map[string]string{"audit-retention-days": "0"}, "", "--audit-retention-days: write a number of days from 90 to 3650"},
		{"no duration", map[string]string{"lease": "3"}, "", "--lease: write a duration from 1s to 30s, or off"},
		{"a lease that is too short", map[string]string{"lease": "999ms"}, "", "--lease: write a duration from 1s to 30s, or off"},
		{"a memory that is too small", map[string]string{"cache-entries": "1000"}, "", "--cache-entries: write a number of credentials from 1024 to 16777216"},
		{"a memory that is too large", map[string]string{"cache-entries": "20000000"}, "", "--cache-entries: write a number of credentials from 1024 to 16777216"},
		{"a memory in words", map[string]string{"cache-entries": "64MB"}, "", "--cache-entries: write a number of credentials from 1024 to 16777216"},
		{"a lease that is too long", map[string]string{"lease": "31s"}, "", "--lease: write a duration from 1s to 30s, or off"},
		{"not a truth", map[string]string{"allow-long-tokens": "perhaps"}, "", "--allow-long-tokens: write true or false"},
		{"unknown level", map[string]string{"log-level": "loud"}, "", "--log-level: "},
		{"unknown format", map[string]string{"log-format": "xml"}, "", "--log-format: "},
		{"unknown key", nil, "brand: x\ntrusted_proxy: 10.0.0.1\n", "trusted_proxy in FILE: there is no such setting"},
		{"key with dashes", nil, "public-url: https://a.example\n", "public-url in FILE: there is no such setting"},
		{"map as a value", nil, "brand: {name: x}\n", "brand in FILE: write one value"},
		{"twice", nil, "brand: x\nbrand: y\n", "--config FILE: "},
		{"not YAML", nil, "{", "--config FILE: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := ""
			if c.file != "" {
				file = writeConfig(t, c.file)
			}
			_, err := LoadConfig(c.flags, environ(nil), file)
			var config *ConfigError
			if !errors.As(err, &config) || config.ExitCode() != 2 {
				t.Fatalf("the error is %v, want a ConfigError", err)
			}
			message := err.Error()
			if file != "" {
				message = strings.ReplaceAll(message, file, "FILE")
			}
			if !strings.HasPrefix(message, c.want) {
				t.Errorf("the message is %q, want %q…", message, c.want)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for listen, want := range map[string]bool{
		"127.0.0.1:1": true, "127.8.8.8:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "localhost:1": true,
		"0.0.0.0:1": false, "[::]:1": false, ":1": false, "10.0.0.1:1": false, "localhost.example:1": false, "nonsense": false,
	} {
		if got := loopback(listen); got != want {
			t.Errorf("loopback(%q) = %v, want %v", listen, got, want)
		}
	}
}
