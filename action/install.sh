#!/usr/bin/env bash
# Puts hallmark where run.sh finds it, by HALLMARK_INPUT_version:
#
#	source     built from the checkout that holds this script, by Go
#	installed  the one on the PATH
#	v0.5.0     that release, if its digest stands in checksums.txt beside this script
#
# HALLMARK_ACTION_MIRROR is a URL to download from instead of GitHub's releases. It changes
# where from, never what: the digest decides.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

max_program=$((256 << 20)) # bytes

# digest_of FILE prints its SHA-256.
digest_of() {
	if command -v sha256sum >/dev/null; then
		sha256sum <"$1" | cut -c1-64
	else
		shasum -a 256 <"$1" | cut -c1-64
	fi
}

system() {
	case $(uname -s) in
	Linux) echo linux ;;
	Darwin) echo darwin ;;
	MINGW* | MSYS* | CYGWIN*) echo windows ;;
	*) refuse "there is no release for $(uname -s): build it with 'version: source'" ;;
	esac
}

machine() {
	case $(uname -m) in
	x86_64 | amd64) echo amd64 ;;
	aarch64 | arm64) echo arm64 ;;
	*) refuse "there is no release for $(uname -m): build it with 'version: source'" ;;
	esac
}

# pinned FILE prints the digest that checksums.txt has for it, nothing if it has none.
pinned() {
	awk -v name="$1" '$2 == name && $1 ~ /^[0-9a-f]+$/ && length($1) == 64 { print $1 }' "$here/checksums.txt"
}

# download URL FILE. Redirects lead to https only; plain http is for a mirror on loopback.
download() {
	local protocol=https loopback='^http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]+/'
	if [[ $1 =~ $loopback ]]; then protocol=http; fi
	(
		# curl before 8.4 learns of too large a file only from a Content-Length.
		ulimit -f $((max_program / 1024)) 2>/dev/null || :
		exec curl --disable --fail --location --silent --show-error --globoff \
			--proto "=$protocol" --proto-redir =https --max-redirs 5 --max-filesize "$max_program" \
			--connect-timeout 20 --max-time 600 --retry 3 --retry-max-time 120 --output "$2" -- "$1"
	)
}

# is FILE DIGEST
is() { [ -f "$1" ] && [ "$(digest_of "$1")" = "$2" ]; }

# The functions below set program. They print nothing that somebody has to catch, because
# bash does not end at an error within a command substitution within another one.

# What lies in the cache of the runner is checked as well: a job before this one may have
# written there.
install_release() {
	local version=$1 os arch file want base part
	os=$(system)
	arch=$(machine)
	file=hallmark_${version}_${os}_$arch
	[ "$os" != windows ] || file=$file.exe
	want=$(pinned "$file")
	case $want in
	'') refuse "action/checksums.txt has no digest for $file: use a newer commit of the action, or 'version: source'" ;;
	*[!0-9a-f]*) refuse "action/checksums.txt has several digests for $file" ;;
	esac
	base=${RUNNER_TOOL_CACHE:-$RUNNER_TEMP}/hallmark/$version/$os-$arch
	program=$base/$file
	if is "$program" "$want"; then return; fi
	[ ! -e "$program" ] || annotate warning "Hallmark: cache" "$program does not have the digest that is pinned. It is fetched anew."
	mkdir -p "$base"
	part=$base/.$(random_token)
	fetch_checked "${HALLMARK_ACTION_MIRROR:-https://github.com/hallmark-project/hallmark/releases/download}/$version/$file" "$part" "$want"
	chmod +x "$part"
	mv -f "$part" "$program"
}

# fetch_checked URL FILE DIGEST leaves no file behind that does not have the digest.
fetch_checked() {
	local got
	if ! download "$1" "$2"; then
		rm -f "$2"
		annotate error "Hallmark: not installed" "$1 could not be fetched. Nothing was run. Try again later, or build with 'version: source'."
		exit 5
	fi
	got=$(digest_of "$2")
	if [ "$got" != "$3" ]; then
		rm -f "$2"
		annotate error "Hallmark: not installed" "$1 has the digest sha256:$got, but sha256:$3 is pinned. It was removed and not run. If that stays, do not trust where it comes from."
		exit 3
	fi
}

install_source() {
	program=$RUNNER_TEMP/hallmark-source/hallmark
	command -v go >/dev/null || refuse "'version: source' builds hallmark and needs Go: add actions/setup-go before this step, or name a release"
	case $(uname -s) in MINGW* | MSYS* | CYGWIN*) program=$program.exe ;; esac
	(cd "$here/.." && CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags disable_grpc_modules,grpcnotrace -ldflags "-s -w" -o "$program" ./cmd/hallmark)
}

install_found() {
	program=$(command -v hallmark) || refuse "'version: installed' wants hallmark on the PATH, and it is not there"
}

version=${HALLMARK_INPUT_version:-source}
plain version "$version"
pattern='^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$'
case $version in
source) install_source ;;
installed) install_found ;;
*)
	[[ $version =~ $pattern ]] || refuse "version: want a release such as v0.5.0, source or installed"
	install_release "$version"
	;;
esac
output program "$program"
echo "hallmark: $program"
