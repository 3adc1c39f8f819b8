#!/bin/bash
# Boots a kernel with the built-in guest's initramfs under QEMU's TCG, runs commands in
# its shell and checks what they print and that the machine switches itself off. For
# telling whether a fault is the guest's or its host's.
#
#   qemu-check.sh [KERNEL [QEMU-OPTION...]]       KERNEL: builtin/vmlinuz if not given
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kernel=${1:-$here/builtin/vmlinuz}
shift || true
output=$(mktemp)
trap 'rm -f "$output"' EXIT

coproc timeout 120 qemu-system-x86_64 -accel tcg -cpu Westmere -m 256 -display none -monitor none \
  -serial stdio -nic none -no-reboot -kernel "$kernel" -initrd "$here/builtin/initramfs.cpio.gz" \
  -append 'console=ttyS0 quiet' "$@"
qemu=$COPROC_PID keyboard=${COPROC[1]}
exec {screen}<&"${COPROC[0]}"

# QEMU's serial port drops what comes before the guest has opened it: wait for the prompt.
while IFS= read -r -n 1 -d '' -u "$screen" character; do
  printf '%s' "${character:-$'\n'}" >>"$output"
  [[ $character != '#' ]] || ! grep -q 'vivarium:~#$' "$output" || break
done
# shellcheck disable=SC2016
echo 'echo "$((6 * 7)) $(id -un) $(uname -s) $(hostname) $(tty)"; poweroff' >&"$keyboard"
cat <&"$screen" >>"$output"
status=0
wait "$qemu" || status=$?

cat "$output"
grep -q '^42 root Linux vivarium /dev/ttyS0' "$output" || { echo 'FAILED: the shell did not answer' >&2; exit 1; }
[ $status -eq 0 ] || { echo "FAILED: QEMU ended with status $status" >&2; exit 1; }
echo 'ok'
