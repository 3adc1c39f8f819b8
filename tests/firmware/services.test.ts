/** A 16-bit guest of our own finds the services of the BIOS, and the machine behind them, as they should be. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { assembled, skipWithoutNasm } from './boot-images.ts';
import { startPc } from './pc.ts';

const EXPECTED = [
  ...['memory', 'map', 'ticks', 'counting', 'counted', 'clock', 'text', 'mode 13h', 'mode 12h', 'VBE', 'VBE mode'],
  ...['A20', 'protected mode', 'no key', 'extended memory', 'moved'],
].map((line) => `${line} 01`);

for (const engine of ['interpreter', 'auto', 'translator'] as const) {
  test(`BIOS services, video modes, the timer and protected mode work (${engine})`, {
    skip: skipWithoutNasm,
  }, async () => {
    const image = new Uint8Array(1 << 20);
    image.set(assembled('services'));
    const disk = { bus: 'ide', unit: 0, kind: 'disk', backend: new MemoryDisk(image) } as const;
    const pc = await startPc([disk], { time: 'deterministic', engine, optionalDevices: ['isa-debug-exit'] });
    assert.deepEqual(await pc.end, { kind: 'exit-code', value: 0x10 }, pc.console());
    assert.deepEqual(pc.console().trimEnd().split('\n'), EXPECTED);
  });
}
