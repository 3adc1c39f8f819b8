/**
 * 82077AA floppy disk controller in PC AT mode (Intel 82077AA data sheet, order number 290166-007), with up to four
 * drives. A drive is of the kind that its medium needs; formats follow from the size of images (fdc-formats.ts).
 *
 *     +2 DOR  drive, reset, DMA and interrupt enable, motors     +5 FIFO  commands, data, results
 *     +3 TDR  tape drive                                         +7 DIR read: medium changed
 *     +4 MSR read: who is to do what; DSR written: data rate        CCR written: data rate
 *
 * SRA and SRB at +0 and +1 belong to the PS/2 modes; +6 belongs to the IDE controller.
 *
 * Deviation: seeks take a millisecond, whatever the distance, and end a change of the medium even if the head was there
 * already. Motors always turn. A medium that cannot be read (none, other density) fails a command at once.
 * Deviation: a transfer by the processor never overruns: the next sector waits. A FIFO interrupt comes for a sector.
 * Not modelled: the FIFO's threshold, FM, sectors of other sizes and deleted data in images, SCAN commands,
 * precompensation, power down.
 */

import type { Drive } from '../base/block.ts';
import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { IrqLine } from '../base/irq.ts';
import { Device } from './device.ts';
import type { DmaChannel } from './dma-8237.ts';
import { type FdcCommandName, fdcCommand } from './fdc-commands.ts';
import { floppyFormat } from './fdc-formats.ts';
import {
  type FdcState,
  FLOPPY_DRIVES,
  fdcState,
  STAGE_BYTES,
  STAGE_COMMAND,
  STAGE_MEDIUM,
  STAGE_RESULT,
  STAGE_STARTING,
} from './fdc-state.ts';
import { FdcTransfer } from './fdc-transfer.ts';

const DOR = 2;
const TDR = 3;
const MSR_DSR = 4;
const FIFO = 5;

const DOR_NOT_RESET = 0x04;
const DOR_INTERRUPTS = 0x08;
const MSR_READY = 0x80;
const MSR_TO_HOST = 0x40;
const MSR_NO_DMA = 0x20;
const MSR_BUSY = 0x10;
const DSR_RESET = 0x80;
const DIR_CHANGED = 0x80;

const ST0_ABNORMAL = 0x40;
const ST0_INVALID = 0x80;
const ST0_POLLED = 0xc0;
const ST0_SEEK_END = 0x20;
const ST0_EQUIPMENT = 0x10;
const ST3_WRITE_PROTECTED = 0x40;
const ST3_READY = 0x20;
const ST3_TRACK_0 = 0x10;
const ST3_TWO_SIDED = 0x08;

const CONFIGURE_NO_FIFO = 0x20;
const CONFIGURE_NO_POLLING = 0x10;
const SPECIFY_NO_DMA = 0x01;
const RELATIVE = 0x80;
const RELATIVE_INWARDS = 0x40;
const VERSION_82077 = 0x90;

const RESET_NS = 100_000;
const SEEK_NS = 1_000_000;
const START_NS = 100_000;

export interface FdcHost {
  readonly clock: Clock;
  readonly irq: IrqLine;
  readonly dma: DmaChannel;
  /** By number; undefined where there is no drive. */
  readonly drives: readonly (Drive | undefined)[];
}

export class Fdc82077 extends Device<FdcState> {
  /** Six ports from the base on. */
  readonly registers: IoHandler;
  /** The port seven above the base. */
  readonly changeLine: IoHandler;
  readonly #host: FdcHost;
  readonly #transfer: FdcTransfer;
  readonly #resetTimer: Timer;
  readonly #seekTimer: Timer;
  readonly #startTimer: Timer;

  constructor(host: FdcHost) {
    super(fdcState);
    this.#host = host;
    const { clock } = host;
    this.#resetTimer = clock.timer(() => this.#resetEnds());
    this.#seekTimer = clock.timer(() => this.#seeksEnd());
    this.#startTimer = clock.timer(() => this.#start());
    this.#transfer = new FdcTransfer(this.state, {
      drives: host.drives,
      dma: host.dma,
      now: () => clock.now(),
      finish: (status0, status1, status2, id) => this.#finish(status0, status1, status2, id),
      bytesReady: () => this.#interrupt(true),
    });
    host.drives.forEach((drive, number) => {
      if (drive) drive.onChange = () => this.#changed(number);
    });
    const widest: AccessSize = 1;
    this.registers = {
      widest,
      read: (offset) => this.#read(offset),
      write: (offset, value) => this.#write(offset, value),
    };
    this.changeLine = {
      widest,
      read: () => (this.state.changed & this.#present() & (1 << (this.state.dor & 3)) ? DIR_CHANGED : 0),
      write: (_, value) => {
        this.state.rate = value & 3;
      },
    };
  }

  protected override derive(): void {
    const s = this.state;
    this.#resetTimer.arm(s.resetNs);
    this.#seekTimer.arm(s.seekNs);
    this.#startTimer.arm(s.startNs);
    this.#drive();
    for (const drive of this.#host.drives) drive?.medium?.abandon();
    if (s.stage === STAGE_MEDIUM) this.#transfer.resume();
  }

  // ---- Registers ---------------------------------------------------------------------------------------------------

  #read(offset: number): number {
    switch (offset) {
      case DOR:
        return this.state.dor;
      case TDR:
        return this.state.tdr;
      case MSR_DSR:
        return this.#mainStatus();
      case FIFO:
        return this.#readFifo();
      default:
        return 0xff;
    }
  }

  #write(offset: number, value: number): void {
    const s = this.state;
    switch (offset) {
      case DOR:
        this.#writeDor(value);
        return;
      case TDR:
        s.tdr = value & 3;
        return;
      case MSR_DSR:
        s.rate = value & 3;
        if (value & DSR_RESET && s.dor & DOR_NOT_RESET) {
          this.#enterReset();
          this.#leaveReset();
        }
        return;
      case FIFO:
        this.#writeFifo(value);
        return;
      default:
    }
  }

  #mainStatus(): number {
    const s = this.state;
    if (!(s.dor & DOR_NOT_RESET) || s.resetNs !== Number.POSITIVE_INFINITY) return 0;
    switch (s.stage) {
      case STAGE_COMMAND:
        return MSR_READY | (s.commandLength > 0 ? MSR_BUSY : 0) | s.seeking;
      case STAGE_RESULT:
        return MSR_READY | MSR_TO_HOST | MSR_BUSY | s.seeking;
      case STAGE_BYTES:
        return MSR_READY | MSR_NO_DMA | MSR_BUSY | s.seeking | (this.#bytesToHost() ? MSR_TO_HOST : 0);
      default:
        return MSR_BUSY | s.seeking | (s.specify2 & SPECIFY_NO_DMA ? MSR_NO_DMA : 0);
    }
  }

  /** In data moved by the processor: does it read them? */
  #bytesToHost(): boolean {
    const name = this.#command()?.name;
    return name !== 'write' && name !== 'format';
  }

  #command() {
    return fdcCommand(this.state.command[0]);
  }

  #readFifo(): number {
    const s = this.state;
    const ready = MSR_READY | MSR_TO_HOST;
    if ((this.#mainStatus() & ready) !== ready) return 0;
    if (s.stage === STAGE_BYTES) {
      const byte = s.buffer[s.bytesMoved];
      this.#byteMoved();
      return byte ?? 0;
    }
    this.#interrupt(false);
    const byte = s.result[s.resultAt];
    if (s.resultAt + 1 < s.resultLength) s.resultAt++;
    else this.#awaitCommand();
    return byte;
  }

  #writeFifo(value: number): void {
    const s = this.state;
    if ((this.#mainStatus() & (MSR_READY | MSR_TO_HOST)) !== MSR_READY) return;
    if (s.stage === STAGE_BYTES) {
      s.buffer[s.bytesMoved] = value;
      this.#byteMoved();
      return;
    }
    s.command[s.commandLength++] = value;
    const command = this.#command();
    if (command && s.commandLength <= command.parameters) return;
    s.commandLength = 0;
    if (command) this.#execute(command.name);
    else this.#result(ST0_INVALID);
  }

  #byteMoved(): void {
    const s = this.state;
    s.bytesMoved++;
    if (s.bytesMoved < s.bytesWanted) return;
    this.#interrupt(false);
    s.stage = STAGE_MEDIUM;
    this.#transfer.bytesDone();
  }

  // ---- Reset and interrupts ----------------------------------------------------------------------------------------

  #writeDor(value: number): void {
    const s = this.state;
    const before = s.dor;
    s.dor = value;
    if (before & ~value & DOR_NOT_RESET) this.#enterReset();
    if (~before & value & DOR_NOT_RESET) this.#leaveReset();
    this.#drive();
  }

  /** Data sheet §3.3 "Reset": what SPECIFY set stays, and with LOCK what CONFIGURE set. */
  #enterReset(): void {
    const s = this.state;
    this.#awaitCommand();
    s.seeking = 0;
    s.senses = 0;
    s.interrupt = false;
    s.perpendicular &= 0x3c;
    if (!s.locked) {
      s.configuration = CONFIGURE_NO_FIFO;
      s.precompensationTrack = 0;
    }
    s.resetNs = Number.POSITIVE_INFINITY;
    s.seekNs = Number.POSITIVE_INFINITY;
    s.startNs = Number.POSITIVE_INFINITY;
    this.derive();
  }

  #leaveReset(): void {
    this.state.resetNs = this.#host.clock.now() + RESET_NS;
    this.#resetTimer.arm(this.state.resetNs);
  }

  /** The first poll after a reset finds that all four drives have changed: they became ready. */
  #resetEnds(): void {
    const s = this.state;
    s.resetNs = Number.POSITIVE_INFINITY;
    if (s.configuration & CONFIGURE_NO_POLLING) return;
    s.senses = 15;
    for (let drive = 0; drive < FLOPPY_DRIVES; drive++) s.senseStatus[drive] = ST0_POLLED | drive;
    this.#interrupt(true);
  }

  #interrupt(on: boolean): void {
    this.state.interrupt = on;
    this.#drive();
  }

  #drive(): void {
    const { interrupt, dor } = this.state;
    this.#host.irq.set(interrupt && (dor & DOR_INTERRUPTS) !== 0 && (dor & DOR_NOT_RESET) !== 0);
  }

  #present(): number {
    return this.#host.drives.reduce((mask, drive, number) => mask | (drive ? 1 << number : 0), 0);
  }

  #changed(number: number): void {
    const s = this.state;
    s.changed |= 1 << number;
    if (s.stage === STAGE_MEDIUM && (s.command[1] & 3) === number) this.#transfer.mediumLost();
  }

  // ---- Commands ----------------------------------------------------------------------------------------------------

  #execute(name: FdcCommandName): void {
    const s = this.state;
    const [first, p1, p2, p3] = s.command;
    switch (name) {
      case 'specify':
        s.specify1 = p1;
        s.specify2 = p2;
        this.#awaitCommand();
        return;
      case 'configure':
        s.configuration = p2 & 0x7f;
        s.precompensationTrack = p3;
        this.#awaitCommand();
        return;
      case 'perpendicular':
        // Data sheet §5.2.10: the drives' bits are kept unless OW allows to write them.
        s.perpendicular = p1 & 0x80 ? p1 & 0x3f : (s.perpendicular & 0x3c) | (p1 & 3);
        this.#awaitCommand();
        return;
      case 'version':
        this.#result(VERSION_82077);
        return;
      case 'lock':
        s.locked = (first & 0x80) !== 0;
        this.#result(s.locked ? 0x10 : 0);
        return;
      case 'dump-registers':
        this.#dumpRegisters();
        return;
      case 'sense-drive':
        this.#result(this.#driveStatus(p1));
        return;
      case 'sense-interrupt':
        this.#senseInterrupt();
        return;
      case 'recalibrate':
        this.#seek(p1 & 3, 0, ST0_SEEK_END | (this.#host.drives[p1 & 3] ? 0 : ST0_ABNORMAL | ST0_EQUIPMENT) | (p1 & 3));
        return;
      case 'seek': {
        const from = s.tracks[p1 & 3];
        const relative = first & RELATIVE_INWARDS ? Math.min(from + p2, 0xff) : Math.max(from - p2, 0);
        this.#seek(p1 & 3, first & RELATIVE ? relative : p2, ST0_SEEK_END | (p1 & 7));
        return;
      }
      default:
        s.endOfTrack = name === 'format' || name === 'read-id' ? s.endOfTrack : s.command[6];
        s.stage = STAGE_STARTING;
        s.startNs = this.#host.clock.now() + START_NS;
        this.#startTimer.arm(s.startNs);
    }
  }

  #start(): void {
    const s = this.state;
    s.startNs = Number.POSITIVE_INFINITY;
    if (s.stage === STAGE_STARTING) this.#transfer.begin();
  }

  /** Ready for the next command. */
  #awaitCommand(): void {
    const s = this.state;
    s.stage = STAGE_COMMAND;
    s.commandLength = 0;
    s.resultLength = 0;
    s.resultAt = 0;
  }

  #result(...bytes: number[]): void {
    const s = this.state;
    s.result.set(bytes);
    s.resultLength = bytes.length;
    s.resultAt = 0;
    s.stage = STAGE_RESULT;
  }

  /** A command that had to do with the medium is over. */
  #finish(status0: number, status1: number, status2: number, id: readonly number[]): void {
    const select = this.state.command[1] & 7;
    this.#result(status0 | select, status1, status2, ...id);
    this.#interrupt(true);
  }

  #seek(drive: number, track: number, status: number): void {
    const s = this.state;
    s.tracks[drive] = track;
    if (this.#host.drives[drive]?.medium) s.changed &= ~(1 << drive);
    s.seeking |= 1 << drive;
    s.senseStatus[drive] = status;
    s.seekNs = this.#host.clock.now() + SEEK_NS;
    this.#seekTimer.arm(s.seekNs);
    this.#awaitCommand();
  }

  #seeksEnd(): void {
    const s = this.state;
    s.seekNs = Number.POSITIVE_INFINITY;
    s.senses |= s.seeking;
    s.seeking = 0;
    this.#interrupt(true);
  }

  #senseInterrupt(): void {
    const s = this.state;
    if (s.senses === 0) {
      this.#result(ST0_INVALID);
      return;
    }
    const drive = 31 - Math.clz32(s.senses & -s.senses);
    s.senses &= ~(1 << drive);
    this.#result(s.senseStatus[drive], s.tracks[drive]);
    this.#interrupt(false);
  }

  #driveStatus(select: number): number {
    const drive = this.#host.drives[select & 3];
    const medium = drive?.medium;
    const isTwoSided = medium === undefined || floppyFormat(medium.sizeBytes).heads === 2;
    return (
      (select & 7) |
      (medium?.readOnly ? ST3_WRITE_PROTECTED : 0) |
      ST3_READY |
      (drive && this.state.tracks[select & 3] === 0 ? ST3_TRACK_0 : 0) |
      (isTwoSided ? ST3_TWO_SIDED : 0)
    );
  }

  #dumpRegisters(): void {
    const s = this.state;
    const perpendicular = (s.locked ? 0x80 : 0) | s.perpendicular;
    const [track0, track1, track2, track3] = s.tracks;
    this.#result(
      ...[track0, track1, track2, track3, s.specify1, s.specify2, s.endOfTrack],
      ...[perpendicular, s.configuration, s.precompensationTrack],
    );
  }
}
