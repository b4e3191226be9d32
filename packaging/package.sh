#!/usr/bin/env bash
# Builds the Debian package bin/sallyport_VERSION_ARCH.deb.
# usage: packaging/package.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?usage: packaging/package.sh VERSION, such as 1.2.3}
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

CGO_ENABLED=0 go build -trimpath -ldflags=-s -o "$root/usr/bin/sallyport" ./cmd/sallyport
install -Dm644 -t "$root/usr/lib/systemd/system" packaging/sallyport.service packaging/sallyport.socket
install -Dm640 packaging/sallyport.env "$root/etc/sallyport/sallyport.env"
install -Dm644 LICENSE "$root/usr/share/doc/sallyport/copyright"
install -Dm644 CHANGELOG.md "$root/usr/share/doc/sallyport/changelog"
gzip -9n "$root/usr/share/doc/sallyport/changelog"
install -d "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions"
"$root/usr/bin/sallyport" completion bash >"$root/usr/share/bash-completion/completions/sallyport"
"$root/usr/bin/sallyport" completion zsh >"$root/usr/share/zsh/vendor-completions/_sallyport"

install -d "$root/DEBIAN"
install -m755 -t "$root/DEBIAN" packaging/debian/postinst packaging/debian/prerm packaging/debian/postrm
echo /etc/sallyport/sallyport.env >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<CONTROL
Package: sallyport
Version: $version
Architecture: $architecture
Maintainer: The Sallyport authors <maintainers@sallyport.example>
Section: net
Priority: optional
Depends: adduser, ca-certificates
Suggests: postgresql
Installed-Size: $(du -ks --exclude=DEBIAN "$root" | cut -f1)
Description: authentication for organizations, in one program
 People log in with password and second factor, passkey, Google, Microsoft,
 GitHub or their company's SAML identity provider; machines use application
 tokens; each organization's policy is applied to every request.
CONTROL
mkdir -p bin
dpkg-deb --root-owner-group --build "$root" "bin/sallyport_${version}_${architecture}.deb"
