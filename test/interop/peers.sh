#!/bin/sh
# Builds the peer tools that the interoperability tests talk to:
#
#     peers.sh OUTDIR     ->  OUTDIR/act  OUTDIR/cosign  OUTDIR/docker-registry  OUTDIR/gh  OUTDIR/registry  OUTDIR/syft
#
# docker-registry is fetched from Debian. The versions of the others are those pinned by the go.mod and go.sum beside each tool. A tool
# whose stamp matches (Go version, go.mod, go.sum) is not built again. A binary is
# renamed into place only when complete, so an interrupted run leaves nothing half
# done behind.
set -eu

if [ $# -ne 1 ]; then
	echo "usage: $0 OUTDIR" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

# build NAME MODULE-DIR PACKAGE
build() {
	name=$1 dir=$2 pkg=$3
	cd "$dir"
	stamp="$pkg $(go env GOVERSION) $(cat go.mod go.sum | sha256sum | cut -d' ' -f1)"
	if [ -x "$out/$name" ] && [ "$(cat "$out/.$name.stamp" 2>/dev/null)" = "$stamp" ]; then
		return
	fi
	echo "peers: building $name: $pkg@$(go list -m -f '{{.Version}}' "$(module "$pkg")")" >&2
	rm -f "$out/.$name.stamp"
	go build -o "$out/.$name.$$" "$pkg"
	mv "$out/.$name.$$" "$out/$name"
	echo "$stamp" >"$out/.$name.stamp"
}

# module PACKAGE prints the module path: everything before /cmd/.
module() { echo "${1%%/cmd/*}"; }

trap 'rm -f "$out"/.act.$$ "$out"/.cosign.$$ "$out"/.gh.$$ "$out"/.registry.$$ "$out"/.syft.$$' EXIT
trap 'exit 130' INT TERM

"$here/../chaos/debian-registry.sh" "$out"
build registry "$here/../registry" github.com/distribution/distribution/v3/cmd/registry
build gh "$here/../gh" github.com/cli/cli/v2/cmd/gh
build syft "$here/../syft" github.com/anchore/syft/cmd/syft
build act "$here/../action/act" github.com/nektos/act
build cosign "$here" github.com/sigstore/cosign/v3/cmd/cosign
