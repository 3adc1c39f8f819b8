#!/bin/bash
# Builds the agent: build.sh OUTPUT. Static, and on x86-64 without a C library.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
sources=(agent.c commands.c files.c system.c)
options=(-std=gnu11 -D_GNU_SOURCE -Os -Wall -Wextra -Werror -static -ffunction-sections -fdata-sections -Wl,--gc-sections)
if [ "$(uname -m)" = x86_64 ]; then
  # No loops into calls of memcpy, of which memcpy itself might consist.
  options+=(-nostdlib -ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns -fno-stack-protector -fno-pic -no-pie
    -fno-asynchronous-unwind-tables -fcf-protection=none -Wl,-z,noseparate-code,-z,norelro,--build-id=none)
  sources+=(tiny-x86-64.c)
fi
cd "$here"
"${CC:-gcc}" "${options[@]}" -s -o "$1" "${sources[@]}"
