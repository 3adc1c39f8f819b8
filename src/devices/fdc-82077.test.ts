import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drive } from '../base/block.ts';
import { Dma8237 } from './dma-8237.ts';
import { Fdc82077 } from './fdc-82077.ts';
import { TestClock, TestLine } from './test-clock.ts';
import { TestDisk } from './test-disk.ts';
import { TestMemory } from './test-memory.ts';

const [DOR, MSR, DSR, FIFO] = [2, 4, 4, 5];
const BUFFER = 0x1_0000;
const [READ, WRITE, FORMAT, READ_ID, VERIFY, READ_TRACK] = [0x46, 0x45, 0x4d, 0x4a, 0x56, 0x42];
const MULTI_TRACK = 0x80;
const SIZE = 2;

/** Every sector begins with its number in the image. */
function numbered(clock: TestClock, kibibytes: number): TestDisk {
  const disk = new TestDisk(clock, kibibytes * 1024);
  const view = new DataView(disk.bytes.buffer);
  for (let sector = 0; sector * 512 < disk.sizeBytes; sector++) {
    disk.bytes.fill(sector & 0xff, sector * 512, sector * 512 + 512);
    view.setUint32(sector * 512, sector, true);
  }
  return disk;
}

function bench({ kibibytes = 1440, clock = new TestClock(), disk = numbered(clock, kibibytes) } = {}) {
  const irq = new TestLine();
  const memory = new TestMemory(0x4_0000);
  const dma = new Dma8237({ memory });
  const drives = [new Drive(disk), new Drive()];
  const device = new Fdc82077({ clock, irq, dma: dma.channel(2), drives });
  const { registers, changeLine } = device;
  const status = (): number => registers.read(MSR, 1);
  const send = (...bytes: number[]): void => {
    for (const byte of bytes) {
      assert.equal(status() & 0xc0, 0x80, 'the controller takes a byte');
      registers.write(FIFO, byte, 1);
    }
  };
  const results = (): number[] => {
    const found: number[] = [];
    while ((status() & 0xd0) === 0xd0) found.push(registers.read(FIFO, 1));
    return found;
  };
  const wait = (): void => {
    for (let i = 0; i < 10_000 && !irq.level; i++) clock.advance(10_000);
    assert.ok(irq.level, 'an interrupt comes');
  };
  const b = {
    clock,
    irq,
    memory,
    dma,
    disk,
    drives,
    device,
    status,
    send,
    results,
    wait,
    out: (register: number, value: number) => registers.write(register, value, 1),
    in: (register: number) => registers.read(register, 1),
    change: () => changeLine.read(0, 1),
    rate: (code: number) => changeLine.write(0, code, 1),
    /** A command with an interrupt at its end: its results. */
    run(...bytes: number[]) {
      send(...bytes);
      wait();
      return results();
    },
    /** The DMA channel, as a driver sets it up for the floppy. */
    setUp(direction: 'read' | 'write' | 'verify', length: number) {
      const { first, pages } = dma;
      first.write(10, 6, 1);
      first.write(12, 0, 1);
      first.write(11, { read: 0x46, write: 0x4a, verify: 0x42 }[direction], 1);
      for (const value of [BUFFER & 0xff, (BUFFER >> 8) & 0xff]) first.write(4, value, 1);
      pages.write(1, BUFFER >> 16, 1);
      for (const value of [(length - 1) & 0xff, (length - 1) >> 8]) first.write(5, value, 1);
      first.write(10, 2, 1);
    },
    /** Sense after a seek or recalibration. */
    sense() {
      wait();
      send(0x08);
      return results();
    },
    /** Numbers of the sectors that lie in the buffer. */
    sectors: (count: number) => Array.from({ length: count }, (_, i) => memory.view.getUint32(BUFFER + i * 512, true)),
  };
  return b;
}

/** Out of reset, with the rate of the medium, the head on `track`. */
function ready({ track = 0, noDma = false, rate = 0, ...options }: Parameters<typeof prepare>[0] = {}) {
  return prepare({ track, noDma, rate, ...options });
}

function prepare(options: {
  track?: number;
  noDma?: boolean;
  rate?: number;
  kibibytes?: number;
  disk?: TestDisk;
  clock?: TestClock;
}) {
  const b = bench(options);
  b.out(DOR, 0x1c);
  b.wait();
  for (let i = 0; i < 4; i++) {
    b.send(0x08);
    b.results();
  }
  b.rate(options.rate ?? 0);
  b.send(0x03, 0xdf, options.noDma ? 3 : 2);
  b.send(0x0f, 0, options.track ?? 0);
  b.sense();
  return b;
}

/** The bytes of a data command: READ, C, H, R and so on. */
const at = (command: number, c: number, h: number, r: number, eot = 18): number[] => [
  ...[command, h << 2, c, h, r, SIZE, eot, 0x1b, 0xff],
];

test('leaving reset interrupts once, and four drives have something to tell', () => {
  const b = bench();
  assert.equal(b.status(), 0);
  b.out(DOR, 0x0c);
  b.wait();
  assert.equal(b.irq.edges, 1);
  for (let drive = 0; drive < 4; drive++) {
    b.send(0x08);
    assert.deepEqual(b.results(), [0xc0 | drive, 0]);
  }
  assert.equal(b.irq.level, false);
  b.send(0x08);
  assert.deepEqual(b.results(), [0x80]);
});

test('without polling, leaving reset is silent, if LOCK keeps that setting', () => {
  const b = ready();
  b.send(0x94);
  assert.deepEqual(b.results(), [0x10]);
  b.send(0x13, 0, 0x1a, 0);
  b.out(DSR, 0x80);
  b.clock.advance(1e9);
  assert.equal(b.irq.level, false);
  assert.equal(b.status(), 0x80);
  b.send(0x14);
  assert.deepEqual(b.results(), [0]);
  b.out(DSR, 0x80);
  b.wait();
});

test('interrupts pass only while the DOR lets them', () => {
  const b = bench();
  b.out(DOR, 0x04);
  b.clock.advance(1e9);
  assert.equal(b.irq.level, false);
  b.out(DOR, 0x0c);
  assert.equal(b.irq.level, true);
});

test("Linux's identification finds an 82077AA", () => {
  const b = ready();
  b.send(0x0e);
  assert.equal(b.results().length, 10);
  b.send(0x10);
  assert.deepEqual(b.results(), [0x90]);
  b.send(0x14);
  assert.deepEqual(b.results(), [0]);
  b.send(0x18); // PART ID of later chips
  assert.deepEqual(b.results(), [0x80]);
});

test('DUMPREG shows what SPECIFY, CONFIGURE, PERPENDICULAR MODE and a seek have set', () => {
  const b = ready({ track: 7 });
  b.send(0x13, 0, 0x57, 12);
  b.send(0x12, 0x85);
  b.send(0x94);
  b.results();
  b.send(0x0e);
  assert.deepEqual(b.results(), [7, 0, 0, 0, 0xdf, 2, 0, 0x85, 0x57, 12]);
});

test('sectors reach memory by DMA until its terminal count', () => {
  const b = ready({ track: 2 });
  b.setUp('read', 3 * 512);
  assert.deepEqual(b.run(...at(READ, 2, 1, 4)), [4, 0, 0, 2, 1, 7, SIZE]);
  const first = (2 * 2 + 1) * 18 + 3;
  assert.deepEqual(b.sectors(4), [first, first + 1, first + 2, 0]);
  assert.equal(b.irq.level, false);
});

test('the last sector of a track is followed by the first of the next cylinder, or of the other side', () => {
  const b = ready();
  b.setUp('read', 512);
  assert.deepEqual(b.run(...at(READ, 0, 0, 18)), [0, 0, 0, 1, 0, 1, SIZE]);
  b.setUp('read', 512);
  assert.deepEqual(b.run(...at(READ | MULTI_TRACK, 0, 0, 18)), [4, 0, 0, 0, 1, 1, SIZE]);
  b.setUp('read', 512);
  assert.deepEqual(b.run(...at(READ | MULTI_TRACK, 0, 1, 18)), [0, 0, 0, 1, 0, 1, SIZE]);
});

test('a multi-track transfer goes on over the second side, and no further', () => {
  const b = ready();
  b.setUp('read', 40 * 512);
  assert.deepEqual(b.run(...at(READ | MULTI_TRACK, 0, 0, 1)), [0x40, 0x80, 0, 1, 0, 1, SIZE]);
  const all = Array.from({ length: 36 }, (_, i) => i);
  assert.deepEqual(b.sectors(37), [...all, 0]);
});

test('sectors written reach the image; the rest of one cut short is zero', () => {
  const b = ready({ track: 1 });
  b.memory.bytes.fill(0xaa, BUFFER, BUFFER + 1024);
  b.setUp('write', 512 + 100);
  assert.deepEqual(b.run(...at(WRITE, 1, 0, 2)), [0, 0, 0, 1, 0, 4, SIZE]);
  const start = 37 * 512;
  const expected = new Uint8Array(1024);
  expected.fill(0xaa, 0, 612);
  assert.deepEqual(b.disk.bytes.slice(start, start + 1024), expected);
  assert.equal(b.disk.bytes[start + 1024], 39);
});

test('the processor can read sectors itself, to the end of the track', () => {
  const b = ready({ noDma: true });
  b.send(...at(READ, 0, 1, 17));
  const read: number[] = [];
  for (let sector = 0; sector < 2; sector++) {
    b.wait();
    assert.equal(b.status(), 0xf0);
    for (let i = 0; i < 512; i++) read.push(b.in(FIFO));
    assert.equal(b.irq.level, sector === 1, 'the second one ends the command');
  }
  assert.deepEqual(Uint8Array.from(read), b.disk.bytes.slice(34 * 512, 36 * 512));
  b.wait();
  assert.deepEqual(b.results(), [0x44, 0x80, 0, 1, 1, 1, SIZE]);
});

test('the processor can write sectors itself', () => {
  const b = ready({ noDma: true });
  b.send(...at(WRITE, 0, 0, 18));
  b.wait();
  assert.equal(b.status(), 0xb0);
  for (let i = 0; i < 512; i++) b.out(FIFO, 0x55);
  assert.equal(b.status() & 0x80, 0);
  b.wait();
  assert.deepEqual(b.results(), [0x40, 0x80, 0, 1, 0, 1, SIZE]);
  assert.deepEqual(b.disk.bytes.slice(17 * 512, 18 * 512), new Uint8Array(512).fill(0x55));
});

test('a write-protected medium is not written, and SENSE DRIVE STATUS tells of it', () => {
  const b = ready();
  b.disk.readOnly = true;
  b.setUp('write', 512);
  assert.deepEqual(b.run(...at(WRITE, 0, 0, 1)), [0x40, 0x02, 0, 0, 0, 1, SIZE]);
  b.setUp('write', 4);
  assert.deepEqual(b.run(FORMAT, 0, SIZE, 1, 0x6c, 0xf6).slice(0, 3), [0x40, 0x02, 0]);
  b.send(0x04, 0);
  assert.deepEqual(b.results(), [0x78]);
  b.disk.readOnly = false;
  b.send(0x04, 0);
  assert.deepEqual(b.results(), [0x38]);
});

test('formatting a track fills its sectors', () => {
  const b = ready({ track: 3 });
  for (let r = 1; r <= 18; r++) b.memory.bytes.set([3, 1, r, SIZE], BUFFER + (r - 1) * 4);
  b.setUp('write', 18 * 4);
  assert.deepEqual(b.run(FORMAT, 4, SIZE, 18, 0x6c, 0xf6).slice(0, 3), [4, 0, 0]);
  const start = (3 * 2 + 1) * 18 * 512;
  assert.deepEqual(b.disk.bytes.slice(start, start + 18 * 512), new Uint8Array(18 * 512).fill(0xf6));
  assert.equal(b.disk.bytes[start - 1], (start / 512 - 1) & 0xff);
  assert.equal(b.disk.bytes[start + 18 * 512 + 8], (start / 512 + 18) & 0xff);
});

test('a format that an image has no room for is refused', () => {
  const b = ready();
  b.memory.bytes.set([0, 0, 19, SIZE], BUFFER);
  b.setUp('write', 4);
  assert.deepEqual(b.run(FORMAT, 0, SIZE, 1, 0x6c, 0xf6).slice(0, 3), [0x40, 0x04, 0]);
  assert.deepEqual(b.run(FORMAT, 0, 3, 1, 0x6c, 0xf6).slice(0, 3), [0x40, 0x04, 0]);
});

test('what is not on the track is not found', () => {
  const b = ready({ track: 5 });
  b.setUp('read', 512);
  assert.deepEqual(b.run(...at(READ, 4, 0, 1)).slice(0, 3), [0x40, 0x04, 0x10], 'another cylinder');
  assert.deepEqual(b.run(...at(READ, 0xff, 0, 1)).slice(0, 3), [0x40, 0x04, 0x02], 'a bad cylinder');
  assert.deepEqual(b.run(...at(READ, 5, 0, 19, 36)).slice(0, 3), [0x40, 0x04, 0], 'no such sector');
  assert.deepEqual(b.run(...at(READ, 5, 0, 0)).slice(0, 3), [0x40, 0x04, 0], 'sector 0');
  assert.deepEqual(b.run(READ, 0, 5, 1, 1, SIZE, 18, 0x1b, 0xff).slice(0, 3), [0x40, 0x04, 0], 'the other head');
  assert.deepEqual(b.run(READ, 0, 5, 0, 1, 3, 18, 0x1b, 0xff).slice(0, 3), [0x40, 0x04, 0], 'sectors of 1 KiB');
  assert.deepEqual(b.run(...at(0x4c, 5, 0, 1)).slice(0, 3), [0x40, 0x04, 0], 'deleted data');
});

test('no medium, another density, FM and tracks beyond the last have nothing to read', () => {
  const b = ready();
  b.setUp('read', 512);
  const missing = [0x40, 0x01, 0];
  assert.deepEqual(b.run(...at(READ & ~0x40, 0, 0, 1)).slice(0, 3), missing);
  b.rate(2);
  assert.deepEqual(b.run(...at(READ, 0, 0, 1)).slice(0, 3), missing);
  b.rate(0);
  b.send(0x0f, 0, 80);
  b.sense();
  assert.deepEqual(b.run(...at(READ, 80, 0, 1)).slice(0, 3), missing);
  b.drives[0].change(undefined);
  assert.deepEqual(b.run(...at(READ, 80, 0, 1)).slice(0, 3), missing);
});

for (const [kibibytes, rate, tracks, heads, sectors] of [
  [160, 2, 40, 1, 8],
  [180, 2, 40, 1, 9],
  [320, 1, 40, 2, 8],
  [360, 2, 40, 2, 9],
  [720, 2, 80, 2, 9],
  [1200, 0, 80, 2, 15],
  [1440, 0, 80, 2, 18],
  [1680, 0, 80, 2, 21],
  [1722, 0, 82, 2, 21],
  [2880, 3, 80, 2, 36],
]) {
  test(`an image of ${kibibytes} KiB has ${tracks} tracks, ${heads} sides and ${sectors} sectors`, () => {
    const b = ready({ kibibytes, rate, track: tracks - 1 });
    b.setUp('read', 512);
    const last = at(READ, tracks - 1, heads - 1, sectors, sectors);
    assert.deepEqual(b.run(...last).slice(0, 3), [(heads - 1) << 2, 0, 0]);
    assert.deepEqual(b.sectors(1), [(kibibytes * 1024) / 512 - 1]);
    b.setUp('read', 512);
    assert.equal(b.run(...at(READ, tracks - 1, heads - 1, sectors + 1, 99))[1], 0x04);
  });
}

test('an image that is only the beginning of a disk reads as zero behind its end, and cannot be written there', () => {
  const clock = new TestClock();
  const b = ready({ clock, disk: numbered(clock, 1) });
  b.memory.bytes.fill(0xee, BUFFER, BUFFER + 2048);
  b.setUp('read', 4 * 512);
  assert.deepEqual(b.run(...at(READ, 0, 0, 1)), [0, 0, 0, 0, 0, 5, SIZE]);
  assert.deepEqual(b.sectors(4), [0, 1, 0, 0]);
  b.setUp('write', 512);
  assert.deepEqual(b.run(...at(WRITE, 0, 0, 3)).slice(0, 3), [0x40, 0x20, 0x20]);
});

test('a failure of the host is an error of the medium', () => {
  const b = ready();
  b.disk.problem = 'io';
  b.setUp('read', 512);
  assert.deepEqual(b.run(...at(READ, 0, 0, 3)), [0x40, 0x20, 0x20, 0, 0, 3, SIZE]);
  b.disk.problem = 'full';
  b.setUp('write', 512);
  assert.deepEqual(b.run(...at(WRITE, 0, 0, 3)), [0x40, 0x20, 0x20, 0, 0, 3, SIZE]);
});

test('a DMA channel that does not serve is an overrun', () => {
  const b = ready();
  assert.deepEqual(b.run(...at(READ, 0, 0, 1)).slice(0, 3), [0x40, 0x10, 0]);
  b.setUp('read', 512);
  assert.deepEqual(b.run(...at(WRITE, 0, 0, 1)).slice(0, 3), [0x40, 0x10, 0]);
});

test('VERIFY reads and moves nothing', () => {
  const b = ready();
  assert.deepEqual(b.run(...at(VERIFY, 0, 0, 17)).slice(0, 3), [0, 0, 0]);
  assert.equal(b.disk.requests.length, 2);
  const counted = at(VERIFY, 0, 0, 1);
  counted[1] |= 0x80;
  counted[8] = 5;
  assert.deepEqual(b.run(...counted), [0, 0, 0, 0, 0, 6, SIZE]);
  b.disk.problem = 'io';
  assert.deepEqual(b.run(...at(VERIFY, 0, 0, 1)).slice(0, 3), [0x40, 0x20, 0x20]);
});

test('READ TRACK reads from the index on, and tells if the sector asked for was not the first', () => {
  const b = ready();
  b.setUp('read', 18 * 512);
  assert.deepEqual(b.run(...at(READ_TRACK, 0, 0, 9)).slice(0, 3), [0x40, 0x04, 0]);
  assert.deepEqual(b.sectors(18), [...Array(18).keys()]);
});

test('READ ID finds a sector of the track under the head', () => {
  const b = ready({ track: 9 });
  const [st0, st1, st2, c, h, r, n] = b.run(READ_ID, 4);
  assert.deepEqual([st0, st1, st2, c, h, n], [4, 0, 0, 9, 1, SIZE]);
  assert.ok(r >= 1 && r <= 18);
  assert.deepEqual(b.run(READ_ID, 1).slice(0, 3), [0x41, 0x05, 0]);
});

test('seeks end with an interrupt that SENSE INTERRUPT STATUS explains', () => {
  const b = ready();
  b.send(0x0f, 4, 40);
  assert.equal(b.status() & 0x0f, 1);
  assert.deepEqual(b.sense(), [0x24, 40]);
  assert.equal(b.irq.level, false);
  b.send(0xcf, 0, 5);
  assert.deepEqual(b.sense(), [0x20, 45]);
  b.send(0x8f, 0, 50);
  assert.deepEqual(b.sense(), [0x20, 0]);
  b.send(0x0f, 0, 3);
  b.sense();
  b.send(0x07, 0);
  assert.deepEqual(b.sense(), [0x20, 0]);
});

test('a drive that is not there never finds track 0', () => {
  const b = ready();
  b.send(0x07, 2);
  assert.deepEqual(b.sense(), [0x72, 0]);
});

test('CONFIGURE can have transfers seek by themselves', () => {
  const b = ready();
  b.send(0x13, 0, 0x60, 0);
  b.setUp('read', 512);
  assert.deepEqual(b.run(...at(READ, 33, 0, 1)).slice(0, 3), [0, 0, 0]);
  assert.deepEqual(b.sectors(1), [33 * 36]);
});

test('the change line is up from the change to the next step with a medium', () => {
  const b = bench();
  b.out(DOR, 0x1c);
  assert.equal(b.change(), 0x80, 'as after power-on');
  b.wait();
  b.send(0x07, 0);
  b.sense();
  assert.equal(b.change(), 0);
  b.drives[0].change(undefined);
  assert.equal(b.change(), 0x80);
  b.send(0x0f, 0, 1);
  b.sense();
  assert.equal(b.change(), 0x80, 'a step without a medium');
  b.drives[0].change(numbered(b.clock, 1440));
  assert.equal(b.change(), 0x80);
  b.send(0x0f, 0, 0);
  b.sense();
  assert.equal(b.change(), 0);
  b.out(DOR, 0x4e);
  assert.equal(b.change(), 0, 'there is no drive 2');
});

test('a medium taken out fails the command that reads it', () => {
  const b = ready();
  b.setUp('read', 4096);
  b.send(...at(READ, 0, 0, 1));
  b.clock.advance(115_000);
  b.drives[0].change(undefined);
  b.wait();
  assert.deepEqual(b.results().slice(0, 2), [0x40, 0x01]);
});

test('a reset in a transfer ends it for good', () => {
  const b = ready();
  b.setUp('write', 4096);
  b.send(...at(WRITE, 0, 0, 1));
  b.clock.advance(115_000);
  assert.equal(b.disk.requests.length, 2);
  b.out(DOR, 0x18);
  assert.equal(b.status(), 0);
  b.out(DOR, 0x1c);
  b.clock.advance(1e9);
  assert.equal(b.disk.requests.length, 2);
  b.send(0x08);
  assert.deepEqual(b.results(), [0xc0, 0]);
});

test('saved in the middle of a transfer, it ends in another machine as it would have here', () => {
  for (const command of [READ, WRITE]) {
    for (const delayNs of [0, 50_000, 105_000, 125_000, 1_000_000]) {
      const b = ready();
      b.memory.bytes.fill(0x77, BUFFER, BUFFER + 4096);
      b.setUp(command === READ ? 'read' : 'write', 4096);
      b.send(...at(command, 0, 0, 1));
      b.clock.advance(delayNs);
      const other = bench({ disk: b.disk, clock: b.clock });
      other.memory.bytes.set(b.memory.bytes);
      other.dma.restore(b.dma.save());
      other.device.restore(b.device.save());
      other.wait();
      assert.deepEqual(other.results(), [0, 0, 0, 0, 0, 9, SIZE]);
      const read = other.memory.bytes.slice(BUFFER, BUFFER + 4096);
      assert.deepEqual(read, b.disk.bytes.slice(0, 4096));
      assert.equal(read[9], command === READ ? 0 : 0x77);
    }
  }
});

test('bytes at the wrong time are ignored', () => {
  const b = ready();
  assert.equal(b.in(FIFO), 0);
  b.send(0x10);
  b.out(FIFO, 0x46);
  assert.deepEqual(b.results(), [0x90]);
  assert.equal(b.status(), 0x80);
  b.setUp('read', 512);
  b.send(...at(READ, 0, 0, 1));
  b.out(FIFO, 0x08);
  assert.equal(b.in(FIFO), 0);
  b.wait();
  assert.equal(b.results().length, 7);
});
