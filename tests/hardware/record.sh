#!/bin/sh
# Records the vectors again on this machine's processor; see README.md.
# Usage: tests/hardware/record.sh [group ...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The handler runs with the registers of the instruction under test: no red zone, no canary, no vector registers.
gcc -O2 -Wall -Wextra -Werror -mfsgsbase -mno-red-zone -fno-stack-protector -mgeneral-regs-only \
  -o "$scratch/recorder" "$here/record/recorder.c"
cd "$here/../.."
node --import tsx tests/hardware/record/record.ts "$scratch/recorder" "$here/vectors" "$@"
