#!/bin/sh
# Plays the stages of the Jenkinsfile as an agent of Jenkins does, on this machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../internal/recipe/stage.sh
. "$here/../../internal/recipe/stage.sh"

make_key
# What Jenkins sets for a multibranch job, and the credentials bound by the file.
HALLMARK_SUBJECT=$subject HALLMARK_KEY=$work/release.key HALLMARK_PUBLIC_KEY=$work/release.pub
HALLMARK_BUILD_TYPE=$(sed -n "s/.*HALLMARK_BUILD_TYPE = '\(.*\)'/\1/p" "$here/Jenkinsfile")
JOB_URL=https://jenkins.example.com/job/app/job/main/ BUILD_URL=https://jenkins.example.com/job/app/job/main/1/
GIT_URL=https://git.example.com/team/app.git GIT_COMMIT=$(printf '%040d' 7) BRANCH_NAME=main
export HALLMARK_SUBJECT HALLMARK_KEY HALLMARK_PUBLIC_KEY HALLMARK_BUILD_TYPE JOB_URL BUILD_URL GIT_URL GIT_COMMIT BRANCH_NAME

say "Release, then verify"
expect 0 play jenkins "$here/Jenkinsfile" Release
expect 0 play jenkins "$here/Jenkinsfile" Verify

say "Another branch and another key: rejected"
BRANCH_NAME=other
expect 3 play jenkins "$here/Jenkinsfile" Verify
BRANCH_NAME=main HALLMARK_PUBLIC_KEY=$work/other.pub
expect 3 play jenkins "$here/Jenkinsfile" Verify

say "A subject that holds a command is a bad name, and nothing else"
HALLMARK_SUBJECT="\$(touch $work/injected)"
expect 2 play jenkins "$here/Jenkinsfile" Verify
if [ -e "$work/injected" ]; then fail "the subject was run"; fi
say "Done: jenkins"
