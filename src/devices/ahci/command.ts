/**
 * A command as a driver puts it into memory (AHCI 1.3.1 §4.2.2 "Command List Structure", §4.2.3 "Command Table").
 *
 *     header, 32 bytes            command table                    region, 16 bytes
 *      0  length, flags, regions    0x00 command FIS, 64 bytes       0 address, 8 bytes
 *      4  bytes moved               0x40 ATAPI packet, 16 bytes     12 bytes - 1 (22 bits)
 *      8  address of the table      0x80 regions of memory
 */

import type { GuestMemory } from '../../base/dma.ts';
import type { DmaStretch } from '../ide/ide-unit.ts';
import { address64 } from './registers.ts';

const HEADER_BYTES = 32;
const PACKET = 0x20;
const CLEAR_BUSY = 0x400;
const TABLE_PACKET = 0x40;
const TABLE_REGIONS = 0x80;
const REGION_BYTES = 16;
/** Descriptions of regions that are read at a time. */
const REGIONS_AT_ONCE = 64;
const LONGEST_REGION = 0x40_0000;

export const FIS_BYTES = 20;
const FIS_HOST_TO_DEVICE = 0x27;

/** Where a transfer is among the regions. */
interface Place {
  readonly region: number;
  readonly offset: number;
}

/** Guest memory for a piece of a transfer: addresses and lengths in turn. */
export interface Stretch extends DmaStretch {
  readonly regions: readonly number[];
  readonly after: Place;
}

export class AhciCommand {
  readonly isPacket: boolean;
  /** The port is not busy once the device has the command: there is no answer. */
  readonly clearsBusy: boolean;
  /** The register FIS that the device is sent. */
  readonly fis = new Uint8Array(FIS_BYTES);
  readonly packet = new Uint8Array(16);
  readonly #memory: GuestMemory;
  readonly #header: number;
  readonly #regions: number;
  readonly #regionCount: number;
  readonly #descriptions = new Uint8Array(REGIONS_AT_ONCE * REGION_BYTES);
  readonly #described = new DataView(this.#descriptions.buffer);
  /** The first region that `#descriptions` has. */
  #firstDescribed = -1;
  #place: Place = { region: 0, offset: 0 };

  private constructor(memory: GuestMemory, header: number, flags: number, table: number) {
    this.#memory = memory;
    this.#header = header;
    this.isPacket = (flags & PACKET) !== 0;
    this.clearsBusy = (flags & CLEAR_BUSY) !== 0;
    this.#regions = table + TABLE_REGIONS;
    this.#regionCount = flags >>> 16;
  }

  /** The command of a slot; undefined when it is not in memory. */
  static fetch(memory: GuestMemory, list: number, slot: number): AhciCommand | undefined {
    const header = list + slot * HEADER_BYTES;
    const bytes = new Uint8Array(HEADER_BYTES);
    if (!memory.read(header, bytes)) return undefined;
    const view = new DataView(bytes.buffer);
    const table = address64(view.getUint32(8, true) & ~0x7f, view.getUint32(12, true));
    const command = new AhciCommand(memory, header, view.getUint32(0, true), table);
    const isThere = memory.read(table, command.fis) && memory.read(table + TABLE_PACKET, command.packet);
    return isThere ? command : undefined;
  }

  /** A FIS from the host to the device; others are none that a device understands. */
  get isValid(): boolean {
    return this.fis[0] === FIS_HOST_TO_DEVICE;
  }

  /** The FIS carries a command; otherwise it is for device control. */
  get isCommand(): boolean {
    return (this.fis[1] & 0x80) !== 0;
  }

  /** The next piece of guest memory, `mostBytes` long unless the regions end before. */
  plan(mostBytes: number): Stretch {
    const regions: number[] = [];
    let { region, offset } = this.#place;
    let bytes = 0;
    while (bytes < mostBytes && region < this.#regionCount) {
      const at = this.#describe(region);
      if (at === undefined) return { bytes, regions, after: this.#place, isBroken: true };
      const length = (this.#described.getUint32(at + 12, true) & (LONGEST_REGION - 1)) + 1;
      const start = address64(this.#described.getUint32(at, true), this.#described.getUint32(at + 4, true));
      const count = Math.min(length - offset, mostBytes - bytes);
      regions.push(start + offset, count);
      bytes += count;
      offset += count;
      if (offset === length) {
        region++;
        offset = 0;
      }
    }
    return { bytes, regions, after: { region, offset }, isBroken: false };
  }

  advance(stretch: Stretch): void {
    this.#place = stretch.after;
  }

  /** Moves bytes to guest memory; false when some of it is no memory. */
  toMemory({ regions }: Stretch, bytes: Uint8Array): boolean {
    for (let i = 0, done = 0; i < regions.length; i += 2) {
      const end = done + regions[i + 1];
      if (!this.#memory.write(regions[i], bytes.subarray(done, end))) return false;
      done = end;
    }
    return true;
  }

  /** The other way. */
  fromMemory({ regions }: Stretch, into: Uint8Array): boolean {
    for (let i = 0, done = 0; i < regions.length; i += 2) {
      const end = done + regions[i + 1];
      if (!this.#memory.read(regions[i], into.subarray(done, end))) return false;
      done = end;
    }
    return true;
  }

  /** Tells the driver how much data was moved. */
  reportMoved(bytes: number): void {
    const report = new Uint8Array(4);
    new DataView(report.buffer).setUint32(0, bytes, true);
    this.#memory.write(this.#header + 4, report);
  }

  /** Offset in `#descriptions` of what tells of a region. */
  #describe(region: number): number | undefined {
    const first = region - (region % REGIONS_AT_ONCE);
    if (first !== this.#firstDescribed) {
      const count = Math.min(REGIONS_AT_ONCE, this.#regionCount - first);
      const into = this.#descriptions.subarray(0, count * REGION_BYTES);
      this.#firstDescribed = -1;
      if (!this.#memory.read(this.#regions + first * REGION_BYTES, into)) return undefined;
      this.#firstDescribed = first;
    }
    return (region - first) * REGION_BYTES;
  }
}
