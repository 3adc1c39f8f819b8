/**
 * QEMU's firmware configuration device, by which firmware gets what the board knows (QEMU, docs/specs/fw_cfg.rst).
 *
 *     0x510  selector, 16 bits, little endian
 *     0x511  data, a byte at a time
 *     0x514  DMA address, 64 bits, big endian; the write of the low half starts the transfer
 *
 * Not modelled: writable items.
 */

import { swap32 } from '../base/bits.ts';
import type { IoHandler } from '../base/bus.ts';
import type { GuestMemory } from '../base/dma.ts';
import { defineState, type StateOf, u16, u32 } from '../base/state.ts';
import { Device } from './device.ts';

export const FW_CFG_SIGNATURE = 0x0000;
export const FW_CFG_ID = 0x0001;
export const FW_CFG_RAM_SIZE = 0x0003;
export const FW_CFG_CPUS = 0x0005;
export const FW_CFG_MAX_CPUS = 0x000f;
export const FW_CFG_BOOT_MENU = 0x000e;
export const FW_CFG_DIRECTORY = 0x0019;
const FIRST_FILE = 0x0020;
const NAME_BYTES = 56;
const ENTRY_BYTES = 64;

const ID_TRADITIONAL = 1;
const ID_DMA = 2;
/** "QEMU CFG" */
const DMA_SIGNATURE = [0x51454d55, 0x20434647] as const;

const DMA_ERROR = 0x01;
const DMA_READ = 0x02;
const DMA_SKIP = 0x04;
const DMA_SELECT = 0x08;
const DMA_WRITE = 0x10;
/** A transfer goes in pieces of this size. */
const PIECE_BYTES = 0x1_0000;

const fwCfgState = defineState('fw-cfg', 1, {
  selector: u16(),
  offset: u32(),
  dmaHigh: u32(),
});

export class FwCfg extends Device<StateOf<typeof fwCfgState>> {
  /** Ports 0x510 and 0x511. */
  readonly registers: IoHandler;
  /** Ports 0x514 to 0x51b. */
  readonly dma: IoHandler;
  readonly #items = new Map<number, Uint8Array>();
  readonly #files: { readonly name: string; readonly bytes: Uint8Array; readonly renewed?: () => Uint8Array }[] = [];
  readonly #memory: GuestMemory;

  constructor(host: { readonly memory: GuestMemory }) {
    super(fwCfgState);
    this.#memory = host.memory;
    this.item(FW_CFG_SIGNATURE, new TextEncoder().encode('QEMU'));
    this.item(FW_CFG_ID, Uint8Array.of(ID_TRADITIONAL | ID_DMA, 0, 0, 0));
    this.registers = {
      widest: 2,
      read: (offset, size) => (offset === 1 && size === 1 ? this.#readByte() : 0),
      write: (offset, value, size) => {
        if (offset === 0 && size === 2) this.#select(value);
      },
    };
    this.dma = {
      read: (offset) => swap32(DMA_SIGNATURE[offset >> 2] ?? 0),
      write: (offset, value, size) => {
        if (size !== 4) return;
        if (offset === 0) this.state.dmaHigh = swap32(value);
        else if (offset === 4) this.#transfer(swap32(value));
      },
    };
  }

  /** An item with a number of its own. */
  item(selector: number, bytes: Uint8Array): void {
    this.#items.set(selector, bytes);
  }

  number(selector: number, value: number, bytes: 2 | 4 | 8): void {
    const item = new Uint8Array(bytes);
    new DataView(item.buffer).setUint16(0, value, true);
    if (bytes > 2) new DataView(item.buffer).setUint32(0, value, true);
    if (bytes === 8) new DataView(item.buffer).setBigUint64(0, BigInt(value), true);
    this.item(selector, item);
  }

  /**
   * An item that firmware finds by name, of 55 characters at most. What depends on what firmware has set up is `renewed`
   * whenever it is selected, at the same length.
   */
  file(name: string, bytes: Uint8Array, renewed?: () => Uint8Array): void {
    if (name.length >= NAME_BYTES) throw new Error(`fw_cfg file name too long: ${name}`);
    this.#files.push({ name, bytes, ...(renewed && { renewed }) });
    // The directory is in order of names.
    this.#files.sort((a, b) => (a.name < b.name ? -1 : 1));
    const directory = new Uint8Array(4 + ENTRY_BYTES * this.#files.length);
    const view = new DataView(directory.buffer);
    view.setUint32(0, this.#files.length);
    this.#files.forEach((file, i) => {
      const entry = 4 + ENTRY_BYTES * i;
      view.setUint32(entry, file.bytes.length);
      view.setUint16(entry + 4, FIRST_FILE + i);
      directory.set(new TextEncoder().encode(file.name), entry + 8);
      this.item(FIRST_FILE + i, file.bytes);
    });
    this.item(FW_CFG_DIRECTORY, directory);
  }

  #select(selector: number): void {
    this.state.selector = selector;
    this.state.offset = 0;
    const bytes = this.#files[selector - FIRST_FILE]?.renewed?.();
    if (bytes !== undefined) this.item(selector, bytes);
  }

  get #item(): Uint8Array | undefined {
    return this.#items.get(this.state.selector);
  }

  #readByte(): number {
    const s = this.state;
    const value = this.#item?.[s.offset] ?? 0;
    if (s.offset < 0xffff_ffff) s.offset++;
    return value;
  }

  /** The structure at `low`, big endian: control, length, address. */
  #transfer(low: number): void {
    const s = this.state;
    const at = s.dmaHigh * 2 ** 32 + low;
    s.dmaHigh = 0;
    const bytes = new Uint8Array(16);
    if (!this.#memory.read(at, bytes)) return;
    const access = new DataView(bytes.buffer);
    const control = access.getUint32(0);
    const length = access.getUint32(4);
    const address = Number(access.getBigUint64(8));
    if (control & DMA_SELECT) this.#select(control >>> 16);
    let isDone = (control & DMA_WRITE) === 0;
    if (isDone && control & DMA_READ) isDone = this.#copy(address, length);
    else if (isDone && control & DMA_SKIP) s.offset = Math.min(s.offset + length, 0xffff_ffff);
    access.setUint32(0, isDone ? 0 : DMA_ERROR);
    this.#memory.write(at, bytes.subarray(0, 4));
  }

  /** Beyond its end an item is zeros. Longer than memory no transfer can be. */
  #copy(address: number, length: number): boolean {
    const s = this.state;
    if (length > this.#memory.sizeBytes) return false;
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, length - done));
      piece.set(this.#item?.subarray(s.offset, s.offset + piece.length) ?? []);
      if (!this.#memory.write(address + done, piece)) return false;
      s.offset = Math.min(s.offset + piece.length, 0xffff_ffff);
    }
    return true;
  }
}
