/** A whole PC is saved and goes on elsewhere: firmware, shadowed ROM, PCI, screen, and a CD-ROM that is being read. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestDrive, GuestOptions, RestoreOptions } from '../../src/vmm/guest-options.ts';
import { startPc } from './pc.ts';

const DETERMINISTIC: Partial<GuestOptions> = {
  time: 'deterministic',
  optionalDevices: ['isa-debugcon'],
  memoryBytes: 64 << 20,
  packing: nodePacking,
};

/** A CD-ROM that no firmware can start from, and that it looks at for a while. */
function drives(backend = new MemoryDisk(new Uint8Array(1 << 20))): GuestDrive[] {
  return [{ bus: 'ide', unit: 2, kind: 'cdrom', backend }];
}

const restore = (snapshot: Uint8Array, options: Partial<RestoreOptions> = {}): Promise<Guest> =>
  Guest.restore(snapshot, {
    onConsole() {},
    packing: nodePacking,
    host: nodePlatform,
    drives: drives(),
    ...options,
  } as RestoreOptions);

/** In POST, while drives are looked for, and while it waits to start again. */
const MARKS = [300_000, 1_000_000, 3_000_000, 6_000_000];

/** Ends when the firmware, with nothing to boot, starts again. */
async function run() {
  const snapshots: Promise<Uint8Array>[] = [];
  const pc = await startPc(drives(), DETERMINISTIC);
  const { guest } = pc;
  const { cpu } = guest.debug;
  const slice = cpu.run.bind(cpu);
  cpu.run = (budget) => {
    const mark = MARKS[snapshots.length];
    const reason = slice(mark === undefined ? budget : Math.min(budget, Math.max(1, mark - cpu.instructions)));
    if (mark !== undefined && cpu.instructions >= mark) snapshots.push(guest.snapshot());
    return reason;
  };
  assert.deepEqual(await pc.end, { kind: 'reset' });
  return { guest, snapshots: await Promise.all(snapshots) };
}

test('a PC goes on from each of its snapshots to the same state and screen', async () => {
  const { guest: original, snapshots } = await run();
  assert.equal(snapshots.length, MARKS.length, `it ran ${original.stats().instructions} instructions`);
  for (const [i, snapshot] of snapshots.entries()) {
    const guest = await restore(snapshot);
    assert.deepEqual(await guest.run(), { kind: 'reset' });
    assert.equal(guest.stats().instructions, original.stats().instructions, `snapshot ${i}`);
    assert.equal(guest.stateHash(), original.stateHash(), `snapshot ${i}`);
    assert.deepEqual(guest.screen?.image(), original.screen?.image(), `snapshot ${i}`);
  }
});

const REFUSED: readonly (readonly [what: string, given: Partial<RestoreOptions>, says: RegExp])[] = [
  ['without its CD-ROM', { drives: [] }, /: it is of a machine with cdrom 2 on ide, which is not given\.$/],
  [
    'with another CD-ROM',
    { drives: drives(new MemoryDisk(new Uint8Array(2048))) },
    /cdrom 2 on ide that has 1048576 bytes in it\.$/,
  ],
];

test('a PC is not restored as another one', async () => {
  const { guest } = await startPc(drives(), DETERMINISTIC);
  const snapshot = await guest.snapshot();
  guest.stop();
  for (const [what, given, says] of REFUSED) await assert.rejects(restore(snapshot, given), says, what);
});
