#!/bin/sh
# Runs release.sh on this machine, against a real registry.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../internal/recipe/stage.sh
. "$here/../../internal/recipe/stage.sh"

make_key
# shellcheck disable=SC2031 # the other one is of a subshell, and stays there
PATH=$work/bin:$PATH
HALLMARK_KEY=$work/release.key HALLMARK_PUBLIC_KEY=$work/release.pub BUILDER=https://ci.example.com/builders/1
SOURCE_REPO=https://git.example.com/team/app SOURCE_REF=refs/heads/main SOURCE_COMMIT=$(printf '%040d' 7) INVOCATION=https://ci.example.com/runs/1
export PATH HALLMARK_KEY HALLMARK_PUBLIC_KEY BUILDER SOURCE_REPO SOURCE_REF SOURCE_COMMIT INVOCATION

say "Release and verify"
expect 0 "$here/release.sh" "$subject"

say "Another key, another branch: rejected"
expect 3 "$hallmark" verify --key "$work/other.pub" "$subject"
expect 3 "$hallmark" verify --key "$work/release.pub" --builder "$BUILDER" --source-repo "$SOURCE_REPO" --source-ref refs/heads/other "$subject"

say "A subject that holds a command is a bad name, and nothing else"
expect 2 "$here/release.sh" "\$(touch $work/injected)"
if [ -e "$work/injected" ]; then fail "the subject was run"; fi
say "Done: shell"
