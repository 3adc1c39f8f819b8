#!/bin/bash
# Fetches Debian's stock amd64 kernels, as the boot tests use them, without root.
#
#   fetch.sh CACHE-DIRECTORY [PACKAGE...]
#
# PACKAGE is a kernel meta package, by default linux-image-cloud-amd64 and
# linux-image-amd64. Each is resolved to the versioned package it depends on, which is
# downloaded with apt-get and unpacked in the cache, unless it is there already. Prints
# one line a package: the meta package, a tab, the path of its vmlinuz.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: ${0##*/} CACHE-DIRECTORY [PACKAGE...]" >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- linux-image-cloud-amd64 linux-image-amd64

for meta in "$@"; do
  image=$(LC_ALL=C apt-cache depends --no-recommends --no-suggests "$meta" |
    sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
  [ -n "$image" ] || { echo "$meta: apt knows no such kernel; run apt-get update" >&2; exit 1; }
  kernel=$cache/$image/boot/vmlinuz-${image#linux-image-}
  kernel=${kernel%-unsigned}
  if [ ! -f "$kernel" ]; then
    part=$(mktemp -d "$cache/part.XXXXXX")
    (cd "$part" && apt-get -qq download "$image" >&2 && dpkg-deb --fsys-tarfile ./*.deb | tar -x ./boot)
    rm -rf "${cache:?}/$image"
    mkdir "$cache/$image"
    mv "$part/boot" "$cache/$image/"
    rm -r "$part"
  fi
  printf '%s\t%s\n' "$meta" "$kernel"
done
