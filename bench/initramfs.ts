/** Builds bench/programs with the C compiler, for 64 or 32 bits, and packs them as the initramfs of a guest. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCES = 'bench/programs';
const FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-static', '-s'];

/** Doubles in SSE2 with 32 bits, too, as every 64-bit program has them: the checksums must be the same. */
const BITS_FLAGS = { 64: ['-m64'], 32: ['-m32', '-march=pentium4', '-mfpmath=sse'] };

export type Built = { readonly initramfs: string } | { readonly missing: string };

export function buildInitramfs(directory: string, bits: 64 | 32): Built {
  const program = join(directory, `bench${bits}`);
  const sources = readdirSync(SOURCES)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(SOURCES, name));
  const gcc = spawnSync('gcc', [...FLAGS, ...BITS_FLAGS[bits], ...sources, '-o', program, '-lm'], { encoding: 'utf8' });
  if (gcc.status !== 0) {
    const lines = gcc.stderr?.trim().split('\n') ?? [];
    return { missing: gcc.error?.message ?? lines.find((line) => line.includes('error')) ?? lines[0] };
  }
  const initramfs = join(directory, `initramfs${bits}`);
  writeFileSync(
    initramfs,
    cpio([
      { name: 'dev', mode: DIRECTORY | 0o755 },
      { name: 'dev/console', mode: CHARACTER_DEVICE | 0o600, device: [5, 1] },
      { name: 'init', mode: FILE | 0o755, content: readFileSync(program) },
    ]),
  );
  return { initramfs };
}

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly device?: readonly [major: number, minor: number];
  readonly content?: Uint8Array;
}

/** inode(7), "The file type and mode". */
const DIRECTORY = 0o040000;
const CHARACTER_DEVICE = 0o020000;
const FILE = 0o100000;

/** Linux, Documentation/driver-api/early-userspace/buffer-format.rst: "070701", 13 numbers in hexadecimal, name, data. */
function cpio(entries: readonly Entry[]): Uint8Array {
  const parts: Buffer[] = [];
  const padded = (data: Uint8Array): void => {
    parts.push(Buffer.from(data), Buffer.alloc(-data.length & 3));
  };
  [...entries, { name: 'TRAILER!!!', mode: 0 }].forEach(({ name, mode, device = [0, 0], content }: Entry, i) => {
    const links = 1;
    const numbers = [i + 1, mode, 0, 0, links, 0, content?.length ?? 0, 0, 0, ...device, name.length + 1, 0];
    padded(Buffer.from(`070701${numbers.map((n) => n.toString(16).padStart(8, '0')).join('')}${name}\0`, 'latin1'));
    if (content) padded(content);
  });
  return Buffer.concat(parts);
}
