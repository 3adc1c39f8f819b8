/** Runs a ROM of `cases.ts` on QEMU's software processor. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ANSWER_BYTES, CASES } from './cases.ts';

const QEMU = 'qemu-system-i386';
const MACHINE = '-M isapc -accel tcg -cpu max -m 16 -nodefaults -display none -monitor none -no-reboot'.split(' ');
const TIMEOUT_MS = 240_000;

/** Why QEMU cannot be asked, or false. */
export const skipWithoutQemu = spawnSync(QEMU, ['--version']).status === 0 ? false : `${QEMU} is not installed`;

/** What the ROM wrote to port E9h. */
export function runOnQemu(rom: Uint8Array): Uint8Array {
  const scratch = mkdtempSync(join(tmpdir(), 'real-mode-'));
  try {
    const [image, answersPath] = [join(scratch, 'rom'), join(scratch, 'answers')];
    writeFileSync(image, rom);
    const output = [
      '-chardev',
      `file,id=answers,path=${answersPath}`,
      '-device',
      'isa-debugcon,iobase=0xe9,chardev=answers',
    ];
    const exit = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=1'];
    const run = spawnSync(QEMU, [...MACHINE, '-bios', image, ...output, ...exit], { timeout: TIMEOUT_MS });
    const answers = readFileSync(answersPath);
    if (answers.length !== CASES * ANSWER_BYTES) throw new Error(`${answers.length} bytes of answers; ${run.stderr}`);
    return answers;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
