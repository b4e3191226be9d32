package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/mail"
	"github.com/sallyport/sallyport/internal/store"
)

// Config is the configuration of a server. Flags win over the environment,
// that over the file, that over the defaults.
type Config struct {
	Listen            string
	PublicURL         string
	DatabaseURL       string
	DataDir           string
	SecretKeyFile     string
	TLSCert, TLSKey   string
	TrustedProxies    []netip.Prefix
	ForwardedHeader   bool
	Brand             string
	PasswordMinLength int
	ExposedPasswords  string
	AllowLongTokens   bool
	// Lease is how long the server answers from memory without hearing from
	// the database; 0: never.
	Lease time.Duration
	// Connections are the most that the server opens to PostgreSQL.
	Connections int
	// CacheEntries is how many credentials' facts are kept in memory.
	CacheEntries  int
	BreakGlass    bool
	AuditDays     int // how long events are kept
	MetricsListen string
	LogLevel      string
	LogFormat     string
	DNSServers    []string // host:port
	AllowPrivate  bool
	SMTPURL       string
	MailFrom      string
	// Third parties that people may log in with; without a client id one is
	// not offered.
	Google, Microsoft, GitHub ThirdParty
	// HoldMail keeps mail in the outbox, to be read at /dev/mailbox; only
	// --dev sets it.
	HoldMail bool

	publicURLSet, databaseSet, keyFileSet bool

	// written says of each setting that was made how the operator wrote it.
	written map[string]string
}

// setting is one thing an operator can set: --data-dir, SALLYPORT_DATA_DIR, or
// data_dir in the file.
type setting struct {
	name     string // with dashes
	fallback string // in words, for the help
	help     string
	set      func(c *Config, value string) error
}

// Env is the setting's environment variable.
func (s setting) Env() string {
	return "SALLYPORT_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

func (s setting) key() string { return strings.ReplaceAll(s.name, "-", "_") }

// Events are kept long enough for the months that auditors ask for
// (docs/parameters.md 3.12), and not for ever.
const (
	minAuditDays = 90
	maxAuditDays = 3650
)

// Fewer entries save no memory worth mentioning; more would be 20 GB.
const (
	minCacheEntries = 1024
	maxCacheEntries = 1 << 24
)

var settings = append([]setting{
	{"listen", "127.0.0.1:8080", "address of the one port", func(c *Config, v string) error {
		if _, _, err := net.SplitHostPort(v); err != nil {
			return errors.New("write HOST:PORT, such as 127.0.0.1:8080")
		}
		c.Listen = v
		return nil
	}},
	{"public-url", "http://127.0.0.1:8080", "what browsers and identity providers see", func(c *Config, v string) error {
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" || u.User != nil || strings.ContainsAny(v, "?#") || !reachable(u) {
			return errors.New("write http(s)://HOST[:PORT] without a path")
		}
		c.PublicURL, c.publicURLSet = strings.TrimSuffix(v, "/"), true
		return nil
	}},
	{"database-url", "sqlite:<data dir>/sallyport.db", "sqlite:FILE or postgres://USER@HOST/DATABASE", func(c *Config, v string) error {
		scheme, rest, _ := strings.Cut(v, ":")
		if scheme != "sqlite" && scheme != "postgres" && scheme != "postgresql" || rest == "" {
			return errors.New("write sqlite:FILE or postgres://USER@HOST/DATABASE")
		}
		if scheme == "sqlite" && strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "///") { // SQLite would take it for a host
			return errors.New("write sqlite:FILE without slashes before the file: it is on this machine")
		}
		c.DatabaseURL, c.databaseSet = v, true
		return nil
	}},
	{"database-connections", "17", "most connections to PostgreSQL: 4 to 500", func(c *Config, v string) (err error) {
		if c.Connections, err = strconv.Atoi(v); err != nil || c.Connections < store.FewestConnections || c.Connections > store.MostConnections {
			return fmt.Errorf("write a number from %d to %d", store.FewestConnections, store.MostConnections)
		}
		return nil
	}},
	{"data-dir", "./.sallyport", "folder of the SQLite file and the generated key", func(c *Config, v string) error {
		c.DataDir = v
		return named(v, "a folder")
	}},
	{"secret-key-file", "<data dir>/secret.key", "keys that seal second-factor secrets; generated for SQLite, required for PostgreSQL", func(c *Config, v string) error {
		c.SecretKeyFile, c.keyFileSet = v, true
		return named(v, "a file")
	}},
	{"tls-cert", "none", "certificate chain (PEM); read again when the file changes", func(c *Config, v string) error {
		c.TLSCert = v
		return nil
	}},
	{"tls-key", "none", "private key of the certificate (PEM)", func(c *Config, v string) error {
		c.TLSKey = v
		return nil
	}},
	{"trusted-proxies", "none", "prefixes whose forwarding header is believed, separated by commas", setTrustedProxies},
	{"trusted-proxy-header", "X-Forwarded-For", "the one header trusted proxies set: X-Forwarded-For or Forwarded", func(c *Config, v string) error {
		switch strings.ToLower(v) {
		case "x-forwarded-for":
			c.ForwardedHeader = false
		case "forwarded":
			c.ForwardedHeader = true
		default:
			return errors.New("write X-Forwarded-For or Forwarded")
		}
		return nil
	}},
	{"brand", "Sallyport", "name in pages, mails and authenticator apps", func(c *Config, v string) error {
		if v == "" || len(v) > 64 || strings.ContainsAny(v, ":\r\n\x00") {
			return errors.New("write a name of at most 64 characters without a colon")
		}
		c.Brand = v
		return nil
	}},
	{"password-min-length", "15", "shortest password in characters; 8 only where everybody has a second factor", func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 8 || n > 64 {
			return errors.New("write a number from 8 to 64")
		}
		c.PasswordMinLength = n
		return nil
	}},
	{"exposed-passwords", "none", "folder or file of passwords known from breaches, as Have I Been Pwned publishes their SHA-1 hashes", func(c *Config, v string) error {
		c.ExposedPasswords = v
		return named(v, "a folder or a file")
	}},
	{"allow-long-tokens", "false", "let tokens live up to 10 years instead of 366 days", func(c *Config, v string) error {
		b, err := strconv.ParseBool(v)
		c.AllowLongTokens = b
		return wordBool(err)
	}},
	{"break-glass", "false", "count on the recover command where no admin can log in: changes may then leave an organization without one who can", func(c *Config, v string) error {
		b, err := strconv.ParseBool(v)
		c.BreakGlass = b
		return wordBool(err)
	}},
	{"audit-retention-days", "400", "how long audit events are kept, at least 90 days", func(c *Config, v string) (err error) {
		if c.AuditDays, err = strconv.Atoi(v); err != nil || c.AuditDays < minAuditDays || c.AuditDays > maxAuditDays {
			return fmt.Errorf("write a number of days from %d to %d", minAuditDays, maxAuditDays)
		}
		return nil
	}},
	{"lease", "3s", "how long the server answers from memory without hearing from the database: 1s to 30s, or off", setLease},
	{"cache-entries", "65536", "how many pairs of a credential and an organization are answered from memory, up to 1.2 kB each", func(c *Config, v string) (err error) {
		if c.CacheEntries, err = strconv.Atoi(v); err != nil || c.CacheEntries < minCacheEntries || c.CacheEntries > maxCacheEntries {
			return fmt.Errorf("write a number of credentials from %d to %d", minCacheEntries, maxCacheEntries)
		}
		return nil
	}},
	{"metrics-listen", "none", "address of metrics and profiles on this machine, such as 127.0.0.1:9464", func(c *Config, v string) error {
		if !loopback(v) {
			return errors.New("write a loopback address and a port, such as 127.0.0.1:9464: whoever reaches it sees the inside of the server")
		}
		c.MetricsListen = v
		return nil
	}},
	{"dns-servers", "the system's", "name servers to ask for the proofs of domains: HOST:PORT, separated by commas", setDNSServers},
	{"allow-private-networks", "false", "let the server fetch files that prove domains from loopback and private networks", func(c *Config, v string) error {
		b, err := strconv.ParseBool(v)
		c.AllowPrivate = b
		return wordBool(err)
	}},
	{"smtp-url", "none: nothing is mailed", "mail server: smtp://HOST:PORT, smtp://USER:PASSWORD@HOST:PORT or smtps://…", func(c *Config, v string) error {
		_, err := mail.NewSender(v, "somebody@example.com", "x")
		c.SMTPURL = v
		return err
	}},
	{"mail-from", "none", "sender of mails: name@example.com, or Name <name@example.com>", func(c *Config, v string) error {
		_, err := mail.NewSender("smtp://localhost", v, "x")
		c.MailFrom = v
		return err
	}},
	{"log-level", "info", "debug, info, warn or error", func(c *Config, v string) error {
		if _, err := logLevel(v); err != nil {
			return err
		}
		c.LogLevel = v
		return nil
	}},
	{"log-format", "text on a terminal, else json", "text or json", func(c *Config, v string) error {
		if v != "text" && v != "json" {
			return errors.New("write text or json")
		}
		c.LogFormat = v
		return nil
	}},
}, thirdPartySettings()...)

// reachable says whether a URL names a host, and a port that there can be.
func reachable(u *url.URL) bool {
	_, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Hostname() != "" && !strings.HasSuffix(u.Host, ":") && (u.Port() == "" || err == nil)
}

func named(path, what string) error {
	if path == "" {
		return errors.New("name " + what)
	}
	return nil
}

func wordBool(err error) error {
	if err != nil {
		return errors.New("write true or false")
	}
	return nil
}

func setDNSServers(c *Config, v string) error {
	c.DNSServers = nil
	for text := range strings.SplitSeq(v, ",") {
		text = strings.TrimSpace(text)
		host, port, err := net.SplitHostPort(text)
		if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || portErr != nil || n == 0 {
			return fmt.Errorf("%q is not HOST:PORT such as 192.0.2.53:53", text)
		}
		c.DNSServers = append(c.DNSServers, text)
	}
	return nil
}

func setLease(c *Config, v string) error {
	if c.Lease = 0; v == "off" {
		return nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < store.ShortestLease || d > store.LongestLease {
		return errors.New("write a duration from 1s to 30s, or off")
	}
	c.Lease = d
	return nil
}

func setTrustedProxies(c *Config, v string) error {
	c.TrustedProxies = nil
	for text := range strings.SplitSeq(v, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return fmt.Errorf("%q is not an address or prefix such as 10.0.0.0/24", text)
			}
			p = netip.PrefixFrom(addr.Unmap().WithZone(""), addr.Unmap().BitLen())
		}
		if p.Bits() == 0 {
			return fmt.Errorf("%q trusts the whole internet: anybody could forge their address; name your proxies", text)
		}
		if p.Addr().Is4In6() {
			return fmt.Errorf("%q: write it as an IPv4 prefix", text)
		}
		if p != p.Masked() {
			return fmt.Errorf("%q: write %s", text, p.Masked())
		}
		c.TrustedProxies = append(c.TrustedProxies, p)
	}
	return nil
}

func defaults() Config {
	return Config{
		Listen: "127.0.0.1:8080", DataDir: ".sallyport", Brand: "Sallyport", PasswordMinLength: 15, AuditDays: 400, LogLevel: "info",
		Lease: store.DefaultLease, CacheEntries: access.DefaultEntries, Connections: store.DefaultConnections,
		written: map[string]string{},
	}
}

// ConfigError is a value that cannot work; it stops the start.
type ConfigError struct {
	Name string // as the operator wrote it: the flag, variable or key
	Err  error
}

func (e *ConfigError) Error() string { return e.Name + ": " + e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// ExitCode makes it wrong usage.
func (e *ConfigError) ExitCode() int { return 2 }

// LoadConfig gathers the configuration: flags holds the flags that were given,
// by name; file may be empty.
func LoadConfig(flags map[string]string, getenv func(string) string, file string) (Config, error) {
	c := defaults()
	fromFile, err := readConfigFile(file)
	if err != nil {
		return c, err
	}
	for _, s := range settings {
		inFile, filed := fromFile[s.key()]
		flag, flagged := flags[s.name]
		env := getenv(s.Env())
		for _, source := range []struct {
			name, value string
			given       bool
		}{
			{s.key() + " in " + file, inFile, filed}, {s.Env(), env, env != ""}, {"--" + s.name, flag, flagged},
		} {
			if !source.given {
				continue
			}
			if err := s.set(&c, source.value); err != nil {
				return c, &ConfigError{source.name, err}
			}
			c.written[s.name] = source.name
		}
	}
	return c, c.complete()
}

func readConfigFile(file string) (map[string]string, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &ConfigError{"--config", err}
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, &ConfigError{"--config " + file, err}
	}
	known := map[string]string{}
	for _, s := range settings {
		v, ok := values[s.key()]
		delete(values, s.key())
		if !ok || v == nil { // an empty line is the default
			continue
		}
		if known[s.key()], err = yamlText(v); err != nil {
			return nil, &ConfigError{s.key() + " in " + file, err}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		return nil, &ConfigError{name + " in " + file, errors.New("there is no such setting; `sallyport serve --help` lists them")}
	}
	return known, nil
}

// yamlText is a value as it would be written in the environment: lists have
// commas.
func yamlText(v any) (string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	texts := make([]string, len(list))
	for i, e := range list {
		switch e.(type) {
		case string, bool, int, int64, uint64, float64:
			texts[i] = fmt.Sprint(e)
		default:
			return "", errors.New("write one value, or a list of them")
		}
	}
	return strings.Join(texts, ","), nil
}

// certificateSettings names the two settings that only make sense together.
const certificateSettings = "SALLYPORT_TLS_CERT and SALLYPORT_TLS_KEY"

// complete fills what follows from other settings and refuses what is unsafe
// together.
func (c *Config) complete() error {
	if !c.databaseSet {
		c.DatabaseURL = "sqlite:" + filepath.Join(c.DataDir, "sallyport.db")
	}
	if !c.keyFileSet {
		c.SecretKeyFile = filepath.Join(c.DataDir, "secret.key")
	}
	if c.SMTPURL != "" && c.MailFrom == "" {
		return &ConfigError{"SALLYPORT_MAIL_FROM", errors.New("set it to the address that mails come from, because SALLYPORT_SMTP_URL is set")}
	}
	if err := cmp.Or(c.Google.complete("google"), c.Microsoft.complete("microsoft"), c.GitHub.complete("github")); err != nil {
		return err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return &ConfigError{certificateSettings, errors.New("set both or neither")}
	}
	if !c.publicURLSet {
		c.PublicURL = "http://" + c.Listen
		if c.TLSCert != "" {
			c.PublicURL = "https://" + c.Listen
		}
	}
	return c.mayListen(c.Listen)
}

// mayListen refuses an address that others reach where passwords would cross
// the network in the clear, or links would lead to the wrong place.
func (c *Config) mayListen(address string) error {
	if loopback(address) {
		return nil
	}
	if c.TLSCert == "" && len(c.TrustedProxies) == 0 {
		return &ConfigError{"SALLYPORT_LISTEN", errors.New("passwords would cross the network in the clear: set SALLYPORT_TLS_CERT and SALLYPORT_TLS_KEY, or name the proxy that ends TLS in SALLYPORT_TRUSTED_PROXIES, or listen on 127.0.0.1")}
	}
	if !c.publicURLSet {
		return &ConfigError{"SALLYPORT_PUBLIC_URL", errors.New("set it to the address that people type, because links are made from it")}
	}
	return nil
}

// sender is the way to the mail server; nil where none is set.
func (c *Config) sender() (*mail.Sender, error) {
	if c.SMTPURL == "" || c.HoldMail {
		return nil, nil
	}
	s, err := mail.NewSender(c.SMTPURL, c.MailFrom, c.Brand)
	if err != nil {
		return nil, &ConfigError{"SALLYPORT_SMTP_URL", err}
	}
	return s, nil
}

// loopback says whether an address to listen on is reached from this machine
// only.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// sqliteFile is the database's file; empty for PostgreSQL.
func (c *Config) sqliteFile() string {
	file, ok := strings.CutPrefix(c.DatabaseURL, "sqlite:")
	if !ok {
		return ""
	}
	return file
}

// private makes sure that a file that holds secrets exists with mode 0600, is
// no link, and is not readable by others.
func private(file string, create bool) error {
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) { // made by another command meanwhile
			return private(file, false)
		}
		if err != nil {
			return err
		}
		return f.Close()
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is a link or not a file; name the file itself", file)
	}
	return unshared(file, info)
}

// unshared refuses a file that other users of the machine may read or write.
func unshared(file string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by other users of this machine: run chmod 600 %s", file, file)
	}
	return nil
}
