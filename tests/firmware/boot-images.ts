/** Disks and discs that start the boot sectors of `boot/`, made by NASM. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('boot/', import.meta.url));

export const skipWithoutNasm = spawnSync('nasm', ['-v']).status === 0 ? false : 'nasm is not installed';

interface Source {
  readonly folder?: string;
  readonly include?: string;
  readonly defines?: readonly string[];
}

/** `boot/NAME.asm`, or that of another folder, in machine code. */
export function assembled(name: string, from: Source = {}): Uint8Array {
  const output = mkdtempSync(join(tmpdir(), 'vivarium-boot-'));
  try {
    const binary = join(output, name);
    const source = join(from.folder ?? folder, `${name}.asm`);
    const defines = (from.defines ?? []).flatMap((define) => ['-d', define]);
    const options = ['-f', 'bin', '-Werror', ...defines, '-I', from.include ?? folder];
    const nasm = spawnSync('nasm', [...options, '-o', binary, source]);
    assert.equal(nasm.status, 0, nasm.stderr.toString());
    return readFileSync(binary);
  } finally {
    rmSync(output, { recursive: true });
  }
}

const put = (into: Uint8Array, at: number, text: string): void => into.set(new TextEncoder().encode(text), at);

/** 1 MiB: the boot sector `sector`, `text` in sector 1, ones in sectors 16 to 79, zeros elsewhere. */
export function bootDisk(text: string, sector = 'disk'): Uint8Array {
  const image = new Uint8Array(1 << 20);
  image.set(assembled(sector));
  put(image, 512, text);
  image.fill(1, 16 * 512, 80 * 512);
  image[79 * 512] = 8;
  return image;
}

const BLOCK_BYTES = 2048;
const BOOT_RECORD = 17;
const TERMINATOR = 18;
const CATALOG = 19;
const IMAGE = 20;

/**
 * 1 MiB: the boot image, `text` in block 100, twos in blocks 32 to 47 ("El Torito" Bootable CD-ROM Format Specification
 * 1.0, figures 2 to 4 and 7). There is no file system.
 */
export function bootDisc(text: string): Uint8Array {
  const image = new Uint8Array(1 << 20);
  const view = new DataView(image.buffer);
  for (const [block, type] of [
    [16, 1],
    [BOOT_RECORD, 0],
    [TERMINATOR, 255],
  ]) {
    image[block * BLOCK_BYTES] = type;
    put(image, block * BLOCK_BYTES + 1, 'CD001\x01');
  }
  put(image, BOOT_RECORD * BLOCK_BYTES + 7, 'EL TORITO SPECIFICATION');
  view.setUint32(BOOT_RECORD * BLOCK_BYTES + 0x47, CATALOG, true);
  const catalog = CATALOG * BLOCK_BYTES;
  image[catalog] = 1; // validation entry: its 16 words add up to nothing
  view.setUint16(catalog + 0x1e, 0xaa55, true);
  let sum = 0;
  for (let at = 0; at < 32; at += 2) sum += view.getUint16(catalog + at, true);
  view.setUint16(catalog + 0x1c, -sum, true);
  image[catalog + 0x20] = 0x88; // default entry: bootable, no emulation
  view.setUint16(catalog + 0x26, 4, true);
  view.setUint32(catalog + 0x28, IMAGE, true);
  image.set(assembled('cdrom'), IMAGE * BLOCK_BYTES);
  put(image, 100 * BLOCK_BYTES, text);
  image.fill(2, 32 * BLOCK_BYTES, 48 * BLOCK_BYTES);
  image[47 * BLOCK_BYTES] = 9;
  return image;
}
