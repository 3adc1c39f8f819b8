/** System-management mode as firmware leaves it on a whole PC: the guest of `tests/guests` from a disk's boot sector. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { assembled, skipWithoutNasm } from './boot-images.ts';
import { startPc } from './pc.ts';

const guests = fileURLToPath(new URL('../guests/', import.meta.url));
const GUEST = 'management-mode';

for (const engine of ['interpreter', 'auto', 'translator'] as const) {
  test(`firmware makes a handler for SMIs, and a guest's own can take its place (${engine})`, {
    skip: skipWithoutNasm,
  }, async () => {
    const image = new Uint8Array(1 << 20);
    image.set(assembled('multiboot'));
    image.set(assembled(GUEST, { folder: guests, include: `${guests}common/`, defines: ['PC'] }), 512);
    const disk = { bus: 'ide', unit: 0, kind: 'disk', backend: new MemoryDisk(image) } as const;
    const pc = await startPc([disk], { time: 'deterministic', engine, optionalDevices: ['isa-debug-exit'] });
    assert.deepEqual(await pc.end, { kind: 'exit-code', value: 0x10 }, pc.console());
    assert.match(pc.console(), new RegExp(`^${GUEST}: [1-9][0-9]* checks passed, 0 failed$`, 'm'));
  });
}

test('services of the BIOS that are 32-bit code are called by way of system-management mode', {
  skip: skipWithoutNasm,
}, async () => {
  const image = new Uint8Array(1 << 20);
  image.set(assembled('ahci'));
  const disk = { bus: 'ahci', unit: 0, kind: 'disk', backend: new MemoryDisk(image) } as const;
  const pc = await startPc([disk], { time: 'deterministic', optionalDevices: ['isa-debug-exit'] });
  await pc.end;
  const { exits } = pc.guest.stats();
  // One into it and one out of it at POST; and for each call, to 32-bit code and back, in and out.
  assert((exits['system management'] ?? 0) >= 2 + 4, JSON.stringify(exits));
});
