/**
 * How a port of an AHCI adapter runs commands on the device behind it (AHCI 1.3.1 §5.3 "HBA Port State Machine").
 *
 *     CI bit -> command from memory -> queued?  CommandQueue -> Set Device Bits FIS, SACT bit cleared
 *                                      else     IdeUnit: PIO, DMA, packets -> registers FIS, CI bit cleared
 *
 * One unqueued command is under way at a time, and none while the queue has any. An error halts the port until the
 * driver clears PxCMD.ST.
 * Deviation: clearing PxCMD.ST ends what the device was doing. A queued command is accepted and given its data without
 * FISes in memory that tell of it.
 */

import type { BlockPort } from '../../base/block.ts';
import type { GuestMemory } from '../../base/dma.ts';
import * as ata from '../ide/ata-registers.ts';
import type { DmaEngine, DmaStretch, IdeUnit, IdeUnitHost } from '../ide/ide-unit.ts';
import { PACKET_BYTES, PHASE_DATA_IN, PHASE_DATA_OUT, PHASE_IDLE, PHASE_PACKET } from '../ide/ide-unit-state.ts';
import { AhciCommand, type Stretch } from './command.ts';
import {
  PIO_END_STATUS,
  pioSetupFis,
  RECEIVED_DEVICE_BITS,
  RECEIVED_PIO_SETUP,
  RECEIVED_REGISTERS,
  registersFis,
  setDeviceBitsFis,
} from './fis.ts';
import { CommandQueue } from './queue.ts';
import * as at from './registers.ts';

export interface EngineHost {
  readonly memory: GuestMemory;
  /** The PCI function may be master. */
  isBusMaster(): boolean;
  /** These interrupts have occurred. */
  raise(interrupts: number): void;
}

const NOTHING: Stretch = { bytes: 0, regions: [], after: { region: 0, offset: 0 }, isBroken: true };

export class CommandEngine implements DmaEngine {
  /** For the device. */
  readonly unitHost: IdeUnitHost;
  readonly #state: at.PortState;
  readonly #host: EngineHost;
  #unit: IdeUnit | undefined;
  #queue: CommandQueue | undefined;
  /** That of `state.slot`. */
  #command: AhciCommand | undefined;
  #isRunning = false;

  constructor(state: at.PortState, host: EngineHost) {
    this.#state = state;
    this.#host = host;
    this.unitHost = { busMaster: this, interruptChanged: () => this.run() };
  }

  /** `medium`: of a disk, which queues commands. */
  attach(unit: IdeUnit, medium?: BlockPort): void {
    this.#unit = unit;
    this.#queue = medium && new CommandQueue(medium, this.#queueHost(unit));
  }

  /** What was under way when the state was saved goes on. */
  derive(): void {
    const s = this.#state;
    this.#command = undefined;
    if (s.slot !== at.NO_SLOT) {
      this.#command = this.#fetch(s.slot);
      this.#command?.advance(this.#command.plan(s.movedBytes));
    }
    this.#unit?.resume();
    for (let slot = 0; slot < at.SLOTS; slot++) {
      if (!((s.queued >>> slot) & 1)) continue;
      const command = this.#fetch(slot);
      if (command) this.#queue?.start(slot, command);
      else this.fail();
    }
    this.run();
  }

  /** The function may have become bus master. */
  allowed(): void {
    if (this.#unit?.isWaitingForDma) this.#unit.continueDma();
    this.run();
  }

  /** All that is under way is forgotten, as by clearing PxCMD.ST. */
  stop(): void {
    const s = this.#state;
    const unit = this.#unit;
    this.#queue?.abandon();
    s.issue = 0;
    s.active = 0;
    s.queued = 0;
    s.isHalted = false;
    s.slot = at.NO_SLOT;
    s.lastSlot = at.SLOTS - 1;
    this.#command = undefined;
    if (!unit || unit.state.phase === PHASE_IDLE) return;
    unit.reset();
    s.taskFile = unit.state.status | (unit.state.error << 8);
  }

  /** The device tells what it is. */
  sendSignature(): void {
    const s = this.#state;
    const unit = this.#unit;
    if (!unit) return;
    const { count, low, mid, high, status, error } = unit.state;
    s.signature = ((high << 24) | (mid << 16) | (low << 8) | count) >>> 0;
    s.taskFile = status | (error << 8);
    s.owesSignature = (s.command & at.CMD_FIS_RECEIVE) === 0;
    this.#receive(RECEIVED_REGISTERS, registersFis(unit.state, status, false));
  }

  /** A FIS of the device goes to memory. */
  #receive(where: number, fis: Uint8Array): void {
    const s = this.#state;
    if (!(s.command & at.CMD_FIS_RECEIVE)) return;
    if (!this.#host.memory.write(at.address64(s.fis, s.fisUpper) + where, fis)) this.fail();
  }

  // ---- Commands ----------------------------------------------------------------------------------------------------

  /** Goes on as far as it can without the medium: each step takes a command on, or to its end. */
  run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#step());
    this.#isRunning = false;
  }

  #step(): boolean {
    const s = this.#state;
    const unit = this.#unit;
    const isUp = s.sataStatus === at.SSTS_ESTABLISHED;
    if (!(s.command & at.CMD_START) || s.isHalted || !unit || !isUp || !this.#host.isBusMaster()) return false;
    if (s.slot !== at.NO_SLOT) return this.#command !== undefined && this.#goOn(unit, this.#command);
    return s.issue !== 0 && this.#take(unit);
  }

  #fetch(slot: number): AhciCommand | undefined {
    const { commandList, commandListUpper } = this.#state;
    return AhciCommand.fetch(this.#host.memory, at.address64(commandList, commandListUpper), slot);
  }

  /** The next command, from the slot after the last one. */
  #take(unit: IdeUnit): boolean {
    const s = this.#state;
    let slot = (s.lastSlot + 1) % at.SLOTS;
    while (!((s.issue >>> slot) & 1)) slot = (slot + 1) % at.SLOTS;
    const command = this.#fetch(slot);
    if (!command?.isValid) {
      this.fail();
      return false;
    }
    if (s.isInReset && command.isCommand) return false;
    if (this.#queue && CommandQueue.takes(command)) {
      s.lastSlot = slot;
      s.issue = (s.issue & ~(1 << slot)) >>> 0;
      s.queued = (s.queued | (1 << slot)) >>> 0;
      this.#queue.start(slot, command);
      return true;
    }
    if (s.queued !== 0) return false;
    s.lastSlot = slot;
    s.slot = slot;
    s.movedBytes = 0;
    this.#command = command;
    if (command.isCommand) this.#send(unit, command);
    else this.#control(unit, command);
    return true;
  }

  /** Registers of the device, as the FIS has them: first what only 48-bit commands look at. */
  #send(unit: IdeUnit, { fis }: AhciCommand): void {
    this.#state.taskFile = ata.BSY | ata.DRDY;
    for (const [register, before, value] of [
      [ata.FEATURES, fis[11], fis[3]],
      [ata.SECTOR_COUNT, fis[13], fis[12]],
      [ata.LBA_LOW, fis[8], fis[4]],
      [ata.LBA_MID, fis[9], fis[5]],
      [ata.LBA_HIGH, fis[10], fis[6]],
    ]) {
      unit.writeRegister(register, before);
      unit.writeRegister(register, value);
    }
    unit.writeRegister(ata.DEVICE, fis[7]);
    const command = fis[2];
    if (command === ata.EXECUTE_DEVICE_DIAGNOSTIC) unit.reset();
    else unit.writeCommand(command);
    // An answer that is no interrupt on a parallel cable.
    const resets = command === ata.EXECUTE_DEVICE_DIAGNOSTIC || command === ata.DEVICE_RESET;
    if (resets && unit.state.phase === PHASE_IDLE) unit.setInterrupt(true);
  }

  /** The device control register: a software reset begins, or ends with the device's signature. */
  #control(unit: IdeUnit, command: AhciCommand): void {
    const s = this.#state;
    const resets = (command.fis[15] & ata.SRST) !== 0;
    if (resets || s.isInReset) unit.reset();
    this.#finish();
    if (resets) s.taskFile = command.clearsBusy ? ata.DRDY : ata.BSY;
    else if (s.isInReset) this.sendSignature();
    s.isInReset = resets;
  }

  #goOn(unit: IdeUnit, command: AhciCommand): boolean {
    switch (unit.state.phase) {
      case PHASE_PACKET: {
        const packet = new DataView(command.packet.buffer);
        for (let i = 0; i < PACKET_BYTES; i += 4) unit.writeData(packet.getUint32(i, true), 4);
        return true;
      }
      case PHASE_DATA_IN:
        this.#dataIn(unit, command);
        return true;
      case PHASE_DATA_OUT:
        this.#dataOut(unit, command);
        return true;
      case PHASE_IDLE:
        this.#answer(unit);
        return true;
      default:
        return false;
    }
  }

  /** What the device has for its data register goes to memory. */
  #dataIn(unit: IdeUnit, command: AhciCommand): void {
    const { position, stop, buffer, status } = unit.state;
    const bytes = Math.max(stop - position, 0);
    const stretch = command.plan(bytes);
    if (stretch.isBroken || !command.toMemory(stretch, buffer.slice(position, stop))) return this.fail();
    if (stretch.bytes < bytes) return this.exhausted();
    this.advance(stretch);
    const fis = pioSetupFis(unit.state, { status, bytes, toHost: true, interrupts: true });
    unit.setInterrupt(false);
    for (let i = 0; i < Math.max(bytes, 1); i += 4) unit.readData(4);
    fis[PIO_END_STATUS] = unit.state.status;
    this.#receive(RECEIVED_PIO_SETUP, fis);
    this.#state.taskFile = unit.state.status | (unit.state.error << 8);
    this.#host.raise(at.INT_PIO_SETUP);
  }

  /** What the device wants written to its data register comes from memory. */
  #dataOut(unit: IdeUnit, command: AhciCommand): void {
    const { position, stop, status, interrupt: interrupts } = unit.state;
    const bytes = Math.max(stop - position, 0);
    const stretch = command.plan(bytes);
    const data = new Uint8Array((bytes + 3) & ~3);
    if (stretch.isBroken || !command.fromMemory(stretch, data)) return this.fail();
    if (stretch.bytes < bytes) return this.exhausted();
    this.advance(stretch);
    const fis = pioSetupFis(unit.state, { status, bytes, toHost: false, interrupts });
    fis[PIO_END_STATUS] = ata.BSY | ata.DRDY;
    this.#receive(RECEIVED_PIO_SETUP, fis);
    if (interrupts) this.#host.raise(at.INT_PIO_SETUP);
    unit.setInterrupt(false);
    const view = new DataView(data.buffer);
    for (let i = 0; i < Math.max(data.length, 1); i += 4) unit.writeData(data.length ? view.getUint32(i, true) : 0, 4);
  }

  /** The device is done. It says so where the end of its data has not done that. */
  #answer(unit: IdeUnit): void {
    const s = this.#state;
    const { status, error, interrupt } = unit.state;
    s.taskFile = status | (error << 8);
    const failed = (status & ata.ERR) !== 0;
    this.#finish(failed);
    if (!interrupt) return;
    unit.setInterrupt(false);
    this.#receive(RECEIVED_REGISTERS, registersFis(unit.state, status, true));
    if (failed) s.isHalted = true;
    this.#host.raise(at.INT_D2H | (failed ? at.INT_TASK_FILE : 0));
  }

  /** The command is over; its slot stays taken if it failed. */
  #finish(failed = false): void {
    const s = this.#state;
    this.#command?.reportMoved(s.movedBytes);
    if (!failed) s.issue = (s.issue & ~(1 << s.slot)) >>> 0;
    s.slot = at.NO_SLOT;
    this.#command = undefined;
  }

  // ---- Queued commands ---------------------------------------------------------------------------------------------

  #queueHost(unit: IdeUnit) {
    return {
      writesThrough: () => !unit.state.writeCache,
      finished: (slot: number) => {
        const s = this.#state;
        const bit = 1 << slot;
        s.queued = (s.queued & ~bit) >>> 0;
        s.active = (s.active & ~bit) >>> 0;
        s.taskFile = ata.DRDY;
        this.#receive(RECEIVED_DEVICE_BITS, setDeviceBitsFis(ata.DRDY, 0, bit));
        this.#host.raise(at.INT_SET_DEVICE_BITS);
        this.run();
      },
      failed: (status: number, error: number, log: Uint8Array) => {
        const s = this.#state;
        s.queued = 0;
        s.errorLog.set(log);
        s.taskFile = status | (error << 8);
        this.#receive(RECEIVED_DEVICE_BITS, setDeviceBitsFis(status, error, 0));
        s.isHalted = true;
        this.#host.raise(at.INT_SET_DEVICE_BITS | at.INT_TASK_FILE);
      },
      lacksMemory: (isShort: boolean) => {
        if (isShort) this.exhausted();
        else this.fail();
      },
    };
  }

  // ---- DMA of the device -------------------------------------------------------------------------------------------

  get isActive(): boolean {
    return this.#command !== undefined && !this.#state.isHalted && this.#host.isBusMaster();
  }

  plan(mostBytes: number): Stretch {
    return this.#command?.plan(mostBytes) ?? NOTHING;
  }

  isCurrent(): boolean {
    return this.isActive;
  }

  toMemory(stretch: DmaStretch, bytes: Uint8Array): boolean {
    if (this.#command?.toMemory(stretch as Stretch, bytes)) return true;
    this.fail();
    return false;
  }

  fromMemory(stretch: DmaStretch, into: Uint8Array): boolean {
    if (this.#command?.fromMemory(stretch as Stretch, into)) return true;
    this.fail();
    return false;
  }

  advance(stretch: DmaStretch): void {
    this.#command?.advance(stretch as Stretch);
    this.#state.movedBytes += stretch.bytes;
  }

  /** The regions end before the data do. */
  exhausted(): void {
    this.#halt(at.INT_OVERFLOW);
  }

  /** There is no memory where the driver says. */
  fail(): void {
    this.#halt(at.INT_HOST_BUS);
  }

  #halt(interrupt: number): void {
    const s = this.#state;
    this.#queue?.abandon();
    s.queued = 0;
    s.isHalted = true;
    this.#host.raise(interrupt);
  }
}
