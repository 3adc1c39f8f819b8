/**
 * A device's view of guest-physical memory. Nothing here throws: an address that is not RAM gives false (or undefined
 * from the typed reads), and what a device does then is its own affair.
 */

export interface GuestMemory {
  /** Fills `into` from `address` on; false, and `into` in an unspecified state, when any byte is not RAM. */
  read(address: number, into: Uint8Array): boolean;
  /** Stores `from` at `address`; false when any byte is not RAM. Translated code over those bytes is dropped. */
  write(address: number, from: Uint8Array): boolean;
  /** RAM in bytes, however it is laid out. */
  readonly sizeBytes: number;
}

const scratch = new Uint8Array(8);
const view = new DataView(scratch.buffer);
const part = { 1: scratch.subarray(0, 1), 2: scratch.subarray(0, 2), 4: scratch.subarray(0, 4), 8: scratch } as const;

export function readU8(memory: GuestMemory, address: number): number | undefined {
  return memory.read(address, part[1]) ? view.getUint8(0) : undefined;
}

export function readU16(memory: GuestMemory, address: number): number | undefined {
  return memory.read(address, part[2]) ? view.getUint16(0, true) : undefined;
}

export function readU32(memory: GuestMemory, address: number): number | undefined {
  return memory.read(address, part[4]) ? view.getUint32(0, true) : undefined;
}

export function readU64(memory: GuestMemory, address: number): bigint | undefined {
  return memory.read(address, part[8]) ? view.getBigUint64(0, true) : undefined;
}

export function writeU8(memory: GuestMemory, address: number, value: number): boolean {
  view.setUint8(0, value);
  return memory.write(address, part[1]);
}

export function writeU16(memory: GuestMemory, address: number, value: number): boolean {
  view.setUint16(0, value, true);
  return memory.write(address, part[2]);
}

export function writeU32(memory: GuestMemory, address: number, value: number): boolean {
  view.setUint32(0, value, true);
  return memory.write(address, part[4]);
}

export function writeU64(memory: GuestMemory, address: number, value: bigint): boolean {
  view.setBigUint64(0, value, true);
  return memory.write(address, part[8]);
}
