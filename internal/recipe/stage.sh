# shellcheck shell=sh
# What examples/*/run.sh of the CI systems have in common; each sources this. It gives
#
#	play SYSTEM FILE JOB [NAME=VALUE...]   runs a job as its runner would
#	expect CODE COMMAND...                 wants an exit code
#	make_key                               makes $work/release.key and .pub, and another pair
#	$subject $lab $work $hallmark          the image in a registry; the Sigstore; a folder
#
# REGISTRY is a registry to use (host:port), else that of HALLMARK_PEERS is started on loopback.
set -eu
root=$(cd "${here:?}/../.." && pwd)
build=${BUILD:-$root/build}
hallmark=$build/hallmark
HALLMARK_SANDBOX_PROGRAM=$build/hallmark-sandbox
export HALLMARK_SANDBOX_PROGRAM

work=$(mktemp -d)
lab=$work/sandbox
registry_process=
down() {
	"$hallmark" sandbox down --dir "$lab" >/dev/null 2>&1 || :
	if [ -n "$registry_process" ]; then kill "$registry_process" 2>/dev/null || :; fi
}
trap 'down; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }
fail() {
	echo "run.sh: $*" >&2
	exit 1
}
expect() {
	want=$1
	shift
	code=0
	"$@" || code=$?
	printf 'exit code %s\n' "$code"
	if [ "$code" -ne "$want" ]; then fail "expected exit code $want"; fi
}

make_key() {
	HALLMARK_PASSWORD=of-the-recipe
	export HALLMARK_PASSWORD
	for name in release other; do "$hallmark" keys generate --output-key-prefix "$work/$name" 2>/dev/null; done
}

start_registry() {
	cat >"$work/registry.yml" <<-END
		version: 0.1
		log: {accesslog: {disabled: true}}
		storage: {filesystem: {rootdirectory: "$work/registry"}}
		http: {addr: "127.0.0.1:0"}
	END
	: >"$work/registry.log" # read before the registry has opened it
	"${HALLMARK_PEERS:-$build/peers}/registry" serve "$work/registry.yml" 2>"$work/registry.log" &
	registry_process=$!
	for _ in $(seq 100); do
		REGISTRY=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$work/registry.log")
		if [ -n "$REGISTRY" ]; then return; fi
		sleep 0.1
	done
	fail "the registry does not start: $(cat "$work/registry.log")"
}

say "A registry with an image, and a private Sigstore"
mkdir "$work/bin" "$work/home" "$work/tmp"
ln -s "$hallmark" "$work/bin/hallmark"
if [ -z "${REGISTRY:-}" ]; then start_registry; fi
source_image=$build/images/layout
if [ ! -d "$source_image" ]; then
	source_image=$work/image
	"$build/quickstart-stage" pack "$source_image" "linux/amd64=$hallmark" "linux/arm64=$HALLMARK_SANDBOX_PROGRAM"
fi
repository=$REGISTRY/recipes/$(basename "$here")-$$
skopeo copy -q --all --dest-tls-verify=false --digestfile "$work/digest" "oci:$source_image:app" "docker://$repository:v1"
# shellcheck disable=SC2034 # for those who source this
subject=$repository@$(cat "$work/digest")
"$hallmark" sandbox up --dir "$lab" >/dev/null
# shellcheck source=/dev/null # written by the sandbox
. "$lab/env"
recipe=$work/recipe
(cd "$root" && go build -o "$recipe" ./internal/recipe)

# play runs in a shell of its own, with a home of its own and hallmark on the PATH unless
# NO_HALLMARK is set. $work/prelude.sh defines what the runner adds, such as id_token AUDIENCE.
play() (
	HOME=$work/home TMPDIR=$work/tmp
	export HOME TMPDIR
	if [ -z "${NO_HALLMARK:-}" ]; then PATH=$work/bin:$PATH; fi
	"$recipe" "$@" >"$work/script.sh" || exit 99
	cat "$work/prelude.sh" "$work/script.sh" >"$work/job.sh"
	cd "$work" || exit 99
	exec sh -e "$work/job.sh"
)
: >"$work/prelude.sh"
