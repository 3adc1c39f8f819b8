/** Keys of the PS/2 keyboard reach firmware: SeaBIOS opens its boot menu, and boots what is chosen there. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { startPc } from './pc.ts';

test('Escape opens the boot menu, and a digit chooses from it', async () => {
  const medium = new MemoryDisk(new Uint8Array(2 ** 20));
  const pc = await startPc(
    [{ bus: 'ide', unit: 0, kind: 'disk', backend: medium }],
    { optionalDevices: ['isa-debugcon'] },
    { bootMenuMs: 60_000 },
  );
  const press = (code: string): void => {
    pc.guest.keyboard.key(code, true);
    pc.guest.keyboard.key(code, false);
  };
  await pc.until(() => pc.screen().some((row) => row.includes('ESC for boot menu')));
  press('Escape');
  await pc.until(() => pc.screen().some((row) => row.startsWith('1. ')));
  assert.ok(pc.screen().includes('Select boot device:'));
  press('Digit1');
  await pc.until(() => pc.console().includes('Booting from Hard Disk...'));
  pc.guest.stop();
  assert.deepEqual(await pc.end, { kind: 'stopped' });
});

test('keys that wait while firmware starts do not keep it from the keyboard', async () => {
  const medium = new MemoryDisk(new Uint8Array(2 ** 20));
  const pc = await startPc([{ bus: 'ide', unit: 0, kind: 'disk', backend: medium }], {}, { bootMenuMs: 60_000 });
  for (let i = 0; i < 80; i++) pc.guest.keyboard.key('KeyA', i % 2 === 0);
  await pc.until(() => pc.screen().some((row) => row.includes('ESC for boot menu')));
  pc.guest.keyboard.key('Escape', true);
  pc.guest.keyboard.key('Escape', false);
  await pc.until(() => pc.screen().some((row) => row.startsWith('1. ')));
  pc.guest.stop();
  await pc.end;
});
