#!/bin/sh
# Pushes what build.sh made to a registry without TLS, digests preserved, and prints
# the reference of each index by digest:
#
#     push.sh OUTDIR HOST:PORT
set -eu

if [ $# -ne 2 ]; then
	echo "usage: $0 OUTDIR HOST:PORT" >&2
	exit 2
fi
digests=$(mktemp)
trap 'rm -f "$digests"' EXIT

push() { # SOURCE TAG
	skopeo copy --quiet --all --preserve-digests --dest-tls-verify=false \
		--digestfile "$digests" "$1" "docker://$repository:$2"
	echo "$2 $repository@$(cat "$digests")"
}

repository=$2/test/app
push "oci:$1/layout:app" oci
push "dir:$1/docker" docker
