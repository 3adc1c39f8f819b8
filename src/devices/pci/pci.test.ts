import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bus, type IoHandler } from '../../base/bus.ts';
import type { IrqLine } from '../../base/irq.ts';
import { defineState } from '../../base/state.ts';
import { Device } from '../device.ts';
import { I440fx, type ShadowRange } from './i440fx.ts';
import { PciBus } from './pci-bus.ts';
import { PciConfig } from './pci-config.ts';
import { Piix3 } from './piix3.ts';
import { Piix4Pm } from './piix4-pm.ts';

const IDENTITY = { vendor: 0x1234, device: 0x5678, classCode: 0x02_00_00, interruptPin: 1 } as const;
const cardState = defineState('test-card', 1, {});

class Card extends Device<Record<string, never>> {
  readonly config: PciConfig;
  constructor(config: PciConfig) {
    super(cardState as never);
    this.config = config;
  }
}

/** A register that tells where it was reached. */
function registers(name: number): IoHandler {
  return { read: (offset) => name + offset, write: () => {} };
}

function bus(cards: readonly (readonly [slot: number, number: number, config: PciConfig])[]) {
  const ports = new Bus();
  const mmio = new Bus();
  const levels = [false, false, false, false];
  const interrupts: IrqLine[] = levels.map((_, i) => ({
    set: (level) => {
      levels[i] = level;
    },
  }));
  const beside: IoHandler = { read: () => 0x77, write: () => {} };
  const pci = new PciBus({ ports, mmio, interrupts, mapVideo: () => {}, beside });
  ports.map(0xcf8, 4, pci.address);
  ports.map(0xcfc, 4, pci.data);
  for (const [slot, number, config] of cards) pci.attach(slot, number, new Card(config));
  const select = (slot: number, number: number, register: number): void =>
    ports.write(0xcf8, 0x8000_0000 + slot * 0x800 + number * 0x100 + (register & 0xfc), 4);
  return {
    pci,
    ports,
    mmio,
    levels,
    read(slot: number, number: number, register: number, size: 1 | 2 | 4 = 4) {
      select(slot, number, register);
      return ports.read(0xcfc + (register & 3), size);
    },
    write(slot: number, number: number, register: number, value: number, size: 1 | 2 | 4 = 4) {
      select(slot, number, register);
      ports.write(0xcfc + (register & 3), value, size);
    },
  };
}

const card = (): PciConfig =>
  new PciConfig({
    identity: IDENTITY,
    bars: [
      { index: 0, space: 'io', sizeBytes: 0x20, handler: registers(0x10) },
      { index: 1, space: 'memory', sizeBytes: 0x1000, handler: registers(0x40) },
    ],
  });

test('functions are found where they are plugged, and nowhere else', () => {
  const { read } = bus([[3, 0, card()]]);
  assert.equal(read(3, 0, 0), 0x5678_1234);
  assert.equal(read(3, 0, 2, 2), 0x5678);
  assert.equal(read(3, 0, 0x0b, 1), 0x02);
  for (const [slot, number] of [
    [2, 0],
    [3, 1],
    [31, 7],
  ] as const) {
    assert.equal(read(slot, number, 0), 0xffff_ffff);
  }
});

test('identity cannot be written', () => {
  const { read, write } = bus([[3, 0, card()]]);
  for (const register of [0x00, 0x08, 0x2c]) {
    const before = read(3, 0, register);
    write(3, 0, register, ~before >>> 0);
    assert.equal(read(3, 0, register), before);
  }
});

test('base addresses tell their size, and lead to the registers once decoding is on', () => {
  const { read, write, ports, mmio } = bus([[3, 0, card()]]);
  write(3, 0, 0x10, 0xffff_ffff);
  write(3, 0, 0x14, 0xffff_ffff);
  assert.deepEqual([read(3, 0, 0x10), read(3, 0, 0x14)], [0xffff_ffe1, 0xffff_f000]);
  write(3, 0, 0x10, 0xc000);
  write(3, 0, 0x14, 0xfeb0_0000);
  assert.deepEqual([ports.read(0xc004, 1), mmio.read(0xfeb0_0004, 1)], [0xff, 0xff]);
  write(3, 0, 0x04, 3, 2);
  assert.deepEqual([ports.read(0xc004, 1), mmio.read(0xfeb0_0004, 1)], [0x14, 0x44]);
  write(3, 0, 0x10, 0xd000);
  assert.deepEqual([ports.read(0xc004, 1), ports.read(0xd004, 1)], [0xff, 0x14]);
  write(3, 0, 0x04, 2, 2);
  assert.deepEqual([ports.read(0xd004, 1), mmio.read(0xfeb0_0004, 1)], [0xff, 0x44]);
});

test('an expansion ROM tells its size, and is read where it was placed while it and memory are switched on', () => {
  const rom = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
  const { read, write, mmio } = bus([[3, 0, new PciConfig({ identity: IDENTITY, rom })]]);
  assert.equal(read(3, 0, 0x30), 0);
  write(3, 0, 0x30, 0xffff_fffe);
  assert.equal(read(3, 0, 0x30), 0xffff_e000);
  write(3, 0, 0x30, 0xfeb0_0000);
  write(3, 0, 0x04, 2, 2);
  assert.equal(mmio.read(0xfeb0_0000, 1), 0xff);
  write(3, 0, 0x30, 0xfeb0_0001);
  const bytes = (at: number): number[] => Array.from({ length: 4 }, (_, i) => rom[at + i] as number);
  const word = ([a, b, c, d]: number[]): number => (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  assert.equal(mmio.read(0xfeb0_0000, 4), word(bytes(0)));
  assert.equal(mmio.read(0xfeb0_1384, 4), word(bytes(4996)));
  assert.equal(mmio.read(0xfeb0_1388, 4), 0xffff_ffff);
  mmio.write(0xfeb0_0000, 0, 4);
  assert.equal(mmio.read(0xfeb0_0000, 4), word(bytes(0)));
  write(3, 0, 0x04, 0, 2);
  assert.equal(mmio.read(0xfeb0_0000, 4), 0xffff_ffff);
});

test('functions without a ROM have no register for it, and too large a ROM is refused', () => {
  const { read, write } = bus([[3, 0, card()]]);
  write(3, 0, 0x30, 0xffff_ffff);
  assert.equal(read(3, 0, 0x30), 0);
  assert.throws(() => new PciConfig({ identity: IDENTITY, rom: new Uint8Array(2 ** 24 + 1) }), RangeError);
});

test('two functions at one address disturb nobody: the first has it, the other when the first has gone', () => {
  const { write, ports } = bus([
    [3, 0, card()],
    [4, 0, card()],
  ]);
  for (const slot of [3, 4]) {
    write(slot, 0, 0x10, 0xc000);
    write(slot, 0, 0x04, 1, 2);
  }
  assert.equal(ports.read(0xc000, 1), 0x10);
  write(3, 0, 0x04, 0, 2);
  assert.equal(ports.read(0xc001, 1), 0x11);
  // The configuration ports themselves cannot be taken away.
  write(4, 0, 0x10, 0xce0);
  assert.equal(ports.read(0xcf9, 1), 0x77);
});

test('a reset takes addresses back', () => {
  const config = card();
  const { write, ports } = bus([[3, 0, config]]);
  write(3, 0, 0x10, 0xc000);
  write(3, 0, 0x04, 1, 2);
  assert.equal(ports.read(0xc000, 1), 0x10);
  config.reset();
  assert.equal(ports.read(0xc000, 1), 0xff);
});

test('saved configuration comes back with what it decodes; other identities are not believed', () => {
  const from = card();
  const into = card();
  const first = bus([[3, 0, from]]);
  const second = bus([[3, 0, into]]);
  first.write(3, 0, 0x10, 0xc000);
  first.write(3, 0, 0x04, 1, 2);
  into.restore(from.save());
  assert.equal(second.ports.read(0xc000, 1), 0x10);
  const stranger = new PciConfig({ identity: { ...IDENTITY, vendor: 0x9999 } });
  into.restore(stranger.save());
  assert.equal(second.read(3, 0, 0, 2), IDENTITY.vendor);
});

test('pins of neighbouring slots lead to different interrupts, and share them', () => {
  const { pci, levels } = bus([]);
  const slot1 = pci.intx(1, 1);
  const slot5 = pci.intx(5, 1);
  const slot2 = pci.intx(2, 1);
  slot1.set(true);
  slot5.set(true);
  assert.deepEqual(levels, [true, false, false, false]);
  slot1.set(false);
  assert.deepEqual(levels, [true, false, false, false]);
  slot5.set(false);
  slot2.set(true);
  assert.deepEqual(levels, [false, true, false, false]);
});

test('PIIX3 routes PIRQs to ISA interrupts, and takes them along when a route changes', () => {
  const high = new Set<number>();
  const isa = Array.from({ length: 16 }, (_, irq) => ({
    set: (level: boolean) => void (level ? high.add(irq) : high.delete(irq)),
  }));
  const piix3 = new Piix3({ isa });
  piix3.pirqs[0]?.set(true);
  assert.deepEqual([...high], []);
  piix3.config.write(0x60, 10, 1);
  assert.deepEqual([...high], [10]);
  piix3.config.write(0x60, 11, 1);
  assert.deepEqual([...high], [11]);
  piix3.config.write(0x61, 11, 1);
  piix3.pirqs[1]?.set(true);
  piix3.pirqs[0]?.set(false);
  assert.deepEqual([...high], [11]);
  piix3.config.write(0x61, 0x80, 1);
  assert.deepEqual([...high], []);
});

test('the attributes of 440FX cover 0xC0000 to 0xFFFFF without gaps', () => {
  let ranges: readonly ShadowRange[] = [];
  const bridge = new I440fx({
    shadow: (all) => {
      ranges = all;
    },
  });
  bridge.config.write(0x59, 0x10, 1);
  bridge.config.write(0x5a, 0x23, 1);
  const sorted = [...ranges].sort((a, b) => a.base - b.base);
  let end = 0xc_0000;
  for (const { base, length } of sorted) {
    assert.equal(base, end);
    end += length;
  }
  assert.equal(end, 0x10_0000);
  const at = (address: number) => sorted.find(({ base, length }) => address >= base && address < base + length);
  const access = (address: number) => [at(address)?.readsMemory, at(address)?.writesMemory];
  assert.deepEqual(access(0xf_0000), [true, false]);
  assert.deepEqual(access(0xc_0000), [true, true]);
  assert.deepEqual(access(0xc_4000), [false, true]);
  assert.deepEqual(access(0xe_c000), [false, false]);
});

/** SMRAM of a 440FX: what it was told to show last, undefined before. */
function smram() {
  const shown: { last: ShadowRange | undefined } = { last: undefined };
  const bridge = new I440fx({
    shadow: (ranges) => {
      shown.last = ranges.find(({ base }) => base === 0xa_0000) ?? shown.last;
    },
  });
  const shows = (): boolean => shown.last?.readsMemory === true && shown.last.writesMemory;
  return { bridge, shown, shows };
}

test('440FX: memory is in front of the video window while SMRAM is open, or the processor in management mode', () => {
  const { bridge, shown, shows } = smram();
  bridge.config.write(0x72, 0x40, 1);
  assert.equal(shown.last, undefined, 'SMRAM is not enabled');
  bridge.config.write(0x72, 0x48, 1);
  assert.deepEqual(shown.last, { base: 0xa_0000, length: 0x2_0000, readsMemory: true, writesMemory: true });
  bridge.config.write(0x72, 0x08, 1);
  assert.equal(shows(), false);
  bridge.smiact.set(true);
  assert.equal(shows(), true);
  bridge.smiact.set(false);
  assert.equal(shows(), false);
  assert.equal(bridge.config.read(0x72, 1), 0x0a);
});

test('440FX: D_LCK closes SMRAM, and only a reset unlocks it', () => {
  const { bridge, shows } = smram();
  bridge.config.write(0x72, 0x58, 1);
  assert.equal(shows(), false);
  assert.equal(bridge.config.read(0x72, 1), 0x1a);
  for (const value of [0x48, 0x00]) bridge.config.write(0x70, value << 16, 4);
  assert.equal(bridge.config.read(0x72, 1), 0x1a);
  assert.equal(shows(), false);
  bridge.smiact.set(true);
  assert.equal(shows(), true);
  bridge.config.reset();
  bridge.reset();
  assert.equal(shows(), false);
  bridge.config.write(0x72, 0x48, 1);
  assert.equal(shows(), true);
});

test('440FX: what SMRAM shows comes back with the state', () => {
  const first = smram();
  first.bridge.config.write(0x72, 0x48, 1);
  const second = smram();
  second.bridge.config.restore(first.bridge.config.save());
  second.bridge.restore(first.bridge.save());
  assert.equal(second.shows(), true);
  first.bridge.smiact.set(true);
  first.bridge.config.write(0x72, 0x18, 1);
  second.bridge.config.restore(first.bridge.config.save());
  second.bridge.restore(first.bridge.save());
  assert.equal(second.shows(), true);
  second.bridge.smiact.set(false);
  assert.equal(second.shows(), false);
});

test('a write to the APM control port raises an SMI where both enables say so', () => {
  const ports = new Bus();
  let interrupts = 0;
  const pm = new Piix4Pm({
    ports,
    registers: [],
    smi: () => {
      interrupts++;
    },
  });
  const command = (value: number): number => {
    pm.apm.write(0, value, 1);
    return interrupts;
  };
  pm.config.write(0x40, 0x601, 4);
  pm.config.write(0x80, 1, 1);
  assert.equal(command(0x11), 0);
  pm.config.write(0x58, 0x0200_0000, 4);
  assert.equal(command(0x12), 0);
  ports.write(0x628, 1, 4);
  assert.equal(command(0x13), 1);
  assert.equal(pm.apm.read(0, 1), 0x13);
  pm.apm.write(1, 0x44, 1);
  assert.equal(pm.apm.read(1, 1), 0x44);
  assert.equal(interrupts, 1, 'the status port is a place to keep a byte');
  pm.config.write(0x58, 0, 4);
  assert.equal(command(0x15), 1);
});

test('power management registers are where PMBASE says, once PMIOSE is set', () => {
  const ports = new Bus();
  const pm = new Piix4Pm({ ports, registers: [[8, 4, registers(0x55)]], smi: () => {} });
  pm.config.write(0x40, 0x601, 4);
  assert.equal(ports.read(0x608, 1), 0xff);
  pm.config.write(0x80, 1, 1);
  assert.equal(ports.read(0x608, 1), 0x55);
  pm.config.write(0x40, 0xb001, 4);
  assert.deepEqual([ports.read(0x608, 1), ports.read(0xb008, 1)], [0xff, 0x55]);
});

test('a million random accesses to configuration space throw nothing', () => {
  const isa = Array.from({ length: 16 }, () => ({ set() {} }));
  const { ports, pci } = bus([[3, 0, card()]]);
  pci.attach(0, 0, new I440fx({ shadow: () => {} }));
  pci.attach(1, 0, new Piix3({ isa }));
  pci.attach(1, 3, new Piix4Pm({ ports, registers: [[8, 4, registers(0)]], smi: () => {} }));
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed;
  };
  for (let i = 0; i < 500_000; i++) {
    const value = random();
    ports.write(0xcf8, (0x8000_0000 | (value & 0x1fff)) >>> 0, 4);
    const size = ([1, 2, 4] as const)[(random() >>> 8) % 3] as 1 | 2 | 4;
    if (value & 0x1_0000) ports.write(0xcfc + (value >>> 30), random(), size);
    else ports.read(0xcfc + (value >>> 30), size);
  }
});
