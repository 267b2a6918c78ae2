#!/bin/sh
# From image to verified evidence without a key, on one machine:
#
#	run.sh [oci:DIR:TAG]
#
# starts a private Sigstore on loopback, releases a copy of the image in an OCI layout as
# somebody who has an identity token and nothing else, verifies it, stops the Sigstore, and
# verifies the same evidence again, offline. In the end an attacker renames a package in the
# SBOM. Without an argument the image is the real one of `make images`, if it was built, else
# hallmark itself for two platforms; for an image of yours, name the package by PACKAGE=name,
# or that last act is left out.
#
# `make keyless` builds what this needs. hallmark, hallmark-sandbox and quickstart-stage are
# taken from BUILD, which is the folder build/ of the repository unless it is set.
set -eu
exec 3>&1
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}
hallmark=$build/hallmark
HALLMARK_SANDBOX_PROGRAM=$build/hallmark-sandbox
export HALLMARK_SANDBOX_PROGRAM

work=$(mktemp -d)
lab=$work/sandbox
down() { "$hallmark" sandbox down --dir "$lab" >/dev/null 2>&1 || :; }
trap 'down; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }
run() {
	printf '$' >&3
	printf ' %s' "$@" >&3
	printf '\n' >&3
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

subject=${1:-}
package=${PACKAGE:-} # what the attacker hides at the end
if [ -z "$subject" ] && [ -d "$build/images/layout" ]; then
	subject=oci:$build/images/layout:app
	package=adduser
fi
if [ -z "$subject" ]; then
	say "An image to ship: hallmark itself, as an OCI layout"
	package=oras.land/oras-go/v2
	run "$build/quickstart-stage" pack "$work/image" "linux/amd64=$hallmark" "linux/arm64=$HALLMARK_SANDBOX_PROGRAM"
else
	layout=${subject#oci:}
	cp -R "${layout%:*}" "$work/image"
fi
image=oci:$work/image:app

say "A private Sigstore: identity provider, certificate authority, logs, timestamp authority"
run "$hallmark" sandbox up --dir "$lab"
# shellcheck source=/dev/null # written by the sandbox
. "$lab/env"

say "A token that says who we are. It goes into a file: arguments are read by others"
run "$hallmark" sandbox token --dir "$lab" --email dev@example.com >"$work/token"

say "Release: one certificate for the index, every platform and their SBOMs; every signature logged and timestamped"
run "$hallmark" release --identity-token "$work/token" "$image"

say "Verify: by identity and its issuer, under the Sigstore's trusted root"
run "$hallmark" verify --certificate-identity dev@example.com --certificate-oidc-issuer "$HALLMARK_OIDC_ISSUER" \
	--require signature,spdx,cyclonedx "$image"

say "The same as the workflow of a repository, by a stand-in for GitHub's runner"
(
	# shellcheck source=/dev/null # written by the sandbox
	. "$lab/github.env"
	run "$hallmark" sign --provider github "$image"
	run "$hallmark" verify --certificate-oidc-issuer "$HALLMARK_OIDC_ISSUER/github" \
		--certificate-identity-regexp 'https://github\.com/hallmark-sandbox/demo/.*' --deny-self-hosted-runners "$image"
)

say "Somebody else's identity must not do"
expect 3 "$hallmark" verify --certificate-identity mallory@example.com --certificate-oidc-issuer "$HALLMARK_OIDC_ISSUER" "$image"

say "The Sigstore goes away; the evidence stays good, and nobody is asked"
run "$hallmark" sandbox down --dir "$lab"
run "$hallmark" verify --offline --certificate-identity dev@example.com --certificate-oidc-issuer "$HALLMARK_OIDC_ISSUER" \
	--require signature,spdx,cyclonedx "$image"

if [ -n "$package" ]; then
	say "An attacker with write access swaps the SBOM inside the evidence and fixes every digest"
	run "$build/quickstart-stage" tamper "$work/image" "$package"
	expect 3 "$hallmark" verify --offline --certificate-identity dev@example.com --certificate-oidc-issuer "$HALLMARK_OIDC_ISSUER" \
		--require signature,spdx,cyclonedx "$image"
fi
if [ -n "$package" ]; then
	say "Done: released and verified without a key; another identity and tampered evidence rejected"
else
	say "Done: released and verified without a key; another identity rejected (tampering left out: no PACKAGE)"
fi
