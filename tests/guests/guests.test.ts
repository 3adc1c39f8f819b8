/**
 * Runs the self-checking guests of this folder (see README.md), each assembled by NASM: they print which of their
 * checks fail, and leave by isa-debug-exit.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ENGINE_CHOICES, type EngineChoice } from '../../src/cpu/translator/statistics.ts';
import { nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const ALL_PASSED = 0x10;
/** For a guest that hangs; they take a second or so. */
const GIVE_UP_MS = 120_000;

const output = mkdtempSync(join(tmpdir(), 'vivarium-guests-'));
after(() => rmSync(output, { recursive: true }));

const hasNasm = spawnSync('nasm', ['-v']).status === 0;
const skip = hasNasm ? false : 'nasm is not installed';

function assemble(name: string): Uint8Array {
  const binary = join(output, `${name}.bin`);
  const source = join(folder, `${name}.asm`);
  const nasm = spawnSync('nasm', ['-f', 'bin', '-Werror', '-I', join(folder, 'common/'), '-o', binary, source]);
  assert.equal(nasm.status, 0, nasm.stderr.toString());
  return readFileSync(binary);
}

async function run(image: Uint8Array, engine: EngineChoice) {
  let console = '';
  const guest = await Guest.create({
    memoryBytes: 64 << 20,
    kernel: { image, commandLine: '' },
    time: 'deterministic',
    seed: 1,
    engine,
    optionalDevices: ['isa-debug-exit'],
    onConsole: (bytes) => {
      console += new TextDecoder('latin1').decode(bytes);
    },
    host: nodePlatform,
  });
  const timer = setTimeout(() => guest.stop(), GIVE_UP_MS);
  try {
    const end = await guest.run();
    return { console, end, hash: guest.stateHash(), translations: guest.stats().translator.translations };
  } finally {
    clearTimeout(timer);
  }
}

const names = readdirSync(folder)
  .filter((file) => file.endsWith('.asm'))
  .map((file) => file.slice(0, -'.asm'.length))
  .sort();

for (const name of names) {
  test(`${name}: every check of the guest passes, and all engines end in the same state`, { skip }, async () => {
    const image = assemble(name);
    const hashes = new Set<string>();
    for (const engine of ENGINE_CHOICES) {
      const { console, end, hash, translations } = await run(image, engine);
      const ended = `${JSON.stringify(end)} on ${engine} after\n${console}`;
      assert.deepEqual(end, { kind: 'exit-code', value: ALL_PASSED }, ended);
      assert.match(console, new RegExp(`^${name}: [1-9][0-9]* checks passed, 0 failed\r$`, 'm'));
      if (engine === 'translator') assert(translations > 0);
      hashes.add(hash);
    }
    assert.equal(hashes.size, 1, `${ENGINE_CHOICES.join(', ')}: ${[...hashes].join(', ')}`);
  });
}
