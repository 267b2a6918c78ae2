#!/bin/sh
# From image to verified evidence with a key, from a shell:
#
#	run.sh SUBJECT
#
# SUBJECT is an image in a registry or an OCI layout (oci:DIR:TAG) that you may write
# to. hallmark is taken from PATH. A throw-away key is made in a temporary folder; give
# your own by KEY=path (and the public key by PUB=path).
set -eu

subject=${1:?usage: run.sh SUBJECT}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${KEY:-}" ]; then
	HALLMARK_PASSWORD=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
	export HALLMARK_PASSWORD
	hallmark keys generate --output-key-prefix "$work/release"
	KEY=$work/release.key
	PUB=$work/release.pub
fi

# SBOMs, attestations and signatures of the image, or of the index and every platform.
# It can be repeated: what is there already is left as it is.
hallmark release --key "$KEY" "$subject" -o json >"$work/release.json"

# What a consumer does with the public key: the exit code is the answer.
hallmark verify --key "$PUB" --require signature,spdx,cyclonedx "$subject"

# And without it: another key must not do.
hallmark keys generate --output-key-prefix "$work/other" >/dev/null
code=0
hallmark verify --key "$work/other.pub" "$subject" >/dev/null || code=$?
if [ "$code" -ne 3 ]; then
	echo "run.sh: verification with another key ended with $code instead of 3" >&2
	exit 1
fi
echo "Released and verified: $subject"
