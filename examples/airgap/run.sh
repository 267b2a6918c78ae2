#!/bin/sh
# Images with their evidence, carried on a disk to a site without a network:
#
#	run.sh [NEAR FAR]
#
# releases two images on the build side, packs them with all their evidence into one tar,
# judges them by a policy out of the tar, and brings them into the registry of the site,
# where the same policy decides the same, offline. NEAR and FAR are repositories, such as
# registry.example.com/team and registry.site.example/team; without them, folders stand in
# for both registries.
#
# hallmark and quickstart-stage are taken from BUILD, which is the folder build/ of the
# repository unless it is set; `make quickstart` builds them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}
hallmark=$build/hallmark

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

if [ $# -eq 2 ]; then
	one=$1/one:v1 two=$1/two:v1 site_one=$2/one:v1 site_two=$2/two:v1
else
	one=oci:one:v1 two=oci:two:v1 site_one=oci:site-one:v1 site_two=oci:site-two:v1
fi

say() { printf '\n== %s\n' "$*"; }
run() {
	printf '$'
	printf ' %s' "$@"
	printf '\n'
	"$@"
}
# expect CODE COMMAND... wants a command to end with an exit code.
expect() {
	want=$1
	shift
	code=0
	run "$@" || code=$?
	printf 'exit code %s\n' "$code"
	if [ "$code" -ne "$want" ]; then
		echo "run.sh: expected exit code $want" >&2
		exit 1
	fi
}
# as names images of a layout, which have no repository of their own.
as() {
	case $1 in
	oci:*) printf '%s' "--as=example.com/app" ;;
	*) printf '%s' "--details=false" ;;
	esac
}

say "Build side: two images, signed, with SBOMs"
run "$build/quickstart-stage" pack first "linux/amd64=$hallmark" "linux/arm64=$build/quickstart-stage"
run "$build/quickstart-stage" pack second "linux/amd64=$build/quickstart-stage"
run "$hallmark" copy oci:first:app "$one"
run "$hallmark" copy oci:second:app "$two"
HALLMARK_PASSWORD=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
export HALLMARK_PASSWORD
run "$hallmark" keys generate --output-key-prefix release
run "$hallmark" release --key release.key "$one"
run "$hallmark" release --key release.key "$two"
cp "$here/policy.yaml" .
run "$hallmark" verify --policy policy.yaml "$(as "$one")" "$one"

say "Onto the disk: one tar with both, and everything that is attached"
printf '%s oci:disk/images.tar:one\n%s oci:disk/images.tar:two\n' "$one" "$two" >images.txt
mkdir disk
run "$hallmark" copy --list images.txt
cp policy.yaml release.pub disk
rm -rf one two first second release.key # the build side is far away now

say "At the site: judge what is on the disk, without unpacking it and without a network"
cd disk
run "$hallmark" verify --offline --policy policy.yaml --as example.com/app oci:images.tar:one oci:images.tar:two
run "$hallmark" tree oci:images.tar:one
run "$hallmark" report --offline --policy policy.yaml --as example.com/app -o markdown=report.md oci:images.tar:one

say "Into the site's registry: what the policy does not accept stays outside"
run "$hallmark" copy --verify --offline --policy policy.yaml --as example.com/app oci:images.tar:one "$site_one"
run "$hallmark" copy --verify --offline --policy policy.yaml --as example.com/app oci:images.tar:two "$site_two"
run "$hallmark" verify --offline --policy policy.yaml "$(as "$site_one")" "$site_one"
run "$hallmark" verify --offline --policy policy.yaml "$(as "$site_two")" "$site_two"

say "Again: there is nothing left to do"
run "$hallmark" copy oci:images.tar:one "$site_one" | grep ' 0 copied'

say "A byte of the disk flips: nothing is concluded from what is damaged"
size=$(wc -c <images.tar)
cp images.tar damaged.tar
printf X | dd of=damaged.tar bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
expect 5 "$hallmark" copy oci:damaged.tar:one oci:elsewhere:one
say "Done: the same verdict on both sides of the gap"
