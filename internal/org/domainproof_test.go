package org

import (
	"net/netip"
	"testing"
)

// Row OUT-01: only addresses that everybody can reach are dialled.
func TestOUT01_InsideAddresses(t *testing.T) {
	for _, inside := range []string{
		"127.0.0.1", "127.255.1.1", "0.0.0.0", "0.1.2.3", "::", "::1", "::ffff:127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1",
		"169.254.169.254", "fe80::1", "fc00::1", "fd00:ec2::254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "ff02::1", "255.255.255.255",
		"240.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "2001:db8::1", "::127.0.0.1", "192.0.2.1",
	} {
		if onInternet(netip.MustParseAddr(inside)) {
			t.Errorf("%s would be dialled", inside)
		}
	}
	for _, outside := range []string{"9.9.9.9", "::ffff:9.9.9.9", "2620:fe::fe", "172.32.0.1", "100.128.0.1"} {
		if !onInternet(netip.MustParseAddr(outside)) {
			t.Errorf("%s would be refused", outside)
		}
	}
}
