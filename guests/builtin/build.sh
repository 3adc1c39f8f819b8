#!/bin/bash
# Builds the guest from Debian's packages: vmlinuz, initramfs.cpio.gz, SHA256SUMS.
#
#   build.sh [--initramfs] [WORK-DIRECTORY]      --initramfs: vmlinuz stays as it is
#
# Runs without root on Debian 12 (amd64) with: apt bc bison dpkg flex gcc libelf-dev
# lz4 make xz-utils. The packages are those of packages.txt, no others; their files are
# looked for in the work directory first and downloaded if they are not there.
# The same compiler gives the same bytes (SOURCES.md names it).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
parts='kernel initramfs'
if [ "${1-}" = --initramfs ]; then
  parts=initramfs
  shift
fi
work=${1:-${TMPDIR:-/tmp}/vivarium-guest}
export SOURCE_DATE_EPOCH=1704067200 # 2024-01-01 00:00:00 UTC
export KBUILD_BUILD_TIMESTAMP='Mon Jan  1 00:00:00 UTC 2024'
export KBUILD_BUILD_USER=vivarium KBUILD_BUILD_HOST=vivarium KBUILD_BUILD_VERSION=1
export LC_ALL=C TZ=UTC
mkdir -p "$work/packages" "$work/unpacked"
cd "$work"

fetch_packages() {
  local name version sum file
  while read -r name version sum; do
    case $name in '' | '#'*) continue ;; esac
    file=packages/${name}_${version/:/%3a}
    compgen -G "${file}_*.deb" >/dev/null || (cd packages && apt-get download "$name=$version")
    file=$(compgen -G "${file}_*.deb")
    echo "$sum  $file" | sha256sum --check --quiet
    [ -d "unpacked/$name" ] || dpkg-deb -x "$file" "unpacked/$name"
  done <"$here/packages.txt"
}

# Every line of kernel.config must have survived the dependencies between options.
check_configuration() {
  local line name wrong=0
  while read -r line; do
    case $line in
      CONFIG_*) grep -qxF -- "$line" "$1" || { echo "kernel.config: not possible: $line" >&2; wrong=1; } ;;
      '# CONFIG_'*' is not set')
        name=${line#\# } name=${name%% *}
        ! grep -q "^$name=" "$1" || { echo "kernel.config: still set: $name" >&2; wrong=1; } ;;
    esac
  done <"$here/kernel.config"
  return $wrong
}

unpack_source() {
  [ -d linux ] || { mkdir linux && tar -xJf unpacked/linux-source-*/usr/src/linux-source-*.tar.xz -C linux --strip-components=1; }
}

build_kernel() {
  make -s -C linux KCONFIG_ALLCONFIG="$here/kernel.config" allnoconfig
  check_configuration linux/.config
  make -s -C linux -j"$(nproc)" bzImage
  cp linux/arch/x86/boot/bzImage "$here/vmlinuz"
}

build_initramfs() {
  local busybox=$work/unpacked/busybox-static/bin/busybox applet
  "$here/../agent/build.sh" "$work/agent"
  gcc -O1 -o gen_init_cpio linux/usr/gen_init_cpio.c
  rm -rf root
  cp -r "$here/root" root
  find root agent -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
  {
    sed -e "s|@ROOT@|root|; s|@BUSYBOX@|$busybox|; s|@AGENT@|$work/agent|" "$here/initramfs.list"
    "$busybox" --list-full | sort | while read -r applet; do
      case $applet in bin/busybox | linuxrc) continue ;; esac
      echo "slink /$applet /bin/busybox 0777 0 0"
    done
  } >initramfs.list
  ./gen_init_cpio -t "$SOURCE_DATE_EPOCH" initramfs.list >initramfs.cpio
  gzip -9n <initramfs.cpio >"$here/initramfs.cpio.gz"
}

fetch_packages
unpack_source
for part in $parts; do "build_$part"; done
cd "$here"
sha256sum vmlinuz initramfs.cpio.gz >SHA256SUMS
ls -l vmlinuz initramfs.cpio.gz
