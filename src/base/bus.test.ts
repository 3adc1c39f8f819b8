import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AccessSize, Bus, type IoHandler } from './bus.ts';

/** Plain memory that notes how it was accessed. */
class Ram implements IoHandler {
  readonly bytes = new Uint8Array(16);
  readonly log: string[] = [];
  readonly widest?: AccessSize;

  constructor(widest?: AccessSize) {
    if (widest) this.widest = widest;
  }

  read(offset: number, size: AccessSize): number {
    this.log.push(`r${size}@${offset}`);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.bytes[offset + i];
    return value;
  }

  write(offset: number, value: number, size: AccessSize): void {
    this.log.push(`w${size}@${offset}`);
    for (let i = 0; i < size; i++) this.bytes[offset + i] = value >>> (8 * i);
  }
}

test('what nobody mapped reads as ones and swallows writes', () => {
  const bus = new Bus();
  bus.write(0x80, 1, 1);
  assert.equal(bus.read(0x80, 1), 0xff);
  assert.equal(bus.read(0x80, 2), 0xffff);
  assert.equal(bus.read(2 ** 51, 4), 0xffff_ffff);
});

test('handlers get offsets, from several ranges and far beyond 32 bits', () => {
  const bus = new Bus();
  const rams = [0x3f8, 0x20, 0xfee0_0000, 2 ** 40].map((base) => {
    const ram = new Ram();
    bus.map(base, 16, ram);
    return { base, ram };
  });
  for (const { base, ram } of rams) {
    bus.write(base + 4, 0x8765_4321, 4);
    assert.equal(bus.read(base + 4, 4), 0x8765_4321);
    assert.equal(bus.read(base + 6, 2), 0x8765);
    assert.deepEqual(ram.log, ['w4@4', 'r4@4', 'r2@6']);
  }
});

test('an access over the end of a range is split, the rest reads as ones', () => {
  const bus = new Bus();
  const ram = new Ram();
  bus.map(0, 15, ram);
  bus.write(13, 0x4433_2211, 4);
  assert.deepEqual(ram.log, ['w2@13']);
  assert.equal(bus.read(13, 4), 0xffff_2211);
  assert.equal(bus.read(14, 2), 0xff22);
});

test('wide accesses reach byte-wide devices as bytes, low address first', () => {
  const bus = new Bus();
  const ram = new Ram(1);
  bus.map(0x70, 16, ram);
  bus.write(0x72, 0x0403_0201, 4);
  assert.deepEqual(ram.log, ['w1@2', 'w1@3', 'w1@4', 'w1@5']);
  assert.equal(bus.read(0x72, 4), 0x0403_0201);
});

test('values are cut to the size of the access', () => {
  const bus = new Bus();
  const seen: number[] = [];
  bus.map(0, 4, { read: () => -1, write: (_, value) => seen.push(value) });
  bus.write(0, 0x1ff, 1);
  bus.write(0, -1, 4);
  assert.deepEqual(seen, [0xff, 0xffff_ffff]);
  assert.equal(bus.read(0, 2), 0xffff);
});

test('overlapping ranges are refused', () => {
  const bus = new Bus();
  bus.map(0x10, 4, new Ram());
  assert.throws(() => bus.map(0x13, 4, new Ram()), /overlap/);
  bus.map(0x14, 4, new Ram());
});

test('many accesses at once reach what takes them, where it takes them in one piece', () => {
  const bus = new Bus();
  const log: string[] = [];
  const handler = {
    widest: 2 as const,
    read: () => 0,
    write: () => {},
    readMany: (offset: number, size: number, bytes: Uint8Array) => log.push(`r${size}@${offset}*${bytes.length}`) > 0,
    writeMany: (offset: number, size: number, bytes: Uint8Array) => log.push(`w${size}@${offset}*${bytes.length}`) < 0,
  };
  bus.map(0x10, 4, handler);
  bus.map(0x20, 4, new Ram());
  const bytes = new Uint8Array(8);
  assert.equal(bus.readMany(0x11, 2, bytes), true);
  assert.equal(bus.writeMany(0x12, 1, bytes), false);
  assert.deepEqual(log, ['r2@1*8', 'w1@2*8']);
  assert.equal(bus.readMany(0x13, 2, bytes), false, 'across the end');
  assert.equal(bus.readMany(0x10, 4, bytes), false, 'wider than the device');
  assert.equal(bus.writeMany(0x20, 1, bytes), false, 'a device without');
  assert.equal(bus.readMany(0x30, 1, bytes), false, 'nobody');
  assert.equal(log.length, 2);
});
