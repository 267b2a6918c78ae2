#!/bin/sh
# Plays the steps of pipeline.yml as Buildkite's agent does, on this machine: the sandbox is
# Sigstore, Buildkite's issuer and the agent's API.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../internal/recipe/stage.sh
. "$here/../../internal/recipe/stage.sh"

# shellcheck source=/dev/null # written by the sandbox
. "$lab/buildkite.env"
HALLMARK_SUBJECT=$subject
export HALLMARK_SUBJECT
# The sandbox's issuer is another one than the pipeline names: only its address is replaced.
sed "s|https://agent\.buildkite\.com|$HALLMARK_OIDC_ISSUER/buildkite|" "$here/pipeline.yml" >"$work/pipeline.yml"

say "Release, then verify by the pipeline's identity"
expect 0 play buildkite "$work/pipeline.yml" release
expect 0 play buildkite "$work/pipeline.yml" verify

say "Another pipeline is not this one"
sed 's|/hallmark-sandbox/demo$|/hallmark-sandbox/other|' "$work/pipeline.yml" >"$work/other.yml"
expect 3 play buildkite "$work/other.yml" verify

say "A subject that holds a command is a bad name, and nothing else"
HALLMARK_SUBJECT="\$(touch $work/injected)"
expect 2 play buildkite "$work/pipeline.yml" verify
if [ -e "$work/injected" ]; then fail "the subject was run"; fi
say "Done: buildkite"
