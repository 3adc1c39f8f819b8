import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../devices/test-clock.ts';
import { TestMemory as DeviceMemory } from '../devices/test-memory.ts';
import { VirtioRng } from '../devices/virtio/virtio-rng.ts';
import { writeAcpiTables } from './acpi/tables.ts';
import { type BoardEnd, PcBoard } from './pc.ts';
import * as at from './pc-layout.ts';
import { FIRST_VIRTIO_SLOT, MOST_VIRTIO_DEVICES } from './pci-root.ts';
import { TestMemory } from './test-memory.ts';

const NOBODY = 0xffff_ffff;
const STATUS = 0x14;

function board(count: number) {
  const ends: BoardEnd[] = [];
  const rng = (): VirtioRng => new VirtioRng({ random: (bytes) => new Uint8Array(bytes) });
  const pc = new PcBoard(
    {
      clock: new TestClock(),
      wallClockMs: () => 0,
      serialOutput: () => {},
      end: (end) => ends.push(end),
      ...(count > 0 && {
        virtio: { memory: new DeviceMemory(0x1000), devices: Array.from({ length: count }, rng) },
      }),
    },
    [],
  );
  const configuration = (slot: number, register: number): number => {
    pc.ports.write(at.PCI_ADDRESS_PORT, (0x8000_0000 | (slot << 11) | register) >>> 0, 4);
    return pc.ports.read(at.PCI_DATA_PORT, 4);
  };
  return { pc, ends, configuration };
}

test('a board without firmware has PCI if it has virtio devices, each in a slot and at an address of its own', () => {
  const { pc, configuration } = board(2);
  assert.equal(configuration(0, 0), 0x1237_8086);
  assert.equal(configuration(1, 0), 0x7000_8086);
  for (const i of [0, 1]) {
    const slot = FIRST_VIRTIO_SLOT + i;
    assert.equal(configuration(slot, 0), 0x1044_1af4);
    const base = configuration(slot, 0x10);
    assert.equal(base, at.PCI_MEMORY_BASE + i * 0x8000);
    pc.mmio.write(base + STATUS, 1 + i, 1);
    assert.equal(pc.mmio.read(base + STATUS, 1), 1 + i);
  }
  assert.equal(configuration(FIRST_VIRTIO_SLOT + 2, 0), NOBODY);
  assert.equal(board(0).configuration(0, 0), NOBODY);
});

test('the reset port is among those of PCI', () => {
  const { pc, ends } = board(1);
  pc.ports.write(at.RESET_PORT, at.RESET_VALUE, 1);
  assert.deepEqual(ends, [{ kind: 'reset' }]);
});

test('there are slots for so many and no more', () => {
  board(MOST_VIRTIO_DEVICES);
  assert.throws(() => board(MOST_VIRTIO_DEVICES + 1), RangeError);
});

test('tables for such a board describe the bus and its links, but no HPET', () => {
  const describes = (hasPci: boolean): boolean[] => {
    const memory = new TestMemory(0x10_0000);
    writeAcpiTables(memory, { cpuCount: 1, hasPci });
    const text = new TextDecoder('latin1').decode(memory.slice(0xe_0000, 0x2_0000));
    return ['PCI0', '_PRT', 'LNKA', 'HPET'].map((name) => text.includes(name));
  };
  assert.deepEqual(describes(true), [true, true, true, false]);
  assert.deepEqual(describes(false), [false, false, false, false]);
});
