#!/bin/sh
# The main job of hallmark on an OCI layout, without daemon, registry or network:
# release an image of two platforms, verify it, then tamper with the evidence and see
# it rejected. `make quickstart` builds what this needs and runs it.
set -eu
cd "$(dirname "$0")/../.."
dir=build/quickstart
hallmark=build/hallmark
stage=build/quickstart-stage

say() { printf '\n== %s\n' "$*"; }
run() {
	printf '$'
	printf ' %s' "$@"
	printf '\n'
	"$@"
}

rm -rf "$dir"
mkdir -p "$dir"
arch=$(go env GOARCH)
other=arm64
[ "$arch" = arm64 ] && other=amd64

say "An image to ship: hallmark itself, for linux/$arch and linux/$other, as an OCI layout"
run "$stage" pack "$dir/app" "linux/$arch=$hallmark" "linux/$other=build/hallmark-linux-$other"

say "A throw-away key (its password comes from the environment, never from the command line)"
HALLMARK_PASSWORD=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
export HALLMARK_PASSWORD
run "$hallmark" keys generate --output-key-prefix "$dir/release"

say "Release: SBOMs, attestations and signatures for the index and both platforms"
run "$hallmark" release --key "$dir/release.key" "oci:$dir/app:app"

say "Verify, as an auditor who has only the public key"
run "$hallmark" verify --key "$dir/release.pub" --require signature,spdx,cyclonedx "oci:$dir/app:app"

say "What is attached"
run "$hallmark" tree "oci:$dir/app:app"

say "An attacker with write access swaps the SBOM inside the evidence and fixes every digest"
run "$stage" tamper "$dir/app"

say "Verify again: the signature does not fit the changed SBOM, so this must exit 3"
code=0
run "$hallmark" verify --key "$dir/release.pub" --require signature,spdx,cyclonedx "oci:$dir/app:app" || code=$?
printf 'exit code %s\n' "$code"
if [ "$code" -ne 3 ]; then
	echo "quickstart: expected exit code 3" >&2
	exit 1
fi
say "Done. What this run made is in $dir"
