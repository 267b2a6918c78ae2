#!/usr/bin/env bash
# Builds the programs of a release, and the list of their digests:
#
#	build-release.sh OUTDIR VERSION [OS/ARCH...]
#
# writes OUTDIR/hallmark_VERSION_OS_ARCH and OUTDIR/checksums.txt. The same commit and the same
# Go give the same bytes, wherever and by whomever they are built: no path, time or state of
# the checkout goes into them.
set -euo pipefail

platforms=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64)

if [ $# -lt 2 ]; then
	echo "usage: $0 OUTDIR VERSION [OS/ARCH...]" >&2
	exit 2
fi
pattern='^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$'
if ! [[ $2 =~ $pattern ]]; then
	echo "$0: want a version such as v0.5.0" >&2
	exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$2
shift 2
[ $# -eq 0 ] || platforms=("$@")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# build OS/ARCH
build() {
	local os=${1%/*} arch=${1#*/} name
	name=hallmark_${version}_${os}_$arch
	[ "$os" != windows ] || name=$name.exe
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch GOAMD64=v1 GOARM64=v8.0 GOFLAGS='' GOEXPERIMENT='' \
		go build -trimpath -buildvcs=false -tags disable_grpc_modules,grpcnotrace -ldflags "-s -w -buildid= -X github.com/hallmark-project/hallmark/internal/cli.version=$version" -o "$out/$name" ./cmd/hallmark
	echo "$name"
}

names=()
for platform in "${platforms[@]}"; do
	names+=("$(build "$platform")")
done
cd "$out"
if command -v sha256sum >/dev/null; then
	sha256sum "${names[@]}" >checksums.txt
else
	shasum -a 256 "${names[@]}" >checksums.txt
fi
cat checksums.txt
