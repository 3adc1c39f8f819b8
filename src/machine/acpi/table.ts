/** What ACPI tables have in common: the header, the checksum, generic addresses (ACPI 6.5 §5.2). */

import { StructWriter } from '../struct-writer.ts';

export const HEADER_BYTES = 36;
export const CHECKSUM_OFFSET = 9;
export const OEM_ID = 'VIVARM';
const OEM_TABLE_ID = 'VIVARIUM';
const CREATOR_ID = 'VIVA';
const OEM_REVISION = 1;
const CREATOR_REVISION = 1;

/** A system description table (§5.2.6 "System Description Table Header"), length and checksum filled in. */
export function acpiTable(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const table = new StructWriter()
    .ascii(signature, 4)
    .u32(HEADER_BYTES + body.length)
    .u8(revision, 0)
    .ascii(OEM_ID, 6)
    .ascii(OEM_TABLE_ID, 8)
    .u32(OEM_REVISION)
    .ascii(CREATOR_ID, 4)
    .u32(CREATOR_REVISION)
    .bytes(body)
    .finish();
  table[CHECKSUM_OFFSET] = checksum(table);
  return table;
}

/** The byte that makes all of them add up to zero. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

const SYSTEM_IO = 1;
/** Access sizes count from 1 for a byte. */
const ACCESS_SIZE: Readonly<Record<number, number>> = { 8: 1, 16: 2, 32: 3 };

/** Writes a generic address of I/O ports (§5.2.3.2 "Generic Address Structure"). */
export function ioAddress(table: StructWriter, port: number, bits: 8 | 16 | 32, accessBits: 8 | 16 | 32 = bits): void {
  table.u8(SYSTEM_IO, bits, 0, ACCESS_SIZE[accessBits]).u64(port);
}

const GENERIC_ADDRESS_BYTES = 12;

/** Writes generic addresses of registers that are not there. */
export function noAddress(table: StructWriter, count = 1): void {
  table.zeros(count * GENERIC_ADDRESS_BYTES);
}
