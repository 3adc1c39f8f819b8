/**
 * Runs the first ROM of `cases.ts` on QEMU's software processor and writes down what it answered:
 *
 *     node --import tsx tests/hardware/real-mode/record.ts
 *
 * It needs nasm and qemu-system-i386. The file is brotli over the assembled driver (32 KiB) and the answers.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { buildRom, CASES } from './cases.ts';
import { runOnQemu } from './qemu.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'real-mode-'));
const binary = join(scratch, 'driver');
execFileSync('nasm', ['-f', 'bin', '-Werror', '-o', binary, join(folder, 'driver.asm')], { stdio: 'inherit' });
const driver = readFileSync(binary);
rmSync(scratch, { recursive: true });
const packed = brotliCompressSync(Buffer.concat([driver, runOnQemu(buildRom(driver, 0))]));
writeFileSync(join(folder, 'answers.bin.br'), packed);
console.log(`${CASES} cases, ${packed.length} bytes`);
