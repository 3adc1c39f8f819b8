/**
 * Configuration space of one PCI function: the header, base address registers with their sizing, and what the device
 * adds (PCI Local Bus Specification 3.0 §6.1 "Configuration Space Organization", §6.2.5 "Base Addresses").
 *
 *     +00 vendor      device      command     status      revision, class
 *     +0c line size   latency     type        BIST
 *     +10 base address registers 0 to 5
 *     +2c subsystem   +30 ROM     +34 capabilities        +3c interrupt line, pin
 *
 * Not modelled: bridges (header type 1), the status bits that errors set.
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { VideoMemory } from '../../base/screen.ts';
import { bytes, defineState, type StateOf } from '../../base/state.ts';
import { Device } from '../device.ts';
import { expansionRomBar, ROM_ADDRESS, ROM_ENABLE } from './expansion-rom.ts';

export const COMMAND = 0x04;
const STATUS = 0x06;
const REVISION = 0x08;
const CLASS = 0x09;
const CACHE_LINE = 0x0c;
const LATENCY = 0x0d;
const HEADER_TYPE = 0x0e;
const BARS = 0x10;
/** Where the last base address register ends: the ROM's. */
const BARS_END = 0x34;
const SUBSYSTEM_VENDOR = 0x2c;
const SUBSYSTEM = 0x2e;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;

const COMMAND_IO = 0x001;
export const COMMAND_MEMORY = 0x002;
const COMMAND_MASTER = 0x004;
/** Parity and SERR# can be switched on and do nothing. */
const COMMAND_ERRORS = 0x140;
const COMMAND_NO_INTERRUPT = 0x400;
const COMMAND_WRITABLE = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_ERRORS | COMMAND_NO_INTERRUPT;
const MULTIFUNCTION = 0x80;
const BAR_IO = 1;
const BAR_PREFETCHABLE = 8;
/** What has bits of its own below the address: I/O 2, memory 4. */
const ADDRESS = { io: ~3, memory: ~15, rom: ROM_ADDRESS } as const;

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision?: number;
  /** Base class, sub-class and programming interface: 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  /** INTA# is 1; 0 has no interrupt. */
  readonly interruptPin?: 0 | 1 | 2 | 3 | 4;
  readonly multifunction?: boolean;
}

export interface PciBar {
  /** Where its register is, counted from BAR 0 in double words: the ROM's is 8. */
  readonly index: 0 | 1 | 2 | 3 | 4 | 5 | 8;
  readonly space: 'io' | 'memory' | 'rom';
  /** A power of two: 4 bytes of ports, 16 bytes of memory, or more. */
  readonly sizeBytes: number;
  readonly prefetchable?: boolean;
  /** Registers; or memory that the guest maps as it is. */
  readonly handler?: IoHandler;
  readonly video?: VideoMemory;
}

export interface PciConfigOptions {
  readonly identity: PciIdentity;
  readonly bars?: readonly PciBar[];
  /** What firmware may find in the function's expansion ROM, and run: up to LARGEST_ROM_BYTES. */
  readonly rom?: Uint8Array | undefined;
  /** The guest wrote these bytes, whatever came to be in them. */
  written?(register: number, bytes: number): void;
  /** The guest is about to read these bytes: the last moment to set them. */
  reading?(register: number, bytes: number): void;
  /** Of the device's own registers: value by byte, and mask of what the guest can change. */
  readonly initial?: Readonly<Record<number, number>>;
  readonly writable?: Readonly<Record<number, number>>;
}

const SPACE_BYTES = 256;

const pciConfigState = defineState('pci-config', 1, { bytes: bytes(SPACE_BYTES) });

export class PciConfig extends Device<StateOf<typeof pciConfigState>> {
  readonly bars: readonly PciBar[];
  /** What the guest can change. */
  readonly #mask = new Uint8Array(SPACE_BYTES);
  readonly #initial = new Uint8Array(SPACE_BYTES);
  readonly #written: (register: number, bytes: number) => void;
  readonly #reading: (register: number, bytes: number) => void;
  /** Set by the bus: what the function answers to may have changed. */
  decodingChanged: () => void = () => {};

  constructor({ identity, bars = [], rom, written, reading, initial = {}, writable = {} }: PciConfigOptions) {
    super(pciConfigState);
    this.bars = rom === undefined ? bars : [...bars, expansionRomBar(rom)];
    this.#written = written ?? (() => {});
    this.#reading = reading ?? (() => {});
    const view = new DataView(this.#initial.buffer);
    view.setUint16(0, identity.vendor, true);
    view.setUint16(2, identity.device, true);
    view.setUint8(REVISION, identity.revision ?? 0);
    for (let i = 0; i < 3; i++) view.setUint8(CLASS + i, identity.classCode >>> (8 * i));
    view.setUint8(HEADER_TYPE, identity.multifunction ? MULTIFUNCTION : 0);
    view.setUint16(SUBSYSTEM_VENDOR, identity.subsystemVendor ?? 0, true);
    view.setUint16(SUBSYSTEM, identity.subsystem ?? 0, true);
    view.setUint8(INTERRUPT_PIN, identity.interruptPin ?? 0);
    const mask = new DataView(this.#mask.buffer);
    mask.setUint16(COMMAND, COMMAND_WRITABLE, true);
    for (const register of [CACHE_LINE, LATENCY, INTERRUPT_LINE]) mask.setUint8(register, 0xff);
    for (const { index, space, sizeBytes, prefetchable } of this.bars) {
      view.setUint32(BARS + 4 * index, space === 'io' ? BAR_IO : prefetchable ? BAR_PREFETCHABLE : 0, true);
      const address = -sizeBytes & ADDRESS[space];
      mask.setUint32(BARS + 4 * index, space === 'rom' ? address | ROM_ENABLE : address, true);
    }
    for (const [register, value] of Object.entries(initial)) this.#initial[Number(register)] = value;
    for (const [register, value] of Object.entries(writable)) this.#mask[Number(register)] = value;
    this.reset();
  }

  override reset(): void {
    this.state.bytes.set(this.#initial);
    this.derive();
  }

  /** What the guest cannot change is as this device has it, whatever was saved. */
  protected override derive(): void {
    const { bytes } = this.state;
    for (let i = 0; i < SPACE_BYTES; i++) {
      // Status and the device's own registers may differ from what they began as; identity and BAR types may not.
      if (i >= STATUS && i < STATUS + 2) continue;
      if (i < 0x40) bytes[i] = (bytes[i] & this.#mask[i]) | (this.#initial[i] & ~this.#mask[i]);
    }
    this.decodingChanged();
  }

  // ---- The guest ---------------------------------------------------------------------------------------------------

  read(register: number, size: AccessSize): number {
    this.#reading(register, size);
    return this.#value(register, size);
  }

  #value(register: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.byte(register + i) << (8 * i);
    return value >>> 0;
  }

  write(register: number, value: number, size: AccessSize): void {
    const { bytes } = this.state;
    for (let i = 0; i < size && register + i < SPACE_BYTES; i++) {
      const at = register + i;
      const mask = this.#mask[at] as number;
      bytes[at] = (bytes[at] & ~mask) | ((value >>> (8 * i)) & mask);
    }
    const isHeader = register < BARS_END && register + size > COMMAND;
    if (isHeader) this.decodingChanged();
    this.#written(register, size);
  }

  // ---- The device --------------------------------------------------------------------------------------------------

  byte(register: number): number {
    return register < SPACE_BYTES ? (this.state.bytes[register] as number) : 0xff;
  }

  setByte(register: number, value: number): void {
    this.state.bytes[register] = value;
  }

  #has(bit: number): boolean {
    return (this.#value(COMMAND, 2) & bit) !== 0;
  }

  get ioEnabled(): boolean {
    return this.#has(COMMAND_IO);
  }

  get memoryEnabled(): boolean {
    return this.#has(COMMAND_MEMORY);
  }

  /** Whether it may reach memory by itself. */
  get busMaster(): boolean {
    return this.#has(COMMAND_MASTER);
  }

  get interruptDisabled(): boolean {
    return this.#has(COMMAND_NO_INTERRUPT);
  }

  get interruptPin(): number {
    return this.byte(INTERRUPT_PIN);
  }

  /** Where a BAR is in its address space; undefined while the function does not answer there. */
  baseOf({ index, space }: PciBar): number | undefined {
    if (!(space === 'io' ? this.ioEnabled : this.memoryEnabled)) return undefined;
    const value = this.#value(BARS + 4 * index, 4);
    if (space === 'rom' && (value & ROM_ENABLE) === 0) return undefined;
    const base = (value & ADDRESS[space]) >>> 0;
    // At 0 firmware has not placed it yet; ports end at 64 KiB.
    if (base === 0 || (space === 'io' && base > 0xffff)) return undefined;
    return base;
  }
}
