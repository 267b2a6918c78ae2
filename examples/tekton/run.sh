#!/bin/sh
# Plays the steps of task.yaml as Tekton does, on this machine: with arguments, and no shell of its own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../internal/recipe/stage.sh
. "$here/../../internal/recipe/stage.sh"

make_key
mkdir "$work/evidence" "$work/docker"
unset HALLMARK_PASSWORD

# step NAME SUBJECT BUILDER
step() {
	play tekton "$here/task.yaml" "$1" "params.subject=$2" params.hallmark-image=unused "params.builder=$3" \
		params.source-url=https://git.example.com/team/app "params.source-commit=$(printf '%040d' 7)" \
		secrets.hallmark.password=of-the-recipe context.taskRun.name=run-1 context.taskRun.uid=0190046e-e199-453b-a302-a21a4d649d31 \
		context.taskRun.namespace=ci context.task.name=hallmark-release \
		"workspaces.keys.path=$work" "workspaces.evidence.path=$work/evidence" "workspaces.docker.path=$work/docker"
}

say "Release, then verify"
expect 0 step release "$subject" https://tekton.example.com
expect 0 step verify "$subject" https://tekton.example.com
for file in release verdict; do
	if [ ! -s "$work/evidence/$file.json" ]; then fail "there is no $file.json"; fi
done

say "Another cluster is not this one, and neither is another key"
expect 3 step verify "$subject" https://other.example.com
cp "$work/other.pub" "$work/release.pub"
expect 3 step verify "$subject" https://tekton.example.com

say "A parameter that holds a command or an option is a bad name, and nothing else"
expect 2 step verify "\$(touch $work/injected)" https://tekton.example.com
expect 2 step verify --help https://tekton.example.com
if [ -e "$work/injected" ]; then fail "the subject was run"; fi
say "Done: tekton"
