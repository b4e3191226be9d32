package httpapi

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// rangeRoutes are what helps to write the address ranges down; the ranges
// themselves are beside the policy.
func (a *API) rangeRoutes() []route {
	const (
		tag   = "policy"
		learn = "/v1/organization/{organization_id}/config/api-client-ip-allowlist/learn"
	)
	reads := access.Need{Scopes: []string{"accounts:read"}, Permission: access.Admin}
	writes := access.Need{Scopes: []string{"accounts:write"}, Permission: access.Admin}
	return []route{
		{
			method: "GET", path: learn, id: "OrganizationRangeLearningGet", tag: tag, summary: "Show from where the organization is used, as ranges to adopt",
			resource: organization, need: reads, status: http.StatusOK, own: true, handler: read(a.rangeLearning),
		},
		{
			method: "PUT", path: learn, id: "OrganizationRangeLearningStart", tag: tag, summary: "Observe for some days from where the organization is used",
			resource: organization, need: writes, status: http.StatusOK, event: "ip_allowlist_learning_started", own: true,
			fields: fields{"days": {required: true}}, handler: write(a.startRangeLearning),
		},
		{
			method: "DELETE", path: learn, id: "OrganizationRangeLearningStop", tag: tag, summary: "Stop observing from where the organization is used",
			resource: organization, need: writes, status: http.StatusNoContent, event: "ip_allowlist_learning_stopped", own: true, handler: do(a.stopRangeLearning),
		},
		{
			method: "GET", path: "/v1/organization/{organization_id}/config/api-client-ip-allowlist/test", id: "OrganizationAddressTest", tag: tag, summary: "Ask whether the address ranges let an address in",
			resource: organization, need: reads, status: http.StatusOK, own: true, query: []string{"address"}, handler: read(a.testAddress),
		},
		{
			method: "GET", path: "/v1/client-address", id: "ClientAddressGet", tag: tag, summary: "Ask which address the server takes for yours",
			anonymous: true, status: http.StatusOK, own: true, handler: read(a.clientAddress),
		},
		{
			method: "GET", path: "/v1/me/client-address", id: "UserClientAddressTrace", tag: tag, summary: "Ask how the server found your address",
			need: access.Need{Scopes: []string{"user:read"}}, status: http.StatusOK, own: true, handler: read(a.traceAddress),
		},
	}
}

func (a *API) rangeLearning(ctx context.Context, c *Call) (sallyport.RangeLearning, error) {
	l, err := a.Org.Learning(ctx, c.Principal)
	out := sallyport.RangeLearning{
		Learning: l.On, LearningUntil: timeOrNull(l.Until), AddressesSeen: l.Addresses,
		Proposals: wireList(l.Proposals, proposalWire), MoreProposals: l.More, Hints: wireList(l.Hints, hintWire),
		UnusedRanges: wireList(l.Unused, func(r policy.Range) string { return r.Prefix.String() }),
	}
	return out, err
}

func (a *API) startRangeLearning(ctx context.Context, c *Call, in sallyport.StartRangeLearning) (sallyport.RangeLearning, error) {
	if err := a.Org.StartLearning(ctx, c.Principal, in.Days); err != nil {
		return sallyport.RangeLearning{}, err
	}
	return a.rangeLearning(ctx, c)
}

func (a *API) stopRangeLearning(ctx context.Context, c *Call) error {
	return a.Org.StopLearning(ctx, c.Principal)
}

func proposalWire(p org.RangeProposal) sallyport.RangeProposal {
	return sallyport.RangeProposal{
		CIDR: p.Prefix.String(), Addresses: wireList(p.Addresses, netip.Addr.String), FirstSeenTime: p.First, LastSeenTime: p.Last, Uses: p.Uses,
		People: p.People, Credentials: wireList(p.Credentials, seenCredentialWire), MoreCredentials: p.MoreCredentials, Hints: wireList(p.Hints, hintWire),
	}
}

func seenCredentialWire(s org.SeenCredential) sallyport.SeenCredential {
	return sallyport.SeenCredential{
		TokenPrefix: s.Prefix, Kind: s.Kind.String(), Description: s.Description, UserID: s.UserID, Owner: s.Owner,
		LastUsedTime: s.Last, Uses: s.Uses, Addresses: s.Addresses,
	}
}

func hintWire(h org.RangeHint) sallyport.RangeHint {
	return sallyport.RangeHint{Code: h.Code, Text: h.Text}
}

func (a *API) testAddress(ctx context.Context, c *Call) (sallyport.AddressTest, error) {
	t, err := a.Org.TestAddress(ctx, c.Principal, c.Query("address"))
	return sallyport.AddressTest{
		Address: addressText(t.Address), Enabled: t.Enabled, Allowed: t.Allowed,
		Ranges: wireList(t.Ranges, func(r policy.Range) sallyport.DescribedRange {
			return sallyport.DescribedRange{CIDR: r.Prefix.String(), Description: r.Description}
		}),
		Pilots: wireList(t.Pilots, func(p org.PilotTest) sallyport.PilotAddressTest {
			return sallyport.PilotAddressTest{PilotID: p.ID, Name: p.Name, Allowed: p.Allowed}
		}),
	}, err
}

// clientAddress tells anybody their own address and nothing of what is between
// them and the server.
func (a *API) clientAddress(_ context.Context, c *Call) (sallyport.ClientAddress, error) {
	return sallyport.ClientAddress{ClientAddress: addressText(c.Address.Client)}, nil
}

func (a *API) traceAddress(_ context.Context, c *Call) (sallyport.ClientAddressTrace, error) {
	t := a.Proxies.Trace(c.request)
	return sallyport.ClientAddressTrace{
		ClientAddress: addressText(t.Client), SocketAddress: addressText(t.Socket),
		ForwardingHeader: t.Header, ReceivedHeader: t.Received, Believed: t.Believed,
		Hops: wireList(t.Hops, hopWire), IgnoredHeaders: append([]string{}, t.Ignored...),
	}, nil
}

func hopWire(h access.Hop) sallyport.AddressHop {
	out := sallyport.AddressHop{Address: h.Address.String()}
	if h.Trusted.IsValid() {
		out.TrustedBy = h.Trusted.String()
	}
	return out
}
