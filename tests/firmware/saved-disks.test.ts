/** Guests with disks that they write to are saved and go on elsewhere: what is on the disks is as it was. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { BlockBackend } from '../../src/base/block.ts';
import { BlankDisk } from '../../src/block/blank-disk.ts';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { Overlay } from '../../src/block/overlay.ts';
import { SparseMemory } from '../../src/block/sparse-memory.ts';
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { throwAway } from '../../src/host/node/scratch-file.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestDrive, GuestVirtio } from '../../src/vmm/guest-options.ts';
import { assembled, skipWithoutNasm } from './boot-images.ts';
import { startPc } from './pc.ts';

const skip = skipWithoutNasm;
const FLOPPY_BYTES = 1_474_560;
const folder = mkdtempSync(join(tmpdir(), 'vivarium-saved-disks-'));
after(() => rmSync(folder, { recursive: true }));

type Bus = GuestDrive['bus'] | 'virtio';

function image(): Uint8Array {
  const bytes = new Uint8Array(FLOPPY_BYTES);
  bytes.set(assembled('store'));
  return bytes.fill(0x2d, 512);
}

/** A disk in memory that is thrown away, on `contents`. */
const layered = (contents: Uint8Array): Overlay => new Overlay(new MemoryDisk(contents, true), new SparseMemory());

function machine(bus: Bus, backend: BlockBackend): { readonly drives: GuestDrive[]; readonly virtio: GuestVirtio[] } {
  if (bus === 'virtio') return { drives: [], virtio: [{ kind: 'block', backend }] };
  return { drives: [{ bus, unit: 0, kind: bus === 'floppy' ? 'floppy' : 'disk', backend }], virtio: [] };
}

interface Running {
  readonly guest: Guest;
  /** Sends a letter; what the guest says then. */
  ask(letter: string): Promise<string>;
  stop(): Promise<void>;
}

async function says(console: () => string, from: number): Promise<string> {
  for (;;) {
    const end = console().indexOf('\n', from);
    if (end >= 0) return console().slice(from, end);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function running(guest: Guest, console: () => string, end: Promise<unknown>): Running {
  return {
    guest,
    ask(letter) {
      const from = console().length;
      guest.sendConsole(new TextEncoder().encode(letter));
      return says(console, from);
    },
    async stop() {
      guest.stop();
      await end;
    },
  };
}

async function boot(bus: Bus, backend: BlockBackend): Promise<Running> {
  const { drives, virtio } = machine(bus, backend);
  const options = { memoryBytes: 32 << 20, optionalDevices: ['isa-debug-exit'], packing: nodePacking, virtio };
  const pc = await startPc(drives, options, { bootOrder: 'ca' });
  await says(pc.console, 0);
  return running(pc.guest, pc.console, pc.end);
}

async function restore(bus: Bus, backend: BlockBackend, snapshot: Uint8Array, base?: Uint8Array): Promise<Running> {
  let text = '';
  const guest = await Guest.restore(snapshot, {
    ...machine(bus, backend),
    ...(base && { base }),
    onConsole: (bytes) => {
      text += Buffer.from(bytes).toString('latin1');
    },
    packing: nodePacking,
    host: nodePlatform,
  });
  return running(guest, () => text, guest.run());
}

const refusal = (says: RegExp) => (error: Error) => {
  assert.equal(error.name, 'SnapshotError');
  assert.match(error.message, /^The snapshot cannot be restored: [^\n]*\.$/);
  assert.match(error.message, says);
  return true;
};

for (const bus of ['ide', 'ahci', 'floppy', 'virtio'] as const) {
  test(`what is written to a layer on a disk is in the snapshot, on ${bus}`, { skip }, async () => {
    const first = await boot(bus, layered(image()));
    assert.equal(await first.ask('?'), '--');
    assert.equal(await first.ask('A'), 'written');
    const withA = await first.guest.snapshot();
    assert.equal(await first.ask('B'), 'written');
    const withB = await first.guest.snapshot({ base: withA });
    const whole = await first.guest.snapshot({ copyDisks: true });
    await first.stop();

    const again = await restore(bus, layered(image()), withA);
    assert.equal(await again.ask('?'), 'AA');
    assert.equal(await again.ask('C'), 'written');
    assert.equal(await again.ask('?'), 'CC');
    await again.stop();
    const later = await restore(bus, layered(image()), withB, withA);
    assert.equal(await later.ask('?'), 'BB');
    await later.stop();
    const copied = await restore(bus, layered(new Uint8Array(FLOPPY_BYTES)), whole);
    assert.equal(await copied.ask('?'), 'BB');
    await copied.stop();

    const other = image();
    other[FLOPPY_BYTES - 1] ^= 1;
    await assert.rejects(
      restore(bus, layered(other), withA),
      refusal(/: the image that is given has other contents\.$/),
    );
    await assert.rejects(restore(bus, layered(image().slice(512)), withA), refusal(/ 1474560 bytes/));
    await assert.rejects(restore(bus, new MemoryDisk(image()), withA), refusal(/with a layer for what is written\.$/));
    await assert.rejects(restore(bus, new MemoryDisk(image(), true), withA), refusal(/ to be writable\.$/));
  });
}

test('an image that is written in place is needed as it was, and one that was written since is refused', {
  skip,
}, async () => {
  const path = join(folder, 'in-place.img');
  writeFileSync(path, image());
  const open = (): Promise<BlockBackend> => openDiskFile(path, { role: 'disk image', readOnly: false });
  let disk = await open();
  const first = await boot('ide', disk);
  assert.equal(await first.ask('A'), 'written');
  const early = await first.guest.snapshot();
  const copied = await first.guest.snapshot({ copyDisks: true });
  assert.equal(await first.ask('B'), 'written');
  await first.stop();
  const late = await first.guest.snapshot();
  await disk.close();

  disk = await open();
  await assert.rejects(
    restore('ide', disk, early),
    refusal(/disk 0 on ide \(in-place\.img\) as it was: .* other contents\.$/),
  );
  const again = await restore('ide', disk, late);
  assert.equal(await again.ask('?'), 'BB');
  assert.equal(await again.ask('C'), 'written');
  await again.stop();
  await assert.rejects(restore('ide', disk, late), refusal(/other contents/));
  await disk.close();

  const own = await throwAway(new BlankDisk(FLOPPY_BYTES));
  const elsewhere = await restore('ide', own, copied);
  assert.equal(await elsewhere.ask('?'), 'AA');
  assert.equal(await elsewhere.ask('D'), 'written');
  assert.equal(await elsewhere.ask('?'), 'DD');
  await elsewhere.stop();
  await own.close();
});

test('what the guest writes while its disk is being saved is not in the snapshot', { skip }, async () => {
  let begun: (() => void) | undefined;
  /** Reads of more than the guest asks for are those of who saves. */
  class Slow extends MemoryDisk {
    override async read(offset: number, into: Uint8Array): Promise<void> {
      if (into.length > 65_536) {
        begun?.();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await super.read(offset, into);
    }
  }
  const first = await boot('virtio', new Slow(image()));
  assert.equal(await first.ask('A'), 'written');
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const saving = first.guest.snapshot({ copyDisks: true });
  await hasBegun;
  for (const letter of 'BCDEFGH') assert.equal(await first.ask(letter), 'written');
  const snapshot = await saving;
  assert.equal(await first.ask('?'), 'HH');
  await first.stop();
  const again = await restore('virtio', layered(new Uint8Array(FLOPPY_BYTES)), snapshot);
  assert.equal(await again.ask('?'), 'AA');
  await again.stop();
});

test('a disk that is not given is named', { skip }, async () => {
  const path = join(folder, 'named.img');
  writeFileSync(path, image());
  const disk = await throwAway(await openDiskFile(path, { role: 'disk image', readOnly: true }));
  const first = await boot('ahci', disk);
  const snapshot = await first.guest.snapshot();
  await first.stop();
  await disk.close();
  const options = { onConsole() {}, packing: nodePacking, host: nodePlatform };
  await assert.rejects(
    Guest.restore(snapshot, options),
    refusal(/is of a machine with disk 0 on ahci \(named\.img\), which is not given\.$/),
  );
});
