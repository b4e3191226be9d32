#!/usr/bin/env bash
# Installs what `make test` needs beside Go, git, make and gcc: the PostgreSQL
# server programs; strace, with which tests kill a server at a chosen system
# call; oathtool, another author's one-time codes; NSD, another author's name
# server; nginx and Caddy, proxies that ask us; Chromium, in which the pages are tested; SimpleSAMLphp and LemonLDAP::NG,
# other authors' identity providers, and xmlsec1, their signer; and what
# scripts/node/ names, programs of npm. Does nothing when they are there. The
# tests start private servers of their own; the system's servers are neither
# needed nor started.
set -euo pipefail

has_postgres() {
	if command -v initdb >/dev/null && command -v postgres >/dev/null; then
		return 0
	fi
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# has_pgbench looks for the load generator of `make bench`, which Debian has in
# the server's package.
has_pgbench() {
	command -v pgbench >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/pgbench' >/dev/null
}

has_nsd() {
	command -v nsd >/dev/null || [ -x /usr/sbin/nsd ]
}

has_nginx() {
	command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]
}

# has_idps looks for the programs and for the library of SAML, which their
# packages only suggest.
has_idps() {
	command -v php >/dev/null && [ -d /usr/share/simplesamlphp/www ] && command -v plackup >/dev/null &&
		[ -d /usr/share/lemonldap-ng/portal/templates ] && perl -MLasso -MIO::String -MXML::Simple -MString::Random -e 1 2>/dev/null &&
		command -v xmlsec1 >/dev/null
}

has_all() {
	has_postgres && has_pgbench && command -v strace >/dev/null && command -v oathtool >/dev/null && has_nsd && has_nginx && command -v caddy >/dev/null &&
		command -v chromium >/dev/null && command -v npm >/dev/null && has_idps
}

packages=(postgresql strace oathtool nsd nginx caddy chromium
	simplesamlphp php-cli php-xml php-mbstring php-curl
	lemonldap-ng liblasso-perl libplack-perl libio-string-perl libxml-simple-perl libstring-random-perl
	xmlsec1)
# Other distributions' Node.js brings its own npm, and conflicts with Debian's.
command -v npm >/dev/null || packages+=(npm)

# install_node installs the programs of scripts/node/ where they are not, or are
# older than what the lock file says.
install_node() {
	local dir
	dir=$(cd "$(dirname "$0")/node" && pwd)
	if [ "$dir/node_modules/.package-lock.json" -ot "$dir/package-lock.json" ]; then
		echo "installing the programs of scripts/node for the tests ..."
		(cd "$dir" && npm ci --no-fund --no-audit --loglevel=error)
		touch "$dir/node_modules/.package-lock.json"
	fi
	# oidc-provider does not run on the Node.js of Debian 12; npm has newer ones.
	if [ "$(node --print 'parseInt(process.versions.node)')" -lt 20 ] &&
		! compgen -G "$dir/node_modules/node-linux-*/bin/node" >/dev/null; then
		(cd "$dir" && npm install --no-save --no-fund --no-audit --loglevel=error "node-linux-$(node --print process.arch)@22")
	fi
}

if has_all; then
	install_node
	exit 0
fi

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "make test needs the PostgreSQL server programs (version 15 or newer), strace, oathtool, nsd, nginx, caddy, chromium, npm," >&2
	echo "SimpleSAMLphp, LemonLDAP::NG with Lasso, and xmlsec1. Install them and run it again:" >&2
	echo "    sudo apt-get install --no-install-recommends ${packages[*]}" >&2
	echo "make check runs the tests that need none." >&2
	exit 1
fi

# Without this Debian's package would create a cluster and start it.
conf=/etc/postgresql-common/createcluster.conf
if [ ! -e "$conf" ]; then
	mkdir -p "$(dirname "$conf")"
	echo "create_main_cluster = false" >"$conf"
fi

echo "installing PostgreSQL, strace, oathtool, NSD, nginx, Caddy, Chromium, npm and SAML identity providers for the tests ..."
# Without this Debian's packages would start a name server and web servers, one
# of which the identity providers could run in; the administrator's own rule stays.
services=()
has_nsd || services+=(nsd.service)
has_nginx || services+=(nginx.service)
command -v caddy >/dev/null || services+=(caddy.service)
[ -x /usr/sbin/apache2 ] || services+=(apache2.service)
policy=/usr/sbin/policy-rc.d
made_policy=
if [ "${#services[@]}" -gt 0 ] && [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	made_policy=$policy
fi
log=$(mktemp)
trap 'rm -f "$log" $made_policy' EXIT
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1
if ! {
	apt-get -q update &&
		apt-get -qy --no-install-recommends -o Dpkg::Options::=--force-confold install "${packages[@]}"
} >"$log" 2>&1; then
	cat "$log" >&2
	echo "the packages ${packages[*]} could not be installed; the reason is above" >&2
	exit 1
fi
if [ -n "$made_policy" ] && command -v systemctl >/dev/null; then
	systemctl disable "${services[@]}" >>"$log" 2>&1 || true # nor after the next start of the machine
fi
if ! has_all; then
	echo "the packages ${packages[*]} are installed, but one of their programs is not found" >&2
	exit 1
fi
install_node
