#!/bin/sh
# The container image of hallmark with its evidence, in an OCI layout:
#
#	release.sh FOLDER [FLAG...]
#
# builds FOLDER/image, attaches SBOMs, provenance and signatures, and verifies them. The key is
# HALLMARK_IMAGE_KEY (with its public half beside it, .pub), else a throw-away one made in
# FOLDER/image-key. If flags are given, they stand for the key: those of a keyless release, say.
# What a keyless release signed is for the caller to verify: only they know by which identity.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:?"usage: release.sh FOLDER [FLAG...]"}
shift
hallmark=${HALLMARK:-$root/build/hallmark}

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$root"
built=$(go run ./internal/image "$folder/image")
tag=${built%% *}
subject=oci:$folder/image:$tag
echo "$subject is ${built#* }"

if [ $# -gt 0 ]; then
	exec "$hallmark" release "$@" "$subject"
fi
key=${HALLMARK_IMAGE_KEY:-}
if [ -z "$key" ]; then
	key=$folder/image-key/throw-away.key
	HALLMARK_PASSWORD=throw-away
	export HALLMARK_PASSWORD
	if [ ! -e "$key" ]; then
		mkdir -p "$folder/image-key"
		"$hallmark" keys generate --output-key-prefix "${key%.key}"
	fi
fi
# Who holds a key answers for the builder: a machine of their own, unless they say otherwise.
builder=${HALLMARK_IMAGE_BUILDER:-https://github.com/hallmark-project/hallmark/builders/make-image}
type=https://github.com/hallmark-project/hallmark/build-types/generic/v1
source=https://github.com/hallmark-project/hallmark
# What was changed since the commit is no commit's: then none is named.
set -- --provenance=generic --builder "$builder" --build-type "$type" --source-repo "$source"
case $tag in
*-dirty) echo "release.sh: the checkout has changes, so the provenance names no commit" >&2 ;;
*) set -- "$@" --source-commit "$(git rev-parse HEAD)" ;;
esac
"$hallmark" release --key "$key" "$@" "$subject"
"$hallmark" verify --key "${key%.key}.pub" --require signature,spdx,cyclonedx,slsaprovenance \
	--builder "$builder" --build-type "$type" --source-repo "$source" "$subject"
