#!/usr/bin/env bash
# Installs what `make test` needs beside Go, git, make and gcc: the PostgreSQL
# server programs; strace, with which tests kill a server at a chosen system
# call; and oathtool, another author's one-time codes. Does nothing when they
# are there. The tests start private servers of their own; the system's server
# is neither needed nor started.
set -euo pipefail

has_postgres() {
	if command -v initdb >/dev/null && command -v postgres >/dev/null; then
		return 0
	fi
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

has_all() {
	has_postgres && command -v strace >/dev/null && command -v oathtool >/dev/null
}

if has_all; then
	exit 0
fi

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "make test needs the PostgreSQL server programs (version 15 or newer), strace and oathtool." >&2
	echo "Install them (Debian: sudo apt-get install postgresql strace oathtool) and run it again;" >&2
	echo "make check runs the tests that need none." >&2
	exit 1
fi

# Without this Debian's package would create a cluster and start it.
conf=/etc/postgresql-common/createcluster.conf
if [ ! -e "$conf" ]; then
	mkdir -p "$(dirname "$conf")"
	echo "create_main_cluster = false" >"$conf"
fi

echo "installing PostgreSQL, strace and oathtool for the tests ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1
if ! {
	apt-get -q update &&
		apt-get -qy --no-install-recommends -o Dpkg::Options::=--force-confold install postgresql strace oathtool
} >"$log" 2>&1; then
	cat "$log" >&2
	echo "PostgreSQL, strace and oathtool could not be installed; the reason is above" >&2
	exit 1
fi
if ! has_all; then
	echo "the packages postgresql, strace and oathtool are installed, but one of their programs is not found" >&2
	exit 1
fi
