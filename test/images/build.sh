#!/bin/bash
# Builds the test images (see README.md):
#
#     build.sh OUTDIR     ->  OUTDIR/layout  OUTDIR/docker  OUTDIR/app.docker.tar
#
# Must run as root; needs mmdebstrap, umoci, skopeo, npm, jq and Go, and the Debian,
# npm and Go mirrors. No daemon, no emulator: nothing of the arm64 image is executed.
#
# A second run does nothing while the stamp in OUTDIR matches this script and its
# inputs. All work is done in a folder inside OUTDIR and renamed at the end, and the
# stamp is written last, so an interrupted run leaves nothing half done behind.
set -euo pipefail

if [ $# -ne 1 ]; then
	echo "usage: $0 OUTDIR" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

# Every timestamp that we choose; those of Debian's files are clamped to it.
export SOURCE_DATE_EPOCH=1767225600 # 2026-01-01
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
umask 022

stamp=$(cd "$here" && sha256sum build.sh extract-hook.sh app/* | sha256sum | cut -d' ' -f1)
fresh() {
	[ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ] &&
		[ -f "$out/layout/index.json" ] && [ -f "$out/docker/manifest.json" ] && [ -f "$out/app.docker.tar" ]
}

exec 9>"$out/.lock"
flock 9 # whoever comes second finds the first one's work
if fresh; then
	exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "$0: must run as root" >&2
	exit 1
fi

rm -rf --one-file-system "$out"/.build.* # of a run that was killed
work=$(mktemp -d "$out/.build.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$work/tmp"
chmod 1777 "$work/tmp"
chmod 755 "$work"
export TMPDIR=$work/tmp

say() { echo "images: $*" >&2; }

# run COMMAND... keeps a tool quiet unless it fails. It gets no copy of the lock.
run() {
	if ! "$@" >"$work/log" 2>&1 9>&-; then
		cat "$work/log" >&2
		say "failed: $1"
		exit 1
	fi
}

# Layer 1: Debian.

python_debs="python3-requests python3-certifi python3-chardet python3-charset-normalizer
	python3-idna python3-six python3-urllib3" # all of them architecture-independent

debian_amd64() {
	say "Debian, amd64"
	mkdir "$work/debs"
	run mmdebstrap --mode=root --variant=minbase --include=python3-minimal,ca-certificates \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--customize-hook="cp \"\$1\"/var/lib/dpkg/status '$work/status'" \
		--customize-hook="cd '$work/debs' && APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-get download ${python_debs//[$'\n\t']/ }" \
		bookworm "$work/debian-amd64.tar"
}

# The same packages as in the amd64 image, unpacked but not configured; the hook
# writes the package database and copies what maintainer scripts would have made.
debian_arm64() {
	say "Debian, arm64"
	local packages
	packages=$(awk '/^Package:/ { p = $2 } /^Status: install ok installed/ { print p }' "$work/status" | paste -sd,)
	AMD64_TAR=$work/debian-amd64.tar run mmdebstrap --mode=root --variant=extract --arch=arm64 \
		--include="$packages" \
		--setup-hook=/usr/share/mmdebstrap/hooks/merged-usr/setup00.sh \
		--extract-hook="$here/extract-hook.sh" \
		bookworm "$work/debian-arm64.tar"
}

# Layers 2 to 5: the application.

# tar_layer FILE packs $work/root as a layer and empties it.
tar_layer() {
	tar --create --file "$work/$1" --directory "$work/root" --sort=name --format=gnu \
		--mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go-w app
	rm -rf "$work/root"
}

# Python packages with their metadata, outside of the Debian package database, as
# after `pip install --target`.
python_layer() {
	say "Python packages"
	local deb
	mkdir -p "$work/root/app/python" "$work/unpacked"
	for deb in "$work"/debs/*.deb; do
		dpkg-deb --extract "$deb" "$work/unpacked"
	done
	cp -r "$work"/unpacked/usr/lib/python3/dist-packages/. "$work/root/app/python/"
	tar_layer python.tar
}

npm_layer() {
	say "npm packages"
	mkdir -p "$work/root/app"
	cp "$here/app/package.json" "$here/app/package-lock.json" "$work/root/app/"
	run npm --prefix "$work/root/app" --cache "$work/npm" ci --omit=dev --ignore-scripts --no-audit --no-fund
	tar_layer npm.tar
}

go_layer() { # ARCH
	say "Go binary, $1"
	mkdir -p "$work/root/app/bin"
	(cd "$here/app" && CGO_ENABLED=0 GOOS=linux GOARCH=$1 GOWORK=off \
		run go build -trimpath -ldflags='-s -w' -o "$work/root/app/bin/hello" .)
	tar_layer "go-$1.tar"
}

# Takes one Python package away again: what a layer hides must not be reported.
whiteout_layer() {
	mkdir -p "$work/root/app/python"
	: >"$work/root/app/python/.wh.six.py"
	: >"$work/root/app/python/.wh.six-1.16.0.egg-info"
	[ -e "$work/unpacked/usr/lib/python3/dist-packages/six-1.16.0.egg-info" ]
	tar_layer whiteout.tar
}

# Images.

add_layer() { # ARCH TAR DESCRIPTION
	run umoci raw add-layer --image "$work/layout:$1" --history.created "$created" \
		--history.created_by "$3" "$work/$2"
}

image() { # ARCH
	say "image, $1"
	run umoci new --image "$work/layout:$1"
	add_layer "$1" "debian-$1.tar" "mmdebstrap bookworm"
	add_layer "$1" python.tar "COPY python /app/python"
	add_layer "$1" npm.tar "RUN npm ci"
	add_layer "$1" "go-$1.tar" "COPY hello /app/bin/hello"
	add_layer "$1" whiteout.tar "RUN rm -r /app/python/six*"
	run umoci config --image "$work/layout:$1" --no-history --os linux --architecture "$1" --created "$created" \
		--config.entrypoint /app/bin/hello --config.workingdir /app \
		--config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		--config.env PYTHONPATH=/app/python --config.user 65534:65534 \
		--config.label org.opencontainers.image.title=hello \
		--config.label org.opencontainers.image.licenses=Apache-2.0
}

# descriptor ARCH prints the index entry of one platform.
descriptor() {
	jq -c --arg arch "$1" '.manifests[]
		| select(.annotations["org.opencontainers.image.ref.name"] == $arch)
		| {mediaType, digest, size, platform: {architecture: $arch, os: "linux"}}' "$work/layout/index.json"
}

# Joins the platforms under one index, which umoci cannot do, tagged "app".
index() {
	local digest size
	run umoci gc --layout "$work/layout"
	{ descriptor amd64 && descriptor arm64; } | jq -jcs '{schemaVersion: 2,
		mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}' >"$work/index"
	digest=$(sha256sum "$work/index" | cut -d' ' -f1)
	size=$(stat -c %s "$work/index")
	mv "$work/index" "$work/layout/blobs/sha256/$digest"
	jq -nc --arg digest "sha256:$digest" --argjson size "$size" '{schemaVersion: 2,
		mediaType: "application/vnd.oci.image.index.v1+json",
		manifests: [{mediaType: "application/vnd.oci.image.index.v1+json", digest: $digest, size: $size,
			annotations: {"org.opencontainers.image.ref.name": "app"}}]}' >"$work/layout/index.json"
}

docker_forms() {
	say "Docker forms"
	run skopeo copy --all --format v2s2 "oci:$work/layout:app" "dir:$work/docker"
	run skopeo copy --override-os linux --override-arch amd64 "oci:$work/layout:app" \
		"docker-archive:$work/app.docker.tar:hello:latest"
}

debian_amd64
debian_arm64
python_layer
npm_layer
go_layer amd64
go_layer arm64
whiteout_layer
run umoci init --layout "$work/layout"
image amd64
image arm64
index
docker_forms

rm -f "$out/stamp"
for name in layout docker app.docker.tar; do
	rm -rf "${out:?}/$name"
	mv "$work/$name" "$out/$name"
done
echo "$stamp" >"$out/stamp"
say "done: $(du -sh --apparent-size "$out/layout" | cut -f1) layout"
