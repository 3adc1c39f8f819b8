/**
 * All ACPI tables of the board, for one of two ways to a kernel:
 *
 *     writeAcpiTables    laid out in the BIOS area below 1 MiB, where the root pointer is looked for by kernels that are
 *                        not told where it is (ACPI 6.5 §5.2.5 "Root System Description Pointer")
 *     acpiFiles          for firmware, which decides where they go and follows a script (`table-loader.ts`) to join them
 *
 * Both roots are there, for ACPI 1.0 kernels (RSDT) and all others (XSDT).
 * Not described: NUMA, processor power states.
 */

import { alignUp } from '../../base/bits.ts';
import type { GuestMemory } from '../../base/dma.ts';
import { ACPI_AREA_BYTES, ACPI_AREA_START } from '../memory-map.ts';
import { PCI_INTERRUPTS } from '../pc-layout.ts';
import { StructWriter } from '../struct-writer.ts';
import { type AcpiDevice, dsdt, PC_DEVICES, WHOLE_PC_DEVICES } from './dsdt.ts';
import { FADT_POINTERS, fadt } from './fadt.ts';
import { madt } from './madt.ts';
import { hpetTable } from './pci.ts';
import { acpiTable, CHECKSUM_OFFSET, checksum, HEADER_BYTES, OEM_ID } from './table.ts';
import { type File, type Link, tableLoader } from './table-loader.ts';

/** The FACS wants 64 bytes, the root pointer 16. */
const ALIGNMENT = 64;
const FACS_BYTES = 64;
const RSDP_BYTES = 36;
const RSDP_CHECKSUM_OFFSET = 8;
const RSDP_ACPI1_BYTES = 20;
const RSDP_RSDT_OFFSET = 16;
const RSDP_XSDT_OFFSET = 24;
const RSDP_EXTENDED_CHECKSUM_OFFSET = 32;

export interface AcpiOptions {
  readonly cpuCount: number;
  /** Besides those that the board always has. */
  readonly devices?: readonly AcpiDevice[];
  readonly hasPci?: boolean;
  /** The board has firmware, PCI, HPET and a screen. */
  readonly isWholePc?: boolean;
  /** Where firmware has put the power management registers, if not where it is told to. */
  readonly pmBase?: number;
}

interface LaidOut {
  readonly bytes: Uint8Array;
  readonly rsdt: number;
  readonly xsdt: number;
  /** Where tables have addresses of others, and which tables those are: offsets in `bytes`. */
  readonly links: readonly Link[];
}

/** Everything but the root pointer, to be placed at `base`. */
function layOut(options: AcpiOptions, base: number): LaidOut {
  const { cpuCount, devices = [], isWholePc = false, hasPci = isWholePc, pmBase } = options;
  const area = new StructWriter();
  const links: Link[] = [];
  const place = (table: Uint8Array): number => {
    area.zeros(alignUp(area.length, ALIGNMENT) - area.length);
    const address = base + area.length;
    area.bytes(table);
    return address;
  };
  const described = [...PC_DEVICES, ...(isWholePc ? WHOLE_PC_DEVICES : []), ...devices];
  const dsdtAddress = place(dsdt(described, { hasPci, hasHpet: isWholePc }));
  const facsAddress = place(facs());
  const fadtAddress = place(fadt(facsAddress, dsdtAddress, { hasScreen: isWholePc, ...(pmBase && { pmBase }) }));
  for (const [target, [narrow, wide]] of [
    [facsAddress, FADT_POINTERS.facs],
    [dsdtAddress, FADT_POINTERS.dsdt],
  ] as const) {
    links.push({ at: fadtAddress - base + narrow, bytes: 4, table: fadtAddress - base, target: target - base });
    links.push({ at: fadtAddress - base + wide, bytes: 8, table: fadtAddress - base, target: target - base });
  }
  const tables = [fadtAddress, place(madt(cpuCount, hasPci ? PCI_INTERRUPTS : []))];
  if (isWholePc) tables.push(place(hpetTable()));
  const root = (signature: string, body: Uint8Array, bytes: 4 | 8): number => {
    const address = place(acpiTable(signature, 1, body));
    const table = address - base;
    tables.forEach((target, i) => {
      links.push({ at: table + HEADER_BYTES + bytes * i, bytes, table, target: target - base });
    });
    return address;
  };
  const rsdt = root('RSDT', new StructWriter().u32(...tables).finish(), 4);
  const xsdt = root('XSDT', new StructWriter().u64(...tables).finish(), 8);
  return { bytes: area.finish(), rsdt, xsdt, links };
}

/** Puts the tables into memory; gives the physical address of the root pointer. Throws if they do not fit. */
export function writeAcpiTables(memory: GuestMemory, options: AcpiOptions): number {
  const rsdp = ACPI_AREA_START;
  const base = rsdp + ALIGNMENT;
  const { bytes, rsdt, xsdt } = layOut(options, base);
  if (ALIGNMENT + bytes.length > ACPI_AREA_BYTES) throw new RangeError('The ACPI tables do not fit below 1 MiB');
  memory.write(rsdp, rootPointer(rsdt, xsdt));
  memory.write(base, bytes);
  return rsdp;
}

/** Name of the file with all tables but the root pointer. */
export const ACPI_TABLES_FILE = 'etc/acpi/tables';

/** The tables as files for firmware: the root pointer, the other tables, and how to join them. */
export function acpiFiles(options: AcpiOptions): { readonly name: string; readonly bytes: Uint8Array }[] {
  const { bytes, rsdt, xsdt, links } = layOutForFirmware(options);
  const pointer = rootPointer(rsdt, xsdt);
  const rsdp: File = { name: 'etc/acpi/rsdp', alignment: 16, isBelow1MiB: true };
  const tables: File = { name: ACPI_TABLES_FILE, alignment: ALIGNMENT, isBelow1MiB: false };
  const view = new DataView(bytes.buffer);
  const tableLength = (table: number): number => view.getUint32(table + 4, true);
  const linked = [...new Set(links.map(({ table }) => table))];
  pointer[RSDP_CHECKSUM_OFFSET] = 0;
  pointer[RSDP_EXTENDED_CHECKSUM_OFFSET] = 0;
  const script = tableLoader({
    files: [rsdp, tables],
    links: [
      ...links.map((link) => ({ ...link, file: tables, to: tables })),
      { at: RSDP_RSDT_OFFSET, bytes: 4 as const, file: rsdp, to: tables },
      { at: RSDP_XSDT_OFFSET, bytes: 8 as const, file: rsdp, to: tables },
    ],
    checksums: [
      ...linked.map((start) => ({ file: tables, at: start + CHECKSUM_OFFSET, start, length: tableLength(start) })),
      { file: rsdp, at: RSDP_CHECKSUM_OFFSET, start: 0, length: RSDP_ACPI1_BYTES },
      { file: rsdp, at: RSDP_EXTENDED_CHECKSUM_OFFSET, start: 0, length: RSDP_BYTES },
    ],
  });
  return [
    { name: rsdp.name, bytes: pointer },
    { name: tables.name, bytes },
    { name: 'etc/table-loader', bytes: script },
  ];
}

/** What `acpiFiles` has as ACPI_TABLES_FILE. */
export function acpiTables(options: AcpiOptions): Uint8Array {
  return layOutForFirmware(options).bytes;
}

/** Firmware sums up all bytes of what it has joined, that of the sum with them: OVMF wants it to be zero before. */
function layOutForFirmware(options: AcpiOptions): LaidOut {
  const laidOut = layOut(options, 0);
  for (const { table } of laidOut.links) laidOut.bytes[table + CHECKSUM_OFFSET] = 0;
  return laidOut;
}

function rootPointer(rsdt: number, xsdt: number): Uint8Array {
  const pointer = new StructWriter()
    .ascii('RSD PTR ', 8)
    .u8(0)
    .ascii(OEM_ID, 6)
    .u8(2)
    .u32(rsdt, RSDP_BYTES)
    .u64(xsdt)
    .u32(0)
    .finish();
  pointer[RSDP_CHECKSUM_OFFSET] = checksum(pointer.subarray(0, RSDP_ACPI1_BYTES));
  pointer[RSDP_EXTENDED_CHECKSUM_OFFSET] = checksum(pointer);
  return pointer;
}

/** The Firmware ACPI Control Structure (§5.2.10), version 2: no waking vector, and nobody else holds the lock. */
function facs(): Uint8Array {
  return new StructWriter().ascii('FACS', 4).u32(FACS_BYTES).zeros(24).u8(2).zeros(31).finish();
}
