#!/bin/bash
# mmdebstrap hook of build.sh: turns the unpacked packages of another architecture in
# ROOT into what an installed system looks like to a scanner, without executing any
# of them. $AMD64_TAR is the same system, installed, for amd64.
set -euo pipefail
root=$1
db=$root/var/lib/dpkg
arch=arm64

rm -rf "$db/info" "$db/status" "$db/status-old" "$db"/triggers/*
mkdir -p "$db/info"
echo 1 >"$db/info/format"
: >"$db/status"

for deb in "$root"/var/cache/apt/archives/*.deb; do
	name=$(dpkg-deb --field "$deb" Package)
	base=$name
	if [ "$(dpkg-deb --field "$deb" Multi-Arch)" = same ]; then
		base=$name:$arch
	fi
	dpkg-deb --field "$deb" | sed 's/^Package: .*/&\nStatus: install ok installed/' >>"$db/status"
	echo >>"$db/status"

	dpkg-deb --fsys-tarfile "$deb" | tar --list --file - | sed 's/^\.//; s/\/$//; s/^$/\/./' >"$db/info/$base.list"
	control=$(mktemp -d)
	dpkg-deb --control "$deb" "$control"
	rm "$control/control"
	for file in "$control"/*; do
		if [ -e "$file" ]; then # not the pattern itself
			cp "$file" "$db/info/$base.${file##*/}"
		fi
	done
	rm -rf "$control"
done

# What the amd64 build leaves out by dpkg's path-exclude.
rm -rf "$root"/usr/share/man/* "$root"/usr/share/locale/*
find "$root/usr/share/doc" -mindepth 2 ! -type d ! -name copyright -delete
find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete

# What maintainer scripts make, as far as it does not depend on the architecture.
tar --extract --file "$AMD64_TAR" --directory "$root" \
	./etc/passwd ./etc/group ./etc/shadow ./etc/gshadow ./etc/ca-certificates.conf ./etc/ssl/certs
