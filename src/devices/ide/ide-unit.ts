/**
 * What disks and CD-ROM drives have in common: the task file, and the ways of data between medium and guest.
 *
 *     PIO read    medium -> buffer -> data register       (DATA_IN, READING, DATA_IN ...)
 *     PIO write   data register -> buffer -> medium       (DATA_OUT, WRITING, DATA_OUT ...)
 *     DMA         medium <-> guest memory, by the bus master's table; no byte passes through the buffer
 *
 * Everything a transfer needs to go on is in `state`: after a restore the request to the medium is simply made again.
 */

import type { BlockPort, BlockProblem } from '../../base/block.ts';
import * as ata from './ata-registers.ts';
import {
  BUFFER_BYTES,
  type IdeUnitState,
  PHASE_DATA_IN,
  PHASE_DATA_OUT,
  PHASE_DMA,
  PHASE_DMA_READING,
  PHASE_DMA_WRITING,
  PHASE_FLUSHING,
  PHASE_IDLE,
  PHASE_PACKET,
  PHASE_READING,
  PHASE_WRITING,
} from './ide-unit-state.ts';

/** Bytes that the medium is asked for at a time: a DMA command of any size holds no more memory than this. */
const CHUNK_BYTES = 1 << 20;

/** Guest memory that a transfer is to fill or empty next. */
export interface DmaStretch {
  readonly bytes: number;
  /** What tells of the memory could not be read. */
  readonly isBroken: boolean;
}

/** What moves bytes between a device and guest memory: the bus master of an IDE channel, or an AHCI port. */
export interface DmaEngine {
  readonly isActive: boolean;
  plan(mostBytes: number): DmaStretch;
  isCurrent(stretch: DmaStretch): boolean;
  /** These two give false, having told the guest, where there is no memory. */
  toMemory(stretch: DmaStretch, bytes: Uint8Array): boolean;
  fromMemory(stretch: DmaStretch, into: Uint8Array): boolean;
  advance(stretch: DmaStretch): void;
  /** There is no memory left for what the device has or wants. */
  exhausted(): void;
  fail(): void;
}

export interface IdeUnitHost {
  readonly busMaster: DmaEngine;
  /** INTRQ may have changed. */
  interruptChanged(): void;
}

export abstract class IdeUnit {
  readonly state: IdeUnitState;
  protected readonly host: IdeUnitHost;
  protected abstract readonly blockBytes: number;
  protected abstract get medium(): BlockPort | undefined;

  constructor(state: IdeUnitState, host: IdeUnitHost) {
    this.state = state;
    this.host = host;
  }

  // ---- What kinds of device differ in ------------------------------------------------------------------------------

  /** Takes a command; the device is neither busy nor waits for data. */
  protected abstract execute(command: number): void;
  /** The registers by which drivers tell kinds of device (ATA/ATAPI-6, "Signature and persistence"). */
  abstract setSignature(): void;
  /** Settings as after a software reset. */
  protected abstract resetSettings(): void;
  /** The host has written all of the data register's due, in a phase that is not a transfer's. */
  protected abstract packetWritten(): void;
  /** There is data in the buffer from `position` on: sets `stop`, and what else tells the host of it. */
  protected abstract offer(): void;
  /** The host has read all data: what comes last. */
  protected abstract transferred(): void;
  /** The medium failed; `state.lba` is where. */
  protected abstract mediumFailed(problem: BlockProblem): void;

  // ---- Registers ---------------------------------------------------------------------------------------------------

  /** A register of the command block other than the data register; `before` for those behind the latest. */
  readRegister(register: number, before: boolean): number {
    const s = this.state;
    switch (register) {
      case ata.ERROR:
        return s.error;
      case ata.SECTOR_COUNT:
        return before ? s.countBefore : s.count;
      case ata.LBA_LOW:
        return before ? s.lowBefore : s.low;
      case ata.LBA_MID:
        return before ? s.midBefore : s.mid;
      case ata.LBA_HIGH:
        return before ? s.highBefore : s.high;
      case ata.DEVICE:
        return s.device | ata.DEVICE_OBSOLETE;
      default:
        return s.status;
    }
  }

  /** Parameters of commands; while the device is busy they are its own. */
  writeRegister(register: number, value: number): void {
    const s = this.state;
    if (register === ata.DEVICE) s.device = value;
    if (s.status & ata.BSY) return;
    switch (register) {
      case ata.FEATURES:
        s.featuresBefore = s.features;
        s.features = value;
        break;
      case ata.SECTOR_COUNT:
        s.countBefore = s.count;
        s.count = value;
        break;
      case ata.LBA_LOW:
        s.lowBefore = s.low;
        s.low = value;
        break;
      case ata.LBA_MID:
        s.midBefore = s.mid;
        s.mid = value;
        break;
      case ata.LBA_HIGH:
        s.highBefore = s.high;
        s.high = value;
        break;
    }
  }

  writeCommand(command: number): void {
    const s = this.state;
    if (command === ata.DEVICE_RESET && this.resetsAnyTime) {
      this.reset();
      return;
    }
    if (s.status & (ata.BSY | ata.DRQ)) return;
    this.setInterrupt(false);
    s.command = command;
    s.error = 0;
    s.status = ata.DRDY | ata.DSC;
    this.execute(command);
  }

  /** DEVICE RESET is understood. */
  protected get resetsAnyTime(): boolean {
    return false;
  }

  /** As by software reset: what was under way is forgotten, settings that drivers make are kept or not by their kind. */
  reset(): void {
    const s = this.state;
    this.medium?.abandon();
    s.phase = PHASE_IDLE;
    s.position = 0;
    s.stop = 0;
    s.length = 0;
    s.blocks = 0;
    s.error = ata.DIAGNOSTIC_PASSED;
    this.resetSettings();
    this.setSignature();
    this.setInterrupt(false);
  }

  /** While software reset is held. */
  setBusy(): void {
    this.state.status = ata.BSY;
  }

  /** `state` is that of power-on, but for what tells kinds of devices apart. */
  powerOn(): void {
    this.setSignature();
  }

  get isWaitingForDma(): boolean {
    return this.state.phase === PHASE_DMA;
  }

  /** Makes the request to the medium that `state` says is under way. */
  resume(): void {
    this.medium?.abandon();
    this.state.lba = Math.floor(this.state.lba);
    switch (this.state.phase) {
      case PHASE_READING:
        return this.#fill();
      case PHASE_WRITING:
        return this.#store();
      case PHASE_FLUSHING:
        return this.flush();
      case PHASE_DMA:
      case PHASE_DMA_READING:
      case PHASE_DMA_WRITING:
        return this.continueDma();
    }
  }

  setInterrupt(level: boolean): void {
    this.state.interrupt = level;
    this.host.interruptChanged();
  }

  // ---- Data register -----------------------------------------------------------------------------------------------

  readData(size: number): number {
    const s = this.state;
    if (s.phase !== PHASE_DATA_IN) return 0;
    let value = 0;
    const end = Math.min(s.position + size, s.stop);
    for (let at = s.position, shift = 0; at < end; at++, shift += 8) value |= (s.buffer[at] as number) << shift;
    s.position = end;
    if (end === s.stop) this.#taken();
    return value >>> 0;
  }

  writeData(value: number, size: number): void {
    const s = this.state;
    if (s.phase !== PHASE_DATA_OUT && s.phase !== PHASE_PACKET) return;
    const into = s.phase === PHASE_PACKET ? s.packet : s.buffer;
    const end = Math.min(s.position + size, s.stop);
    for (let at = s.position, shift = 0; at < end; at++, shift += 8) into[at] = value >>> shift;
    s.position = end;
    if (end === s.stop) this.#given();
  }

  /** As `readData` again and again until `into` is full. */
  readDataMany(size: number, into: Uint8Array): void {
    const s = this.state;
    for (let done = 0; done < into.length; ) {
      const due = s.phase === PHASE_DATA_IN ? Math.min(s.stop - s.position, into.length - done) : 0;
      const whole = due - (due % size);
      if (whole > 0) {
        into.set(s.buffer.subarray(s.position, s.position + whole), done);
        s.position += whole;
        done += whole;
        if (s.position === s.stop) this.#taken();
      } else {
        const value = this.readData(size);
        for (let i = 0; i < size; i++, done++) into[done] = value >>> (8 * i);
      }
    }
  }

  /** As `writeData` again and again until all of `from` is written. */
  writeDataMany(size: number, from: Uint8Array): void {
    const s = this.state;
    for (let done = 0; done < from.length; ) {
      const due = s.phase === PHASE_DATA_OUT ? Math.min(s.stop - s.position, from.length - done) : 0;
      const whole = due - (due % size);
      if (whole > 0) {
        s.buffer.set(from.subarray(done, done + whole), s.position);
        s.position += whole;
        done += whole;
        if (s.position === s.stop) this.#given();
      } else {
        let value = 0;
        for (let i = 0; i < size; i++, done++) value |= (from[done] as number) << (8 * i);
        this.writeData(value, size);
      }
    }
  }

  /** The host has written what was due. */
  #given(): void {
    const s = this.state;
    if (s.phase === PHASE_PACKET) this.packetWritten();
    else if (s.position < s.length) this.#askForData(true);
    else this.#store();
  }

  #taken(): void {
    const s = this.state;
    if (s.position < s.length) this.offer();
    else if (s.blocks > 0) this.#fill();
    else this.transferred();
  }

  // ---- Transfers ---------------------------------------------------------------------------------------------------

  /** Gives `bytes` to the host, through the data register or, if `isDma` says so, by the bus master. */
  protected reply(bytes: Uint8Array): void {
    const s = this.state;
    s.buffer.set(bytes);
    s.position = 0;
    s.length = bytes.length;
    s.blocks = 0;
    s.isWrite = false;
    if (s.isDma) this.continueDma();
    else this.#offer();
  }

  /** Moves the blocks that `lba`, `blocks`, `isDma` and `isWrite` tell. */
  protected transfer(): void {
    const s = this.state;
    s.length = 0;
    if (s.isDma) this.continueDma();
    else if (s.isWrite) this.#askForData(false);
    else this.#fill();
  }

  #blocksInBuffer(): number {
    return Math.min(this.state.blocks, Math.floor(BUFFER_BYTES / this.blockBytes));
  }

  #fill(): void {
    const s = this.state;
    const count = this.#blocksInBuffer();
    this.#busy(PHASE_READING);
    this.#read(count, (bytes) => {
      s.buffer.set(bytes);
      s.position = 0;
      s.length = bytes.length;
      s.lba += count;
      s.blocks -= count;
      this.#offer();
    });
  }

  #offer(): void {
    this.state.phase = PHASE_DATA_IN;
    this.offer();
  }

  /** Asks the host for the next blocks through the data register. */
  #askForData(interrupts: boolean): void {
    const s = this.state;
    if (s.phase !== PHASE_DATA_OUT || s.position === s.length) {
      s.phase = PHASE_DATA_OUT;
      s.position = 0;
      s.length = this.#blocksInBuffer() * this.blockBytes;
    }
    s.stop = Math.min(s.length, s.position + s.blocksAtOnce * this.blockBytes);
    s.status = ata.DRDY | ata.DSC | ata.DRQ;
    if (interrupts) this.setInterrupt(true);
  }

  #store(): void {
    const s = this.state;
    const count = Math.min(s.blocks, Math.floor(s.length / this.blockBytes));
    this.#busy(PHASE_WRITING);
    this.#write(s.buffer.slice(0, count * this.blockBytes), () => {
      if (s.blocks > 0) this.#askForData(true);
      else this.#written();
    });
  }

  /** A driver that has turned the write cache off wants to know that its data are safe. */
  #written(): void {
    if (this.state.writeCache) this.succeed();
    else this.flush();
  }

  protected flush(): void {
    const { medium } = this;
    if (medium === undefined) return this.succeed();
    this.state.isWrite = true;
    this.#busy(PHASE_FLUSHING);
    medium.flush((problem) => {
      if (problem === undefined) this.succeed();
      else this.mediumFailed(problem);
    });
  }

  #busy(phase: number): void {
    this.state.phase = phase;
    this.state.status = ata.BSY | ata.DRDY | ata.DSC;
  }

  #read(count: number, done: (bytes: Uint8Array) => void): void {
    const { medium, state } = this;
    if (medium === undefined) return this.mediumFailed('io');
    medium.read(state.lba * this.blockBytes, count * this.blockBytes, (result) => {
      if (typeof result === 'string') this.mediumFailed(result);
      else done(result);
    });
  }

  #write(bytes: Uint8Array, done: () => void): void {
    const { medium, state } = this;
    if (medium === undefined) return this.mediumFailed('io');
    medium.write(state.lba * this.blockBytes, bytes, (problem) => {
      if (problem !== undefined) return this.mediumFailed(problem);
      const count = bytes.length / this.blockBytes;
      state.lba += count;
      state.blocks -= count;
      done();
    });
  }

  // ---- DMA ---------------------------------------------------------------------------------------------------------

  /** The bus master has started, or there is more to be done. */
  continueDma(): void {
    const s = this.state;
    const { busMaster } = this.host;
    this.#waitForBusMaster();
    if (!busMaster.isActive) return;
    if (s.length > 0) return this.#replyByDma();
    const most = busMaster.plan(Math.min(s.blocks * this.blockBytes, CHUNK_BYTES));
    const count = Math.floor(most.bytes / this.blockBytes);
    if (most.isBroken) busMaster.fail();
    else if (count === 0) busMaster.exhausted();
    else {
      const whole = count * this.blockBytes;
      const stretch = whole === most.bytes ? most : busMaster.plan(whole);
      if (s.isWrite) this.#writeByDma(stretch);
      else this.#readByDma(stretch, count);
    }
  }

  #waitForBusMaster(): void {
    this.state.phase = PHASE_DMA;
    this.state.status = ata.DRDY | ata.DSC | ata.DRQ;
  }

  /** In one with the command: what the device has in its buffer already. */
  #replyByDma(): void {
    const s = this.state;
    const { busMaster } = this.host;
    const stretch = busMaster.plan(s.length);
    if (stretch.isBroken) return busMaster.fail();
    if (!busMaster.toMemory(stretch, s.buffer)) return;
    busMaster.advance(stretch);
    if (stretch.bytes < s.length) return busMaster.exhausted();
    s.length = 0;
    this.transferred();
  }

  #readByDma(stretch: DmaStretch, count: number): void {
    const s = this.state;
    this.#busy(PHASE_DMA_READING);
    this.#read(count, (bytes) => {
      this.#waitForBusMaster();
      if (!this.host.busMaster.isCurrent(stretch)) return this.continueDma();
      if (!this.host.busMaster.toMemory(stretch, bytes)) return;
      this.host.busMaster.advance(stretch);
      s.lba += count;
      s.blocks -= count;
      this.#dmaDone();
    });
  }

  #writeByDma(stretch: DmaStretch): void {
    const bytes = new Uint8Array(stretch.bytes);
    if (!this.host.busMaster.fromMemory(stretch, bytes)) return;
    this.#busy(PHASE_DMA_WRITING);
    this.#write(bytes, () => {
      if (this.host.busMaster.isCurrent(stretch)) this.host.busMaster.advance(stretch);
      this.#dmaDone();
    });
  }

  #dmaDone(): void {
    if (this.state.blocks > 0) this.continueDma();
    else if (this.state.isWrite) this.#written();
    else this.transferred();
  }

  // ---- Endings -----------------------------------------------------------------------------------------------------

  protected succeed(): void {
    this.end(ata.DRDY | ata.DSC, 0);
  }

  protected end(status: number, error: number): void {
    const s = this.state;
    s.phase = PHASE_IDLE;
    s.length = 0;
    s.blocks = 0;
    s.status = status;
    s.error = error;
    this.setInterrupt(true);
  }
}
