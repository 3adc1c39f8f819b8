/** For tests: an IDE function on its ports, with a driver that knows no more than the registers. */

import { Drive } from '../../base/block.ts';
import { type AccessSize, Bus } from '../../base/bus.ts';
import { TestClock, TestLine } from '../test-clock.ts';
import { TestDisk } from '../test-disk.ts';
import { TestMemory } from '../test-memory.ts';
import * as ata from './ata-registers.ts';
import { Piix3Ide } from './piix3-ide.ts';

export const PRIMARY = 0x1f0;
export const SECONDARY = 0x170;
export const CONTROL = 0x206;
export const BUS_MASTER = 0xc000;
const TABLE = 0x1000;

/** The sector's number in every 32-bit word of it. */
export function numberedSectors(sectors: number): Uint8Array {
  const words = new Uint32Array(sectors * 128);
  for (let i = 0; i < words.length; i++) words[i] = Math.floor(i / 128);
  return new Uint8Array(words.buffer);
}

/** A disk at the primary channel, a CD-ROM drive at the secondary one, each as device 0. */
export class TestIde {
  readonly clock: TestClock;
  readonly memory = new TestMemory(1 << 20);
  readonly disk: TestDisk;
  readonly disc: TestDisk;
  readonly drive: Drive;
  readonly irqs = [new TestLine(), new TestLine()] as const;
  readonly ide: Piix3Ide;
  readonly bus = new Bus();

  constructor(clock = new TestClock(), sectors = 40_000) {
    this.clock = clock;
    this.disk = new TestDisk(this.clock, numberedSectors(sectors));
    this.disc = new TestDisk(this.clock, numberedSectors(4000));
    this.drive = new Drive(this.disc);
    this.ide = new Piix3Ide({
      memory: this.memory,
      irqs: this.irqs,
      attachments: [{ kind: 'disk', medium: this.disk }, undefined, { kind: 'cdrom', drive: this.drive }],
    });
    this.enable();
    this.bus.map(PRIMARY, 8, this.ide.primary.command);
    this.bus.map(PRIMARY + CONTROL, 1, this.ide.primary.control);
    this.bus.map(SECONDARY, 8, this.ide.secondary.command);
    this.bus.map(SECONDARY + CONTROL, 1, this.ide.secondary.control);
    this.bus.map(BUS_MASTER, 16, this.ide.busMaster);
  }

  /** As firmware does: I/O and bus master on, both channels decoded. */
  enable(): void {
    this.ide.config.write(4, 5, 2);
    this.ide.config.write(0x40, 0x8000_8000, 4);
  }

  in(port: number, size: AccessSize = 1): number {
    return this.bus.read(port, size);
  }

  out(port: number, value: number, size: AccessSize = 1): void {
    this.bus.write(port, value, size);
  }

  /** Long enough for the storage to answer whatever is under way. */
  wait(): void {
    this.clock.advance(1e6);
  }

  status(base = PRIMARY): number {
    return this.in(base + CONTROL);
  }

  /** A command with a 28-bit address. */
  command(command: number, lba = 0, count = 1, base = PRIMARY): void {
    this.out(base + ata.DEVICE, 0xe0 | (lba >> 24));
    this.out(base + ata.SECTOR_COUNT, count & 0xff);
    this.out(base + ata.LBA_LOW, lba & 0xff);
    this.out(base + ata.LBA_MID, (lba >> 8) & 0xff);
    this.out(base + ata.LBA_HIGH, (lba >> 16) & 0xff);
    this.out(base + ata.COMMAND, command);
  }

  /** A command with a 48-bit address. */
  commandExt(command: number, lba: number, count: number): void {
    const upper = Math.floor(lba / 2 ** 24);
    this.out(PRIMARY + ata.DEVICE, 0x40);
    for (const [register, value] of [
      [ata.SECTOR_COUNT, count >> 8],
      [ata.SECTOR_COUNT, count & 0xff],
      [ata.LBA_LOW, upper & 0xff],
      [ata.LBA_MID, (upper >> 8) & 0xff],
      [ata.LBA_HIGH, upper >> 16],
      [ata.LBA_LOW, lba & 0xff],
      [ata.LBA_MID, (lba >> 8) & 0xff],
      [ata.LBA_HIGH, (lba >> 16) & 0xff],
    ]) {
      this.out(PRIMARY + register, value);
    }
    this.out(PRIMARY + ata.COMMAND, command);
  }

  /** `bytes` through the data register, 16 bits at a time. */
  takeData(bytes: number, base = PRIMARY): Uint8Array {
    return new Uint8Array(Uint16Array.from({ length: bytes / 2 }, () => this.in(base, 2)).buffer);
  }

  giveData(bytes: Uint8Array, base = PRIMARY): void {
    for (let i = 0; i < bytes.length; i += 2) this.out(base, bytes[i] | (bytes[i + 1] << 8), 2);
  }

  /** A table of physical regions: addresses and lengths in turn. */
  regions(...regions: number[]): void {
    for (let i = 0; i < regions.length; i += 2) {
      const isLast = i + 2 === regions.length;
      this.memory.view.setUint32(TABLE + i * 4, regions[i], true);
      this.memory.view.setUint32(TABLE + i * 4 + 4, (regions[i + 1] & 0xffff) + (isLast ? 0x8000_0000 : 0), true);
    }
  }

  /** Starts the bus master of a channel, towards memory or not. */
  startDma(towardsMemory: boolean, channel = 0, table = TABLE): void {
    const base = BUS_MASTER + channel * 8;
    this.out(base, 0);
    this.out(base + 4, table, 4);
    this.out(base + 2, 6);
    this.out(base, towardsMemory ? 9 : 1);
  }

  dmaStatus(channel = 0): number {
    return this.in(BUS_MASTER + channel * 8 + 2);
  }

  /** A packet command to the CD-ROM drive. */
  packet(bytes: readonly number[], options: { limit?: number; dma?: boolean } = {}): void {
    const { limit = 0xfffe, dma = false } = options;
    this.out(SECONDARY + ata.DEVICE, 0xa0);
    this.out(SECONDARY + ata.FEATURES, dma ? 1 : 0);
    this.out(SECONDARY + ata.LBA_MID, limit & 0xff);
    this.out(SECONDARY + ata.LBA_HIGH, limit >> 8);
    this.out(SECONDARY + ata.COMMAND, ata.PACKET);
    this.giveData(
      Uint8Array.from({ length: 12 }, (_, i) => bytes[i] ?? 0),
      SECONDARY,
    );
    this.wait();
  }

  /** What a packet command replies through the data register, however it is portioned. */
  packetReply(bytes: readonly number[], limit = 0xfffe): Uint8Array {
    this.packet(bytes, { limit });
    const parts: number[] = [];
    while (this.status(SECONDARY) & ata.DRQ) {
      const length = this.in(SECONDARY + ata.LBA_MID) | (this.in(SECONDARY + ata.LBA_HIGH) << 8);
      for (let i = 0; i < length; i += 2) {
        const word = this.in(SECONDARY, 2);
        parts.push(word & 0xff);
        if (i + 1 < length) parts.push(word >> 8);
      }
      this.wait();
    }
    return Uint8Array.from(parts);
  }

  /** Sense key, code and qualifier of the last packet command, as one number. */
  sense(): number {
    const bytes = this.packetReply([0x03, 0, 0, 0, 18]);
    return (bytes[2] << 16) | (bytes[12] << 8) | bytes[13];
  }
}
