import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlockPort } from '../base/block.ts';
import { LocalApic } from '../devices/local-apic.ts';
import type { ShadowRange } from '../devices/pci/i440fx.ts';
import { TestClock } from '../devices/test-clock.ts';
import { memoryMap } from './memory-map.ts';
import { type BoardEnd, PcBoard } from './pc.ts';
import type { BoardDrive, FirmwarePc, NicModel } from './pc-firmware.ts';
import { TestMemory } from './test-memory.ts';

const MIB = 2 ** 20;
const MEMORY_BYTES = 4 * MIB;

const medium: BlockPort = {
  sizeBytes: MIB,
  readOnly: false,
  read() {},
  write() {},
  flush() {},
  abandon() {},
};

const drive = (bus: BoardDrive['bus'], unit: number, kind: BoardDrive['kind']): BoardDrive => ({
  ...{ bus, unit, kind },
  medium: kind === 'floppy' ? { ...medium, sizeBytes: 1440 * 1024 } : medium,
});

function board(options: Partial<FirmwarePc> = {}, nics: readonly NicModel[] = []) {
  const clock = new TestClock();
  const ends: BoardEnd[] = [];
  const memory = new TestMemory(MEMORY_BYTES);
  const video = new Uint8Array(16 * MIB);
  const shadowed: (readonly ShadowRange[])[] = [];
  const mapped: (number | undefined)[] = [];
  const pc = new PcBoard(
    {
      clock,
      wallClockMs: () => Date.UTC(2024, 0, 1),
      serialOutput: () => {},
      end: (end) => ends.push(end),
      firmware: {
        memory,
        e820: memoryMap(MEMORY_BYTES).e820,
        videoMemory: { sizeBytes: video.length, bytes: video, takeDirtyPages: () => [] },
        vgaBios: Uint8Array.of(0x55, 0xaa),
        drives: [],
        nics: nics.map((model) => ({ model, mac: Uint8Array.of(2, 0, 0, 0, 0, 1), port: { send() {} } })),
        bootOrder: 'dc',
        shadow: (ranges) => shadowed.push(ranges),
        mapVideo: (_, base) => mapped.push(base),
        ...options,
      },
    },
    [],
  );
  const apic = new LocalApic({
    id: 0,
    isBootstrap: true,
    clock,
    interconnect: pc.apics,
    timerHz: 1e9,
    physicalAddressBits: 40,
    tscToNs: (tsc) => tsc,
    interruptChanged() {},
    acknowledgeExternal: () => pc.pic.acknowledge(),
    nmi() {},
    smi() {},
    init() {},
    startup() {},
    relocated() {},
  });
  pc.attachLocalApic(apic);
  const identity = (slot: number, number: number): number => {
    pc.ports.write(0xcf8, 0x8000_0000 + slot * 0x800 + number * 0x100, 4);
    return pc.ports.read(0xcfc, 4);
  };
  const cmos = (register: number): number => {
    pc.ports.write(0x70, register, 1);
    return pc.ports.read(0x71, 1);
  };
  return { pc, clock, ends, memory, mapped, shadowed, identity, cmos };
}

test('functions are in the slots where firmware and systems look for them', () => {
  const { identity } = board({ drives: [drive('ahci', 0, 'disk')] }, ['e1000', 'rtl8139']);
  assert.deepEqual(
    [identity(0, 0), identity(1, 0), identity(1, 1), identity(1, 3), identity(2, 0), identity(3, 0), identity(4, 0)],
    [0x1237_8086, 0x7000_8086, 0x7010_8086, 0x7113_8086, 0x1111_1234, 0x100e_8086, 0x2922_8086],
  );
  assert.equal(identity(5, 0), 0x8139_10ec);
  assert.equal(board().identity(4, 0), 0xffff_ffff);
});

test('CMOS RAM tells memory, drives and boot order', () => {
  const { cmos } = board({ bootOrder: 'adc', drives: [drive('floppy', 0, 'floppy')] });
  assert.deepEqual([cmos(0x3d), cmos(0x38)], [0x31, 0x20]);
  assert.equal(cmos(0x17) + cmos(0x18) * 256, (MEMORY_BYTES - MIB) / 1024);
  assert.deepEqual([cmos(0x10), cmos(0x14) & 0xc1], [0x40, 0x01]);
  assert.deepEqual([board().cmos(0x10), board().cmos(0x14) & 1], [0, 0]);
});

test('fw_cfg has all that SeaBIOS asks for', () => {
  const { pc } = board();
  const read = (count: number): number[] => Array.from({ length: count }, () => pc.ports.read(0x511, 1));
  pc.ports.write(0x510, 0x19, 2);
  const count = read(4)[3] as number;
  const names = Array.from({ length: count }, () => String.fromCharCode(...read(64).slice(8)).replace(/\0.*$/s, ''));
  for (const name of [
    ...['etc/e820', 'etc/acpi/rsdp', 'etc/acpi/tables', 'etc/table-loader'],
    ...['etc/smbios/smbios-anchor', 'etc/smbios/smbios-tables', 'pci1234,1111.rom', 'bootorder'],
  ]) {
    assert.ok(names.includes(name), name);
  }
  assert.deepEqual(names, [...names].sort());
});

test('a network card has its ROM where firmware places it', () => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const nics = [{ model: 'pcnet', mac, rom: Uint8Array.of(0x55, 0xaa, 0x12), port: { send() {} } }] as const;
  const { pc } = board({ nics });
  const write = (register: number, value: number): void => {
    pc.ports.write(0xcf8, 0x8000_1800 + register, 4);
    pc.ports.write(0xcfc, value, 4);
  };
  write(0x30, 0xfeb1_0001);
  write(0x04, 2);
  assert.equal(pc.mmio.read(0xfeb1_0000, 4), 0xff12_aa55);
});

test('video memory goes where its base address says, attributes reach memory', () => {
  const { pc, mapped, shadowed } = board();
  const write = (slot: number, register: number, value: number): void => {
    pc.ports.write(0xcf8, 0x8000_0000 + slot * 0x800 + register, 4);
    pc.ports.write(0xcfc, value, 4);
  };
  write(2, 0x10, 0xe000_0000);
  write(2, 0x04, 3);
  assert.equal(mapped.at(-1), 0xe000_0000);
  write(0, 0x58, 0x3000);
  const bios = shadowed.at(-1)?.find(({ base }) => base === 0xf_0000);
  assert.deepEqual([bios?.readsMemory, bios?.writesMemory], [true, true]);
});

test('a million random accesses to all ports and registers throw nothing, and leave a board that can be saved', () => {
  const drives = [
    drive('ide', 0, 'disk'),
    drive('ide', 2, 'cdrom'),
    drive('ahci', 0, 'disk'),
    drive('floppy', 0, 'floppy'),
  ];
  const { pc, clock } = board({ drives }, ['e1000', 'rtl8139', 'pcnet']);
  // Everything decodes, and may be master.
  for (let slot = 0; slot < 8; slot++) {
    for (let number = 0; number < 4; number++) {
      const select = (register: number): void =>
        pc.ports.write(0xcf8, 0x8000_0000 + slot * 0x800 + number * 0x100 + register, 4);
      for (let bar = 0; bar < 6; bar++) {
        select(0x10 + 4 * bar);
        pc.ports.write(
          0xcfc,
          pc.ports.read(0xcfc, 4) & 1
            ? 0xc000 + slot * 0x100 + bar * 0x10
            : 0xe000_0000 + slot * 0x200_0000 + bar * 0x10_0000,
          4,
        );
      }
      select(0x04);
      pc.ports.write(0xcfc, 7, 4);
    }
  }
  let seed = 12_345;
  const random = (): number => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return seed >>> 0;
  };
  const REGIONS = [0xa_0000, 0xe000_0000, 0xe400_0000, 0xe600_0000, 0xe800_0000, 0xea00_0000, 0xfec0_0000, 0xfed0_0000];
  for (let i = 0; i < 1_000_000; i++) {
    const kind = random();
    const size = ([1, 2, 4] as const)[kind % 3] as 1 | 2 | 4;
    const isPort = (kind & 0x1000) !== 0;
    const bus = isPort ? pc.ports : pc.mmio;
    const region = (REGIONS[(kind >>> 4) & 7] as number) + 0x10_0000 * ((kind >>> 20) & 3);
    const address = isPort ? (kind & 0x2000 ? random() & 0xfff : random() & 0xffff) : region + (random() & 0x7fff);
    if (kind & 0x4000) bus.write(address, random(), size);
    else bus.read(address, size);
    if (i % 1000 === 0) clock.advance(random() % 1_000_000);
  }
  for (const [name, part] of pc.parts) {
    const saved = part.save();
    part.restore(saved);
    assert.deepEqual(part.save(), saved, name);
  }
  for (const part of pc.parts.values()) part.reset();
});
