#!/bin/sh
# Plays the jobs of templates/hallmark.yml and template.yml as GitLab's runner does, on this
# machine: the sandbox is Sigstore and GitLab's issuer, and a file server has the download.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../internal/recipe/stage.sh
. "$here/../../internal/recipe/stage.sh"

# GitLab's runner: the job's environment, and a token for each of its id_tokens.
# shellcheck source=/dev/null # written by the sandbox
. "$lab/gitlab.env"
cat >"$work/prelude.sh" <<'END'
id_token() { "$HALLMARK_SANDBOX_PROGRAM" token --dir "$HALLMARK_SANDBOX" --gitlab-project "$CI_PROJECT_PATH" --sha "$CI_COMMIT_SHA" --audience "$1"; }
END
"$recipe" serve "$work/bin" >"$work/server" &
server=$!
trap 'kill "$server" 2>/dev/null || :; down; rm -rf "$work"' EXIT
for _ in $(seq 50); do [ -s "$work/server" ] || sleep 0.1; done
url=$(cat "$work/server")/hallmark
sum=$(sha256sum <"$hallmark" | cut -c1-64)
issuer=$HALLMARK_OIDC_ISSUER/gitlab
identity=https://gitlab.com/hallmark-sandbox/demo//.gitlab-ci.yml@refs/heads/main
NO_HALLMARK=1

# job NAME SUBJECT IDENTITY SHA256 is one of the component.
job() { play gitlab "$here/templates/hallmark.yml" "$1" "subject=$2" "identity=$3" "issuer=$issuer" "url=$url" "sha256=$4"; }

say "The component: release, then verify by the pipeline's identity"
expect 0 job hallmark-release "$subject" "$identity" "$sum"
expect 0 job hallmark-verify "$subject" "$identity" "$sum"

say "Another branch's pipeline is not this one"
expect 3 job hallmark-verify "$subject" "${identity%main}other" "$sum"

say "Another program than the pinned one is not run"
expect 1 job hallmark-verify "$subject" "$identity" "$(printf '%064d' 0)"

say "A subject that holds a command is a bad name, and nothing else"
expect 2 job hallmark-verify "x; touch $work/injected \$(touch $work/injected)" "$identity" "$sum"
if [ -e "$work/injected" ]; then fail "the subject was run"; fi

say "The template to include, with variables"
HALLMARK_SUBJECT=$subject HALLMARK_IDENTITY=$identity HALLMARK_ISSUER=$issuer HALLMARK_URL=$url HALLMARK_SHA256=$sum
export HALLMARK_SUBJECT HALLMARK_IDENTITY HALLMARK_ISSUER HALLMARK_URL HALLMARK_SHA256
expect 0 play gitlab "$here/template.yml" hallmark-release
expect 0 play gitlab "$here/template.yml" hallmark-verify
say "Done: gitlab"
