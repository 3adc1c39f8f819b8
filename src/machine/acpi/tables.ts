/**
 * All ACPI tables of the board, laid out in the BIOS area below 1 MiB, where the root pointer is looked for by kernels
 * that are not told where it is (ACPI 6.5 §5.2.5 "Root System Description Pointer"). Both roots are there, for ACPI 1.0
 * kernels (RSDT) and all others (XSDT).
 *
 * Not described: PCI, HPET, NUMA, processor power states.
 */

import { alignUp } from '../../base/bits.ts';
import type { GuestMemory } from '../../base/dma.ts';
import { ACPI_AREA_BYTES, ACPI_AREA_START } from '../memory-map.ts';
import { StructWriter } from '../struct-writer.ts';
import { type AcpiDevice, dsdt, PC_DEVICES } from './dsdt.ts';
import { fadt } from './fadt.ts';
import { madt } from './madt.ts';
import { acpiTable, checksum, OEM_ID } from './table.ts';

/** The FACS wants 64 bytes, the root pointer 16. */
const ALIGNMENT = 64;
const FACS_BYTES = 64;
const RSDP_BYTES = 36;
const RSDP_CHECKSUM_OFFSET = 8;
const RSDP_ACPI1_BYTES = 20;
const RSDP_EXTENDED_CHECKSUM_OFFSET = 32;

export interface AcpiTables {
  /** Physical address of `bytes`. */
  readonly base: number;
  readonly bytes: Uint8Array;
  /** Physical address of the root pointer. */
  readonly rsdp: number;
}

export interface AcpiOptions {
  readonly cpuCount: number;
  /** Besides those that the board always has. */
  readonly devices?: readonly AcpiDevice[];
}

export function acpiTables({ cpuCount, devices = [] }: AcpiOptions): AcpiTables {
  const area = new StructWriter();
  const place = (table: Uint8Array): number => {
    area.zeros(alignUp(area.length, ALIGNMENT) - area.length);
    const address = ACPI_AREA_START + area.length;
    area.bytes(table);
    return address;
  };
  const rsdp = place(new Uint8Array(RSDP_BYTES));
  const dsdtAddress = place(dsdt([...PC_DEVICES, ...devices]));
  const tables = [place(fadt(place(facs()), dsdtAddress)), place(madt(cpuCount))];
  const rsdt = place(acpiTable('RSDT', 1, new StructWriter().u32(...tables).finish()));
  const xsdt = place(acpiTable('XSDT', 1, new StructWriter().u64(...tables).finish()));
  const bytes = area.finish();
  if (bytes.length > ACPI_AREA_BYTES) throw new RangeError('The ACPI tables do not fit below 1 MiB');
  bytes.set(rootPointer(rsdt, xsdt), rsdp - ACPI_AREA_START);
  return { base: ACPI_AREA_START, bytes, rsdp };
}

/** Puts the tables into memory; gives the physical address of the root pointer. */
export function writeAcpiTables(memory: GuestMemory, options: AcpiOptions): number {
  const { base, bytes, rsdp } = acpiTables(options);
  memory.write(base, bytes);
  return rsdp;
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
