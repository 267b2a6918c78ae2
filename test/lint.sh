#!/bin/sh
# Lints shell scripts and YAML: shellcheck and yamllint, which are packages of most
# distributions. Where one is missing it is left out, or it is an error if
# HALLMARK_NO_SKIP is set.
set -eu
cd "$(dirname "$0")/.."

have() {
	if command -v "$1" >/dev/null; then return 0; fi
	echo "lint: $1 is not installed, so $2 are not linted" >&2
	[ -z "${HALLMARK_NO_SKIP-}" ] || exit 1
	return 1
}

if have shellcheck "shell scripts"; then
	git ls-files -z -- '*.sh' .ci/run | xargs -0 shellcheck -x
fi
if have yamllint "YAML files"; then
	git ls-files -z -- '*.yml' '*.yaml' | xargs -0 yamllint --strict -c test/yamllint.yaml
fi
