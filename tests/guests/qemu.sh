#!/bin/sh
# Runs guests of this folder on QEMU's software processor, to try a guest on somebody else's machine:
#     tests/guests/qemu.sh [name...]
set -eu
cd "$(dirname "$0")"
binary=$(mktemp)
trap 'rm -f "$binary"' EXIT
[ $# -gt 0 ] || set -- $(ls ./*.asm | sed 's|./||; s|.asm$||')
failed=0
for name; do
  nasm -f bin -Werror -d PC -I common/ -o "$binary" "$name.asm"
  status=0
  timeout 60 qemu-system-x86_64 -accel tcg -cpu max,vendor=GenuineIntel -m 64 -kernel "$binary" -append qemu -no-reboot \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -display none -serial stdio -monitor none || status=$?
  # (0x10 << 1) | 1: all checks passed.
  [ $status = 33 ] || { echo "$name: status $status"; failed=1; }
done
exit $failed
