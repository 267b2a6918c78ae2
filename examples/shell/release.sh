#!/bin/sh
# Releases an image and verifies it: the steps of any CI system that has a shell.
#
#	release.sh SUBJECT
#
# HALLMARK_KEY is the file of a private key (its password in HALLMARK_PASSWORD), HALLMARK_PUBLIC_KEY that of
# the public one. The provenance says what these say, since nothing else can be asked:
#
#	BUILDER        URI of who built, which the key's owner answers for
#	SOURCE_REPO    URL of the repository      SOURCE_REF   such as refs/heads/main
#	SOURCE_COMMIT  of what was built          INVOCATION   URL of this run
set -eu
subject=${1:?"usage: release.sh SUBJECT"}
: "${HALLMARK_KEY:?}" "${HALLMARK_PUBLIC_KEY:?}" "${BUILDER:?}" "${SOURCE_REPO:?}" "${SOURCE_REF:?}" "${SOURCE_COMMIT:?}" "${INVOCATION:?}"
build_type=https://github.com/hallmark-project/hallmark/build-types/generic/v1

hallmark release --key "$HALLMARK_KEY" --provenance=generic --builder "$BUILDER" --build-type "$build_type" \
	--invocation "$INVOCATION" --source-repo "$SOURCE_REPO" --source-ref "$SOURCE_REF" --source-commit "$SOURCE_COMMIT" -- "$subject"
hallmark verify --key "$HALLMARK_PUBLIC_KEY" --require signature,spdx,cyclonedx --builder "$BUILDER" --build-type "$build_type" \
	--source-repo "$SOURCE_REPO" --source-ref "$SOURCE_REF" -- "$subject"
