/**
 * What firmware and operating systems are told of the machine as a piece of hardware (DMTF DSP0134, "System Management
 * BIOS Reference Specification" 2.8): files for firmware, which places them and adds what concerns itself.
 *
 *     0  BIOS          1  system       3  chassis      4  processor
 *     16 memory array  17 memory       19 its addresses     32 boot status     127 end
 */

import { checksum } from './acpi/table.ts';
import type { MemoryMap } from './memory-map.ts';
import { StructWriter } from './struct-writer.ts';

const HEADER_BYTES = 4;
const MAKER = 'Vivarium';
const PRODUCT = 'Standard PC';
const VERSION = '1';
const MIB = 0x10_0000;
/** In the 2.x structures: sizes that do not fit are in the extended field. */
const EXTENDED_SIZE = 0x7fff;
const UNKNOWN = 2;
const OTHER = 1;
const SAFE = 3;

const PROCESSOR_HANDLE = 0x400;
const ARRAY_HANDLE = 0x1000;
const DEVICE_HANDLE = 0x1100;

class Structures {
  readonly #area = new StructWriter();
  count = 0;
  largest = 0;

  /** `body` gets a writer and a function that gives a string its number. */
  add(type: number, handle: number, body: (fields: StructWriter, text: (value: string) => number) => void): void {
    const strings: string[] = [];
    const fields = new StructWriter();
    body(fields, (value) => strings.push(value));
    const formatted = fields.finish();
    const before = this.#area.length;
    this.#area
      .u8(type, HEADER_BYTES + formatted.length)
      .u16(handle)
      .bytes(formatted);
    for (const text of strings) this.#area.ascii(text, text.length + 1);
    this.#area.zeros(strings.length === 0 ? 2 : 1);
    this.count++;
    this.largest = Math.max(this.largest, this.#area.length - before);
  }

  finish(): Uint8Array {
    return this.#area.finish();
  }
}

/** The anchor's checksums and the address in it are left for firmware. */
export function smbiosFiles(map: MemoryMap): { readonly name: string; readonly bytes: Uint8Array }[] {
  const all = new Structures();
  all.add(0, 0, (fields, text) => {
    const biosSegment = 0xe800;
    // No characteristics given but those of the extension bytes: ACPI, and that this is a virtual machine.
    fields
      .u8(text('SeaBIOS'), text('1.16.2'))
      .u16(biosSegment)
      .u8(text('04/01/2014'), 0)
      .u32(1 << 3, 0);
    fields.u8(0x01, 0x14, 0, 0, 0xff, 0xff);
  });
  all.add(1, 0x100, (fields, text) => {
    const wakeByPowerSwitch = 6;
    fields.u8(text(MAKER), text(PRODUCT), text(VERSION), 0).zeros(16).u8(wakeByPowerSwitch, 0, 0);
  });
  all.add(3, 0x300, (fields, text) => {
    fields.u8(text(MAKER), OTHER, text(VERSION), 0, 0, SAFE, SAFE, SAFE, UNKNOWN).u32(0).u8(0, 0, 0, 0);
  });
  all.add(4, PROCESSOR_HANDLE, (fields, text) => {
    const central = 3;
    const enabled = 0x41;
    const noCache = 0xffff;
    fields.u8(text('CPU 0'), central, OTHER, text(MAKER)).u32(0, 0).u8(text(VERSION), 0).u16(0, 1000, 1000);
    fields.u8(enabled, OTHER).u16(noCache, noCache, noCache).u8(0, 0, 0, 1, 1, 1).u16(0, OTHER);
  });
  addMemory(all, map);
  all.add(32, 0x2000, (fields) => fields.zeros(7));
  all.add(127, 0x7f00, () => {});

  const tables = all.finish();
  const anchor = new StructWriter()
    .ascii('_SM_', 4)
    .u8(0, 31, 2, 8)
    .u16(all.largest)
    .zeros(6)
    .ascii('_DMI_', 5)
    .u8(0)
    .u16(tables.length)
    .u32(0)
    .u16(all.count)
    .u8(0x28)
    .finish();
  const INTERMEDIATE = 16;
  anchor[INTERMEDIATE + 5] = checksum(anchor.subarray(INTERMEDIATE));
  anchor[4] = checksum(anchor);
  return [
    { name: 'etc/smbios/smbios-anchor', bytes: anchor },
    { name: 'etc/smbios/smbios-tables', bytes: tables },
  ];
}

function addMemory(all: Structures, { sizeBytes, ram }: MemoryMap): void {
  all.add(16, ARRAY_HANDLE, (fields) => {
    const systemMemory = 3;
    const noErrorCorrection = 3;
    const noErrors = 0xfffe;
    const isExtended = 0x8000_0000;
    fields.u8(OTHER, systemMemory, noErrorCorrection).u32(isExtended).u16(noErrors, 1).u64(sizeBytes);
  });
  all.add(17, DEVICE_HANDLE, (fields, text) => {
    const noErrors = 0xfffe;
    const dimm = 9;
    const ramType = 7;
    const mebibytes = Math.floor(sizeBytes / MIB);
    const isExtended = mebibytes >= EXTENDED_SIZE;
    fields.u16(ARRAY_HANDLE, noErrors, 0xffff, 0xffff, isExtended ? EXTENDED_SIZE : mebibytes);
    fields.u8(dimm, 0, text('DIMM 0'), 0, ramType).u16(UNKNOWN, 0).u8(text(MAKER), 0, 0, 0, 0);
    fields.u32(isExtended ? mebibytes : 0).u16(0, 0, 0, 0);
  });
  ram.forEach(({ base, length }, i) => {
    all.add(19, 0x1300 + i, (fields) => {
      const useExtended = 0xffff_ffff;
      fields
        .u32(useExtended, useExtended)
        .u16(ARRAY_HANDLE)
        .u8(1)
        .u64(base, base + length - 1);
    });
  });
}
