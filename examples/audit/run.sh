#!/bin/sh
# An audit on one machine: an image of two platforms that a job without a key and a person with
# a key have signed, judged by a policy; ten things that go wrong, each with its exit code and
# its cause; a verdict for the gate; a report, and an evidence pack that repeats the decision
# when everything else is gone.
#
#	run.sh [FOLDER]
#
# The report and the pack are left in FOLDER, else nowhere. `make audit` builds what this needs.
# hallmark, hallmark-sandbox and quickstart-stage are taken from BUILD, which is the folder
# build/ of the repository unless it is set; the image is that of `make images` if it was built.
set -eu
exec 3>&1
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$(cd "$here/../.." && pwd)/build}
hallmark=$build/hallmark
HALLMARK_SANDBOX_PROGRAM=$build/hallmark-sandbox
export HALLMARK_SANDBOX_PROGRAM

work=$(mktemp -d)
out=${1:-$work/out}
lab=$work/sandbox
down() { "$hallmark" sandbox down --dir "$lab" >/dev/null 2>&1 || :; }
trap 'down; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$out"

say() { printf '\n== %s\n' "$*"; }
run() {
	printf '$' >&3
	printf ' %s' "$@" >&3
	printf '\n' >&3
	"$@"
}
# expect CODE CAUSE COMMAND... wants a command to end with an exit code and to name a cause.
expect() {
	want=$1
	cause=$2
	shift 2
	code=0
	run "$@" >"$work/said" 2>&1 || code=$?
	cat "$work/said"
	printf 'exit code %s\n' "$code"
	if [ "$code" -ne "$want" ]; then
		echo "run.sh: expected exit code $want" >&2
		exit 1
	fi
	if ! grep -qF -- "$cause" "$work/said"; then
		echo "run.sh: expected it to say: $cause" >&2
		exit 1
	fi
}
# changed NAME SED... makes a policy that differs from the sound one.
changed() {
	file=$work/$1.yaml
	shift
	sed "$@" "$work/policy.yaml" >"$file"
	if cmp -s "$file" "$work/policy.yaml"; then
		echo "run.sh: $file does not differ" >&2
		exit 1
	fi
}

if [ -d "$build/images/layout" ]; then
	cp -R "$build/images/layout" "$work/image"
	package=adduser
else
	run "$build/quickstart-stage" pack "$work/image" "linux/amd64=$hallmark" "linux/arm64=$HALLMARK_SANDBOX_PROGRAM"
	package=oras.land/oras-go/v2
fi
image=oci:$work/image:app
as=--as=registry.example.com/octo/app

say "A private Sigstore, a key for the release manager and one for the auditor"
run "$hallmark" sandbox up --dir "$lab"
# shellcheck source=/dev/null # written by the sandbox
. "$lab/env"
HALLMARK_PASSWORD=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
export HALLMARK_PASSWORD
run "$hallmark" keys generate --output-key-prefix "$work/release"
run "$hallmark" keys generate --output-key-prefix "$work/auditor"
token() { "$hallmark" sandbox token --dir "$lab" --github-repo octo/app --ref refs/heads/main >"$work/token"; }

say "The job of octo/app releases: SBOMs and signatures for index and platforms, then its provenance"
token
run "$hallmark" release --identity-token "$work/token" "$image"
token
run "$hallmark" attest --identity-token "$work/token" --type slsaprovenance --predicate "$here/provenance.json" "$image"

issuer=$("$hallmark" policy init "$as" "$image" | sed -n 's/^ *issuer: "\(.*\)"$/\1/p' | head -n 1)
sed "s|ISSUER|$issuer|" "$here/policy.yaml" >"$work/policy.yaml"
policy=$work/policy.yaml

say "1. The policy wants two signers, and only the job has signed"
expect 3 'nothing that counts is by release' "$hallmark" verify --policy "$policy" "$as" "$image"
say "The release manager signs too, and everything holds"
run "$hallmark" sign --key "$work/release.key" --tsa "$image"
run "$hallmark" policy check "$policy"
run "$hallmark" policy explain --env production "$policy"
run "$hallmark" verify --policy "$policy" --env production "$as" "$image"

say "2. The policy has a typo"
changed typo 's/signatures:/signature:/'
expect 2 'did you mean "signatures"' "$hallmark" verify --policy "$work/typo.yaml" "$as" "$image"
say "3. An SBOM format that nobody has attested is required"
changed format 's/formats: .*/formats: [syft]/'
expect 4 'there is none' "$hallmark" verify --policy "$work/format.yaml" "$as" "$image"
say "4. The builder is trusted for a lower level than is wanted"
changed level 's/level: 3/level: 1/'
expect 3 'trusted for level 1' "$hallmark" verify --policy "$work/level.yaml" "$as" "$image"
say "5. The source has to be another repository"
changed source 's|repository: https://github.com/octo/app,|repository: https://github.com/octo/other,|'
expect 3 'it is "https://github.com/octo/app"' "$hallmark" verify --policy "$work/source.yaml" "$as" "$image"
say "6. A package is banned that the image has"
changed banned "s|pkg:npm/event-stream@3.3.6|*$package*|"
expect 3 'is banned by' "$hallmark" verify --policy "$work/banned.yaml" "$as" "$image"
say "7. The key is denied from a date on: it was stolen"
printf 'deny: [{signer: release, issuedAfter: 2020-01-01, reason: the key was stolen}]\n' | cat "$policy" - >"$work/denied.yaml"
expect 3 'the key was stolen' "$hallmark" verify --policy "$work/denied.yaml" "$as" "$image"
say "8. The image is judged as another one, of which no rule speaks"
expect 3 'no rule of the policy speaks about it' "$hallmark" verify --policy "$policy" --as registry.example.com/octo/other "$image"
say "9. Provenance of the same job with a parameter that nobody expects"
cp -R "$work/image" "$work/parameter"
sed 's|"externalParameters": {|"externalParameters": {"inputs": {"skip-tests": true},|' "$here/provenance.json" >"$work/inputs.json"
token
run "$hallmark" attest --identity-token "$work/token" --type slsaprovenance --predicate "$work/inputs.json" "oci:$work/parameter:app"
changed only 's|buildTypes: .*|&\n      conditions: ["has(predicate.buildDefinition.externalParameters.inputs)"]|'
expect 3 'nobody expects "inputs"' "$hallmark" verify --policy "$work/only.yaml" "$as" "oci:$work/parameter:app"
say "10. An attacker with write access takes a package out of an SBOM and fixes every digest"
cp -R "$work/image" "$work/tampered"
run "$build/quickstart-stage" tamper "$work/tampered" "$package"
changed both 's/^    sbom:$/    attestations: [{type: spdx, by: [ci]}, {type: cyclonedx, by: [ci]}]\n&/'
expect 3 'the signature does not match' "$hallmark" verify --policy "$work/both.yaml" "$as" "oci:$work/tampered:app"

say "A verdict for the gate, which then needs nothing but that; a denial still counts"
run "$hallmark" verify --policy "$policy" "$as" --verdict --verifier-id https://example.com/gate --key "$work/auditor.key" --tsa "$image"
run "$hallmark" verify --policy "$policy" "$as" --require vsa --max-verdict-age 24h "$image"
printf 'deny: [{digest: "%s", reason: withdrawn}]\n' "$("$hallmark" tree -o json "$image" | sed -n 's/.*"digest": "\(sha256:[0-9a-f]*\)".*/\1/p' | head -n 1)" |
	cat "$policy" - >"$work/withdrawn.yaml"
expect 3 'withdrawn' "$hallmark" verify --policy "$work/withdrawn.yaml" "$as" --require vsa "$image"

say "A report to hand over, and a pack that holds everything the decision rests on"
run "$hallmark" report --policy "$policy" "$as" -o "html=$out/report.html,markdown=$out/report.md,json=$out/report.json" \
	--pack "$out/pack.tar" --sign --key "$work/auditor.key" --tsa "$image"
say "Later, elsewhere: the Sigstore and the image are gone"
run "$hallmark" sandbox down --dir "$lab"
rm -rf "$work/image"
expect 0 'VERIFIED' "$hallmark" verify --pack "$out/pack.tar" --key "$work/auditor.pub" --trusted-root "$HALLMARK_TRUSTED_ROOT" --offline
cp "$out/pack.tar" "$work/flipped.tar"
printf '!' | dd of="$work/flipped.tar" bs=1 seek=4096 conv=notrunc 2>/dev/null
expect 3 'not an evidence pack as it was made' "$hallmark" verify --pack "$work/flipped.tar" --key "$work/auditor.pub" --trusted-root "$HALLMARK_TRUSTED_ROOT" --offline

say "Done: verified, ten times turned down for the right reason, and verified again from the pack"
