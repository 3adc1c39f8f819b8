/** For tests: an adapter with a disk, a CD-ROM drive and an empty port, and a driver that knows no more than the registers. */

import { Drive } from '../../base/block.ts';
import { numberedSectors } from '../ide/test-ide.ts';
import { TestClock, TestLine } from '../test-clock.ts';
import { TestDisk } from '../test-disk.ts';
import { TestMemory } from '../test-memory.ts';
import { Ahci } from './ahci.ts';
import * as at from './registers.ts';

export const DISK = 0;
export const CDROM = 1;
export const EMPTY = 2;
export const DATA = 0x8_0000;
/** All interrupts. */
const EVERYTHING = at.INT_ENABLES;

const lists = (port: number): number => 0x1_0000 + port * 0x400;
const receivedAt = (port: number): number => 0x1_4000 + port * 0x100;
const tableAt = (slot: number): number => 0x2_0000 + slot * 0x800;

export interface TestCommand {
  readonly port?: number;
  readonly slot?: number;
  readonly lba?: number;
  readonly count?: number;
  readonly features?: number;
  readonly device?: number;
  readonly control?: number;
  readonly isControl?: boolean;
  readonly isWrite?: boolean;
  readonly clearsBusy?: boolean;
  readonly packet?: readonly number[];
  /** Addresses and lengths in turn; a megabyte at DATA when absent. */
  readonly regions?: readonly number[];
}

export class TestAhci {
  readonly clock: TestClock;
  readonly memory = new TestMemory(4 << 20);
  readonly disk: TestDisk;
  readonly disc: TestDisk;
  readonly drive: Drive;
  readonly irq = new TestLine();
  readonly ahci: Ahci;

  constructor({ clock = new TestClock(), disk = new TestDisk(clock, numberedSectors(4000)) } = {}) {
    this.clock = clock;
    this.disk = disk;
    this.disc = new TestDisk(clock, numberedSectors(400));
    this.drive = new Drive(this.disc);
    const { memory, irq, drive } = this;
    const attachments = [{ kind: 'disk', medium: disk } as const, { kind: 'cdrom', drive } as const];
    this.ahci = new Ahci({ memory, irq, attachments });
    this.ahci.config.write(4, 6, 2);
  }

  get(register: number): number {
    return this.ahci.registers.read(register, 4);
  }

  set(register: number, value: number): void {
    this.ahci.registers.write(register, value >>> 0, 4);
  }

  port(register: number, port = DISK): number {
    return this.get(at.PORTS + port * at.PORT_BYTES + register);
  }

  setPort(register: number, value: number, port = DISK): void {
    this.set(at.PORTS + port * at.PORT_BYTES + register, value);
  }

  /** As drivers do: memory, interrupts, start. */
  start(...ports: number[]): this {
    this.set(at.GHC, at.GHC_AHCI | at.GHC_INTERRUPTS);
    for (const port of ports.length ? ports : [DISK, CDROM]) {
      this.setPort(at.CLB, lists(port), port);
      this.setPort(at.CLBU, 0, port);
      this.setPort(at.FB, receivedAt(port), port);
      this.setPort(at.FBU, 0, port);
      this.setPort(at.SERR, 0xffff_ffff, port);
      this.setPort(at.PXIS, 0xffff_ffff, port);
      this.setPort(at.PXIE, EVERYTHING, port);
      this.setPort(at.CMD, at.CMD_FIS_RECEIVE, port);
      this.setPort(at.CMD, at.CMD_FIS_RECEIVE | at.CMD_START, port);
    }
    this.set(at.IS, 0xffff_ffff);
    return this;
  }

  /** Puts a command into its slot. */
  place(command: number, options: TestCommand = {}): void {
    const { port = DISK, slot = 0, lba = 0, count = 0, features = 0, device = 0x40, control = 0 } = options;
    const { packet, regions = [DATA, 1 << 20], isWrite = false, clearsBusy = false, isControl = false } = options;
    const { view, bytes } = this.memory;
    const header = lists(port) + slot * 32;
    const table = tableAt(slot);
    bytes.fill(0, header, header + 32);
    bytes.fill(0, table, table + 0x80);
    const flags = 5 | (packet ? 0x20 : 0) | (isWrite ? 0x40 : 0) | (clearsBusy ? 0x400 : 0);
    view.setUint32(header, flags | ((regions.length / 2) << 16), true);
    view.setUint32(header + 8, table, true);
    const upper = Math.floor(lba / 2 ** 24);
    bytes.set([0x27, isControl ? 0 : 0x80, command, features & 0xff], table);
    bytes.set([lba & 0xff, (lba >> 8) & 0xff, (lba >> 16) & 0xff, device], table + 4);
    bytes.set([upper & 0xff, (upper >> 8) & 0xff, (upper >> 16) & 0xff, features >> 8], table + 8);
    bytes.set([count & 0xff, count >> 8, 0, control], table + 12);
    bytes.set(packet ?? [], table + 0x40);
    for (let i = 0; i < regions.length; i += 2) {
      view.setBigUint64(table + 0x80 + i * 8, BigInt(regions[i]), true);
      view.setUint32(table + 0x80 + i * 8 + 12, regions[i + 1] - 1, true);
    }
  }

  issue(slots: number, port = DISK): void {
    this.setPort(at.CI, slots, port);
  }

  /** Places a command, issues it and waits for the storage. */
  run(command: number, options: TestCommand = {}): void {
    this.place(command, options);
    this.issue(1 << (options.slot ?? 0), options.port);
    this.wait();
  }

  /** Queued commands: READ or WRITE FPDMA QUEUED. */
  placeQueued(slot: number, isWrite: boolean, lba: number, count: number, options: TestCommand = {}): void {
    this.place(isWrite ? 0x61 : 0x60, { slot, lba, features: count, count: slot << 3, isWrite, ...options });
  }

  issueQueued(slots: number): void {
    this.setPort(at.SACT, slots);
    this.setPort(at.CI, slots);
  }

  packet(packet: readonly number[], options: TestCommand = {}): void {
    this.run(0xa0, { port: CDROM, packet, features: 1, ...options });
  }

  wait(): void {
    this.clock.advance(1e8);
  }

  /** Interrupts of a port, cleared there and in the adapter. */
  interrupts(port = DISK): number {
    const found = this.port(at.PXIS, port);
    this.setPort(at.PXIS, found, port);
    this.set(at.IS, 1 << port);
    return found;
  }

  /** After an error: the port stopped and started. */
  restart(port = DISK): void {
    this.setPort(at.CMD, at.CMD_FIS_RECEIVE, port);
    this.interrupts(port);
    this.setPort(at.CMD, at.CMD_FIS_RECEIVE | at.CMD_START, port);
  }

  /** Bytes of data moved, as the command's header has it. */
  moved(slot = 0, port = DISK): number {
    return this.memory.view.getUint32(lists(port) + slot * 32 + 4, true);
  }

  /** A FIS as it was received: 0x20 PIO setup, 0x40 registers, 0x58 device bits. */
  received(where: number, length = 20, port = DISK): number[] {
    const start = receivedAt(port) + where;
    return [...this.memory.bytes.slice(start, start + length)];
  }

  data(length: number, address = DATA): Uint8Array {
    return this.memory.bytes.slice(address, address + length);
  }

  word(address: number): number {
    return this.memory.view.getUint32(address, true);
  }
}
