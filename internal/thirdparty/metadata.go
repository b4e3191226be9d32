package thirdparty

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// metadataAge is how long a provider's metadata and keys are used. A key that
// it withdraws is trusted for as long.
const metadataAge = time.Hour

// metadata is what is used of a provider's (OpenID Connect Discovery 1.0,
// section 3; RFC 9207, section 3).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	KeysURL               string   `json:"jwks_uri"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	TokenAuthentication   []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms            []string `json:"id_token_signing_alg_values_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
}

// tenantPlaceholder stands in the metadata of Microsoft's endpoints for all
// tenants; the tenant of the person takes its place in ID tokens.
const tenantPlaceholder = "{tenantid}"

// consumerTenant is the tenant of Microsoft's personal accounts.
const consumerTenant = "9188040d-6c67-4b5b-b112-36a304b66dad"

// template reports whether the issuer is one of many tenants'.
func (m metadata) template() bool { return strings.Contains(m.Issuer, tenantPlaceholder) }

// authStyle says how the secret is sent. It is never tried out: a code that
// was sent once is spent. Google and Microsoft announce both ways and show the
// form in their manuals; elsewhere the header is the standard's default.
func (p *Provider) authStyle(m metadata) oauth2.AuthStyle {
	form := slices.Contains(m.TokenAuthentication, "client_secret_post")
	header := len(m.TokenAuthentication) == 0 || slices.Contains(m.TokenAuthentication, "client_secret_basic")
	if form && (!header || p.config.Kind != OpenID) {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// discover returns the provider's metadata, at most an hour old.
func (p *Provider) discover(ctx context.Context) (metadata, error) {
	m, err := p.metadata.get(ctx, p.config.Now, metadataAge, p.fetchMetadata)
	if err != nil {
		return metadata{}, p.unavailable("read the provider's metadata", err)
	}
	return m, nil
}

// fetchMetadata asks for the metadata and checks it.
func (p *Provider) fetchMetadata(ctx context.Context) (metadata, error) {
	var m metadata
	where := strings.TrimSuffix(p.config.Issuer, "/") + "/.well-known/openid-configuration"
	status, err := p.get(ctx, where, "", nil, &m)
	if err != nil {
		return metadata{}, err
	}
	if status != http.StatusOK {
		return metadata{}, p.failed(ReasonMetadata, "%s answered with status %d", quoted(where), status)
	}
	return m, p.checkMetadata(m)
}

// checkMetadata refuses metadata of another issuer, which could send people
// and their codes to a provider that nobody chose, and endpoints that a browser
// or client must not be sent to.
func (p *Provider) checkMetadata(m metadata) error {
	if !slices.Contains(p.issuers(), m.Issuer) {
		return p.failed(ReasonMetadata, "the metadata is of the issuer %s, not of %s", quoted(m.Issuer), quoted(p.config.Issuer))
	}
	for _, endpoint := range []struct{ name, url string }{
		{"authorization_endpoint", m.AuthorizationEndpoint},
		{"token_endpoint", m.TokenEndpoint},
		{"jwks_uri", m.KeysURL},
		{"userinfo_endpoint", m.UserinfoEndpoint},
	} {
		if endpoint.url == "" && endpoint.name == "userinfo_endpoint" {
			continue
		}
		if !p.mayBeSentTo(endpoint.url) {
			return p.failed(ReasonMetadata, "%s is %s, which is no https URL", endpoint.name, quoted(endpoint.url))
		}
	}
	if len(m.algorithms()) == 0 {
		return p.failed(ReasonMetadata, "the provider signs ID tokens with none of %s", strings.Join(algorithms, " "))
	}
	return nil
}

// issuers are what the metadata may call itself. It is what was configured,
// but for Microsoft's endpoints that stand for many tenants.
func (p *Provider) issuers() []string {
	allowed := []string{p.config.Issuer}
	if p.config.Kind != Microsoft {
		return allowed
	}
	for endpoint, tenant := range map[string]string{
		"common": tenantPlaceholder, "organizations": tenantPlaceholder, "consumers": consumerTenant,
	} {
		if before, ok := strings.CutSuffix(p.config.Issuer, "/"+endpoint+"/v2.0"); ok {
			allowed = append(allowed, before+"/"+tenant+"/v2.0")
		}
	}
	return allowed
}

// mayBeSentTo reports whether an endpoint is a plain web address, and no weaker
// one than the issuer's.
func (p *Provider) mayBeSentTo(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(p.config.Issuer, "http://")
}
