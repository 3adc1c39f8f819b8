/**
 * Bus-master registers of one IDE channel (Intel 82371FB/82371SB data sheet, 290550-002, "Bus Master IDE
 * Registers" and "Bus Master Function"; SFF-8038i "Programming Interface for Bus Master IDE Controllers").
 *
 *     0 command   bit 0 start, bit 3 towards memory
 *     2 status    bit 0 active, bit 1 error, bit 2 interrupt, bits 5 and 6 free for software
 *     4 address of the table of physical regions:
 *            31                    0
 *            | address           |0|
 *            |E|      | bytes    |0|    E: last entry; 0 bytes are 64 KiB
 *
 * Deviation: the direction is the device's; bit 3 of the command register is kept and not looked at.
 */

import type { GuestMemory } from '../../base/dma.ts';
import { bool, defineState, type StateOf, u8, u16, u32 } from '../../base/state.ts';

const COMMAND = 0;
const STATUS = 2;
const TABLE = 4;

const START = 0x01;
const TOWARDS_MEMORY = 0x08;
const ACTIVE = 0x01;
const ERROR = 0x02;
const INTERRUPT = 0x04;
const FOR_SOFTWARE = 0x60;

const ENTRY_BYTES = 8;
/** "The table must not cross a 64-KByte boundary": the address counts within one, and there are no more entries. */
const TABLE_BYTES = 0x1_0000;
const LAST_ENTRY = 0x8000_0000;
const WHOLE_REGION_BYTES = 0x1_0000;

export const busMasterState = defineState('ide-bus-master', 1, {
  command: u8({ max: START | TOWARDS_MEMORY }),
  status: u8({ max: FOR_SOFTWARE | INTERRUPT | ERROR | ACTIVE }),
  table: u32(),
  /** Where the transfer is: the next entry, and what is left of the one before it. */
  nextEntry: u32(),
  address: u32(),
  left: u32({ max: WHOLE_REGION_BYTES }),
  isLast: bool(),
  /** Entries taken since the start. */
  entries: u16({ max: TABLE_BYTES / ENTRY_BYTES }),
});

type BusMasterState = StateOf<typeof busMasterState>;
type Place = Pick<BusMasterState, 'nextEntry' | 'address' | 'left' | 'isLast' | 'entries'>;

/** A stretch of guest memory to be transferred, in regions. */
export interface Stretch {
  readonly bytes: number;
  /** Addresses and lengths in turn. */
  readonly regions: readonly number[];
  readonly after: Place;
  /** An entry could not be read. */
  readonly isBroken: boolean;
  /** Which start of the bus master it belongs to. */
  readonly start: number;
}

export interface BusMasterHost {
  readonly memory: GuestMemory;
  /** The PCI function may be master. */
  isAllowed(): boolean;
  /** The guest has started the bus master. */
  started(): void;
}

export class BusMaster {
  readonly #state: BusMasterState;
  readonly #host: BusMasterHost;
  readonly #entry = new DataView(new ArrayBuffer(ENTRY_BYTES));
  #starts = 0;

  constructor(state: BusMasterState, host: BusMasterHost) {
    this.#state = state;
    this.#host = host;
  }

  read(offset: number): number {
    const s = this.#state;
    if (offset === COMMAND) return s.command;
    if (offset === STATUS) return s.status;
    return offset >= TABLE ? (s.table >>> (8 * (offset - TABLE))) & 0xff : 0;
  }

  write(offset: number, value: number): void {
    const s = this.#state;
    if (offset === COMMAND) this.#command(value);
    else if (offset === STATUS) {
      s.status = (s.status & ACTIVE) | (value & FOR_SOFTWARE) | (s.status & ~value & (ERROR | INTERRUPT));
    } else if (offset >= TABLE) {
      const shift = 8 * (offset - TABLE);
      s.table = ((s.table & ~(0xff << shift)) | (value << shift)) & ~3;
      s.table >>>= 0;
    }
  }

  #command(value: number): void {
    const s = this.#state;
    const starts = (value & ~s.command & START) !== 0;
    s.command = value & (START | TOWARDS_MEMORY);
    if ((value & START) === 0) s.status &= ~ACTIVE;
    if (!starts) return;
    Object.assign(s, { nextEntry: s.table, address: 0, left: 0, isLast: false, entries: 0 } satisfies Place);
    s.status |= ACTIVE;
    this.#starts++;
    this.#host.started();
  }

  /** Transfers can be made now. */
  get isActive(): boolean {
    return (this.#state.status & ACTIVE) !== 0 && this.#host.isAllowed();
  }

  /** The channel's interrupt line went up. */
  interrupted(): void {
    this.#state.status |= INTERRUPT;
  }

  /** The next stretch, `mostBytes` long unless the table ends. Nothing is moved yet. */
  plan(mostBytes: number): Stretch {
    const { nextEntry, address, left, isLast, entries } = this.#state;
    const place: Place = { nextEntry, address, left, isLast, entries };
    const regions: number[] = [];
    let bytes = 0;
    let isBroken = false;
    while (bytes < mostBytes) {
      if (place.left === 0) {
        if (place.isLast) break;
        isBroken = !this.#nextEntry(place);
        if (isBroken) break;
      }
      const count = Math.min(place.left, mostBytes - bytes);
      regions.push(place.address, count);
      place.address += count;
      place.left -= count;
      bytes += count;
    }
    return { bytes, regions, after: place, isBroken, start: this.#starts };
  }

  #nextEntry(place: Place): boolean {
    if (place.entries >= TABLE_BYTES / ENTRY_BYTES) return false;
    const bytes = new Uint8Array(this.#entry.buffer);
    if (!this.#host.memory.read(place.nextEntry, bytes)) return false;
    const size = this.#entry.getUint32(4, true);
    place.entries++;
    place.nextEntry =
      place.nextEntry - (place.nextEntry % TABLE_BYTES) + ((place.nextEntry + ENTRY_BYTES) % TABLE_BYTES);
    place.address = (this.#entry.getUint32(0, true) & ~1) >>> 0;
    place.left = size & 0xfffe || WHOLE_REGION_BYTES;
    place.isLast = size >= LAST_ENTRY;
    return true;
  }

  /** The stretch was planned since the last start, and the bus master still runs. */
  isCurrent(stretch: Stretch): boolean {
    return this.isActive && stretch.start === this.#starts;
  }

  /** Moves bytes to guest memory; false, with the transfer at its end, when some of it is no memory. */
  toMemory(stretch: Stretch, bytes: Uint8Array): boolean {
    return this.#each(stretch, (address, start, end) => this.#host.memory.write(address, bytes.subarray(start, end)));
  }

  /** The other way. */
  fromMemory(stretch: Stretch, into: Uint8Array): boolean {
    return this.#each(stretch, (address, start, end) => this.#host.memory.read(address, into.subarray(start, end)));
  }

  #each(stretch: Stretch, move: (address: number, start: number, end: number) => boolean): boolean {
    const { regions } = stretch;
    for (let i = 0, done = 0; i < regions.length; i += 2) {
      const length = regions[i + 1] as number;
      if (!move(regions[i] as number, done, done + length)) {
        this.fail();
        return false;
      }
      done += length;
    }
    return true;
  }

  /** The stretch has been transferred: at the end of the table the bus master is no longer active. */
  advance(stretch: Stretch): void {
    const s = this.#state;
    Object.assign(s, stretch.after);
    if (s.isLast && s.left === 0) s.status &= ~ACTIVE;
  }

  /** The table is at its end while the device has not finished. */
  exhausted(): void {
    this.#state.status &= ~ACTIVE;
  }

  /** There is no memory where the table, or one of its entries, points. */
  fail(): void {
    this.#state.status = (this.#state.status & ~ACTIVE) | ERROR;
  }
}
