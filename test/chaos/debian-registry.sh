#!/bin/sh
# Fetches the registry of Debian's package docker-registry, without installing it:
#
#     debian-registry.sh OUTDIR     ->  OUTDIR/docker-registry
#
# apt checks the package against the archive's signed lists. The version is the one
# that this Debian has. What is there already is left as it is.
set -eu

if [ $# -ne 1 ]; then
	echo "usage: $0 OUTDIR" >&2
	exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
if [ -x "$out/docker-registry" ]; then
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
cd "$work"
apt-cache show docker-registry >/dev/null 2>&1 || apt-get update -q >&2
echo "peers: fetching Debian's docker-registry" >&2
apt-get download -q docker-registry >&2
dpkg -x docker-registry_*.deb tree
mv tree/usr/bin/docker-registry "$out/docker-registry"
