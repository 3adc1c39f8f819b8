/**
 * Message-signalled interrupts, extended (PCI Local Bus Specification 3.0 §6.8.2 "MSI-X Capability and Table Structures").
 *
 *     message control   15 enable   14 mask of the function   10:0 size of the table less one
 *     table entry       address u64, data u32, vector control u32 (bit 0: masked)
 *     pending bits      one for each entry: signalled while masked
 *
 * Not modelled: messages to addresses that are no local APIC's.
 */

import type { IoHandler } from '../../base/bus.ts';
import type { PciCapability } from './capabilities.ts';
import type { PciConfig } from './pci-config.ts';

export const MSIX_ENTRY_BYTES = 16;
const CAPABILITY_ID = 0x11;
/** Of message control's high byte. */
const CONTROL = 3;
const ENABLE = 0x80;
const FUNCTION_MASK = 0x40;
const VECTOR_CONTROL = 12;
const MASKED = 1;
/** SDM Vol. 3A §11.11.1: bits 31:20 of the address. */
const LOCAL_APICS = 0xfee;

/** The capability; table and pending bits are in one BAR. */
export function msixCapability(vectors: number, bar: number, table: number, pending: number): PciCapability {
  const word = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
  return {
    id: CAPABILITY_ID,
    bytes: [(vectors - 1) & 0xff, (vectors - 1) >>> 8, ...word(table | bar), ...word(pending | bar)],
    writable: { [CONTROL]: ENABLE | FUNCTION_MASK },
  };
}

/** As the owner declares it: `bytes(MSIX_ENTRY_BYTES * vectors)` and `bytes(vectors)`. */
export interface MsixState {
  readonly msixTable: Uint8Array;
  /** Not 0: this entry is pending. */
  readonly msixPending: Uint8Array;
}

export interface MsixHost {
  readonly state: MsixState;
  readonly config: PciConfig;
  /** Where the capability is. */
  readonly place: number;
  /** A write of `data` to an address in 0xfee00000-0xfeefffff. */
  message(address: number, data: number): void;
}

export class Msix {
  readonly table: IoHandler;
  readonly pendingBits: IoHandler;
  readonly #host: MsixHost;

  constructor(host: MsixHost) {
    this.#host = host;
    this.table = {
      read: (offset, size) => littleEndian(host.state.msixTable, offset, size),
      write: (offset, value, size) => this.#write(offset, value, size),
    };
    this.pendingBits = {
      read: (offset, size) => {
        let bits = 0;
        for (let i = 0; i < 8 * size; i++) if (host.state.msixPending[8 * offset + i]) bits |= 1 << i;
        return bits >>> 0;
      },
      write: () => {},
    };
  }

  /** All of a power-on state. */
  reset(): void {
    const { msixTable } = this.#host.state;
    for (let at = VECTOR_CONTROL; at < msixTable.length; at += MSIX_ENTRY_BYTES) msixTable[at] = MASKED;
  }

  get #control(): number {
    return this.#host.config.byte(this.#host.place + CONTROL);
  }

  get enabled(): boolean {
    return (this.#control & ENABLE) !== 0;
  }

  /** To be called while enabled. */
  signal(vector: number): void {
    const { msixPending } = this.#host.state;
    if (vector >= msixPending.length) return;
    msixPending[vector] = 1;
    this.#deliver(vector);
  }

  /** The capability, or whether messages may leave, has changed: sends what waited for it. */
  changed(): void {
    if (!this.enabled) return;
    for (let vector = 0; vector < this.#host.state.msixPending.length; vector++) this.#deliver(vector);
  }

  #write(offset: number, value: number, size: number): void {
    const { msixTable } = this.#host.state;
    for (let i = 0; i < size && offset + i < msixTable.length; i++) {
      const isControl = (offset + i) % MSIX_ENTRY_BYTES >= VECTOR_CONTROL;
      const mask = !isControl ? 0xff : (offset + i) % MSIX_ENTRY_BYTES === VECTOR_CONTROL ? MASKED : 0;
      msixTable[offset + i] = (value >>> (8 * i)) & mask;
    }
    this.#deliver(Math.floor(offset / MSIX_ENTRY_BYTES));
  }

  #deliver(vector: number): void {
    const { state, config } = this.#host;
    const { msixTable, msixPending } = state;
    if (!msixPending[vector] || !this.enabled || this.#control & FUNCTION_MASK || !config.busMaster) return;
    const at = vector * MSIX_ENTRY_BYTES;
    if ((msixTable[at + VECTOR_CONTROL] as number) & MASKED) return;
    msixPending[vector] = 0;
    const address = littleEndian(msixTable, at, 4);
    if (littleEndian(msixTable, at + 4, 4) !== 0 || address >>> 20 !== LOCAL_APICS) return;
    this.#host.message(address, littleEndian(msixTable, at + 8, 4));
  }
}

function littleEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value |= (bytes[at + i] ?? 0) << (8 * i);
  return value >>> 0;
}
