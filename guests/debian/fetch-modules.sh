#!/bin/bash
# Fetches modules of one of Debian's stock kernels (see fetch.sh), without root.
#
#   fetch-modules.sh CACHE-DIRECTORY PACKAGE MODULE...
#
# MODULE is a name without its ending. Prints the path of each, in the order asked for;
# what they depend on is not looked for.
set -euo pipefail

[ $# -ge 3 ] || { echo "usage: ${0##*/} CACHE-DIRECTORY PACKAGE MODULE..." >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)
meta=$2
shift 2

image=$(LC_ALL=C apt-cache depends --no-recommends --no-suggests "$meta" |
  sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
[ -n "$image" ] || { echo "$meta: apt knows no such kernel; run apt-get update" >&2; exit 1; }
modules=$cache/$image-modules
mkdir -p "$modules"

missing=()
for name in "$@"; do [ -f "$modules/$name.ko" ] || missing+=("*/$name.ko"); done
if [ ${#missing[@]} -gt 0 ]; then
  part=$(mktemp -d "$cache/part.XXXXXX")
  (cd "$part" && apt-get -qq download "$image" >&2 &&
    dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards "${missing[@]}")
  find "$part" -name '*.ko' -exec mv -t "$modules" {} +
  rm -r "$part"
fi
for name in "$@"; do echo "$modules/$name.ko"; done
