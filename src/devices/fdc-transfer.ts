/**
 * Commands of the 82077AA that reach the medium: a sector at a time between the image, the buffer and whoever has the
 * bytes, the DMA controller or the processor (fdc-82077.ts).
 *
 *     read     image -> buffer -> DMA or FIFO, next sector      write    DMA or FIFO -> buffer -> image, next sector
 *
 * A command ends with the terminal count of the DMA controller, or behind the last sector of the track (EOT), which is
 * an error, and the usual end without DMA.
 */

import { type BlockPort, type BlockProblem, type Drive, SECTOR_BYTES } from '../base/block.ts';
import type { DmaChannel } from './dma-8237.ts';
import { type FdcCommandName, fdcCommand, MFM, MULTI_TRACK } from './fdc-commands.ts';
import { type FloppyFormat, floppyFormat, readsAt } from './fdc-formats.ts';
import { type FdcState, STAGE_BYTES, STAGE_MEDIUM } from './fdc-state.ts';

const ST0_ABNORMAL = 0x40;
const ST1_END_OF_CYLINDER = 0x8000;
const ST1_DATA_ERROR = 0x2000;
const ST1_OVERRUN = 0x1000;
const ST1_NO_DATA = 0x0400;
const ST1_NOT_WRITABLE = 0x0200;
const ST1_MISSING_ADDRESS_MARK = 0x0100;
const ST2_DATA_ERROR = 0x20;
const ST2_WRONG_CYLINDER = 0x10;
const ST2_BAD_CYLINDER = 0x02;

const CONFIGURE_IMPLIED_SEEK = 0x40;
const SPECIFY_NO_DMA = 0x01;
const DOR_DMA_ENABLE = 0x08;
/** Code of 512 bytes a sector. */
const SIZE_CODE = 2;
const FORMAT_ID_BYTES = 4;
const VERIFY_COUNTED = 0x80;
const TURN_NS = 200_000_000;

/** Where a command's bytes say what; FORMAT TRACK has others. */
const [SELECT, C, H, R, N, EOT, , DTL] = [1, 2, 3, 4, 5, 6, 7, 8];
const [FORMAT_N, FORMAT_COUNT, , FORMAT_FILLER] = [2, 3, 4, 5];

export interface TransferHost {
  readonly drives: readonly (Drive | undefined)[];
  readonly dma: DmaChannel;
  now(): number;
  /** The command has its result: ST0 without drive and head, ST1 and ST2, C, H, R and N. */
  finish(status0: number, status1: number, status2: number, id: readonly number[]): void;
  /** The processor may move `bytesWanted` bytes. */
  bytesReady(): void;
}

interface Track {
  readonly medium: BlockPort;
  readonly format: FloppyFormat;
  readonly track: number;
  readonly head: number;
}

/** What a look for a sector comes to: where it is in the image, or ST1 in the high byte and ST2 in the low one. */
type Found = { readonly medium: BlockPort; readonly offset: number } | { readonly errors: number };

export class FdcTransfer {
  readonly #state: FdcState;
  readonly #host: TransferHost;

  constructor(state: FdcState, host: TransferHost) {
    this.#state = state;
    this.#host = host;
  }

  begin(): void {
    const s = this.#state;
    s.sectorsDone = 0;
    s.isLast = false;
    s.mismatched = false;
    const name = this.#name();
    if (s.configuration & CONFIGURE_IMPLIED_SEEK && name !== 'format' && name !== 'read-id') {
      s.tracks[s.command[SELECT] & 3] = s.command[C];
    }
    if (name === 'read-id') this.#readId();
    else if (name === 'read-deleted') this.#end(ST1_NO_DATA);
    else this.#next();
  }

  /** The processor has moved all that `bytesWanted` asked for. */
  bytesDone(): void {
    if (this.#moves() === 'from-host') this.#store();
    else this.#advance(false);
  }

  /** Once more what was under way on the medium when the state was saved. */
  resume(): void {
    if (this.#moves() === 'from-host') this.#store();
    else this.#fetch();
  }

  /** The medium has gone from under a command. */
  mediumLost(): void {
    this.#end(ST1_MISSING_ADDRESS_MARK);
  }

  #name(): FdcCommandName | undefined {
    return fdcCommand(this.#state.command[0])?.name;
  }

  #moves(): 'to-host' | 'from-host' | 'nothing' {
    const name = this.#name();
    if (name === 'write' || name === 'format') return 'from-host';
    return name === 'verify' ? 'nothing' : 'to-host';
  }

  #usesDma(): boolean {
    return (this.#state.specify2 & SPECIFY_NO_DMA) === 0;
  }

  /** The track under the head, if what is recorded there can be read. */
  #track(): Track | undefined {
    const s = this.#state;
    const drive = s.command[SELECT] & 3;
    const head = (s.command[SELECT] >> 2) & 1;
    const medium = this.#host.drives[drive]?.medium;
    if (!medium || !(s.command[0] & MFM)) return undefined;
    const format = floppyFormat(medium.sizeBytes);
    const track = s.tracks[drive];
    if (!readsAt(format, s.rate) || track >= format.tracks || head >= format.heads) return undefined;
    return { medium, format, track, head };
  }

  /** The next sector that the command is about. */
  #find(): Found {
    const s = this.#state;
    const at = this.#track();
    if (!at) return { errors: ST1_MISSING_ADDRESS_MARK };
    const { medium, format, track, head } = at;
    const isFormat = this.#name() === 'format';
    // FORMAT TRACK brings the sectors' identities, which are to be those that an image has room for.
    const [c, h, r, n] = isFormat ? s.buffer : s.command.subarray(C);
    const offset = (number: number): number =>
      ((track * format.heads + head) * format.sectors + number - 1) * SECTOR_BYTES;
    if (this.#name() === 'read-track') {
      const number = s.sectorsDone + 1;
      if (number > format.sectors) return { errors: ST1_NO_DATA };
      if (c !== track || h !== head || r !== number) s.mismatched = true;
      return { medium, offset: offset(number) };
    }
    if (c !== track) return { errors: ST1_NO_DATA | (c === 0xff ? ST2_BAD_CYLINDER : ST2_WRONG_CYLINDER) };
    if (h !== head || r < 1 || r > format.sectors || n !== SIZE_CODE) return { errors: ST1_NO_DATA };
    return { medium, offset: offset(r) };
  }

  #next(): void {
    const s = this.#state;
    const name = this.#name();
    if (this.#moves() !== 'from-host') {
      this.#fetch();
      return;
    }
    const at = this.#track();
    if (!at) this.#end(ST1_MISSING_ADDRESS_MARK);
    else if (at.medium.readOnly) this.#end(ST1_NOT_WRITABLE);
    else if (name === 'format' && s.command[FORMAT_N] !== SIZE_CODE) this.#end(ST1_NO_DATA);
    else if (name === 'format' && s.command[FORMAT_COUNT] === 0) this.#end();
    else this.#take(name === 'format' ? FORMAT_ID_BYTES : SECTOR_BYTES);
  }

  // ---- To the host -------------------------------------------------------------------------------------------------

  #fetch(): void {
    const found = this.#find();
    if ('errors' in found) this.#end(found.errors);
    else if (found.offset >= found.medium.sizeBytes) {
      // Behind the end of an image that is shorter than its format.
      this.#fetched(new Uint8Array(SECTOR_BYTES));
    } else {
      this.#state.stage = STAGE_MEDIUM;
      found.medium.read(found.offset, SECTOR_BYTES, (result) => {
        if (typeof result === 'string') this.#end(ST1_DATA_ERROR | ST2_DATA_ERROR);
        else this.#fetched(result);
      });
    }
  }

  #fetched(sector: Uint8Array): void {
    const s = this.#state;
    s.buffer.set(sector);
    if (this.#moves() === 'nothing') {
      this.#advance(false);
    } else if (!this.#usesDma()) {
      this.#offer(SECTOR_BYTES);
    } else {
      const { moved, terminalCount } = s.dor & DOR_DMA_ENABLE ? this.#host.dma.toMemory(s.buffer) : { moved: 0 };
      if (moved === SECTOR_BYTES || terminalCount) this.#advance(terminalCount === true);
      else this.#end(ST1_OVERRUN);
    }
  }

  // ---- From the host -----------------------------------------------------------------------------------------------

  /** Has the bytes of the next sector, or of its identity, brought into the buffer. */
  #take(wanted: number): void {
    const s = this.#state;
    s.buffer.fill(0); // what the host does not bring is written as zero
    if (!this.#usesDma()) {
      this.#offer(wanted);
      return;
    }
    const into = s.buffer.subarray(0, wanted);
    const { moved, terminalCount } = s.dor & DOR_DMA_ENABLE ? this.#host.dma.fromMemory(into) : { moved: 0 };
    s.isLast = terminalCount === true;
    if (moved === wanted || (s.isLast && wanted === SECTOR_BYTES)) this.#store();
    else this.#end(ST1_OVERRUN);
  }

  /** The sector goes to the medium, after all looks for what may be wrong. */
  #store(): void {
    const s = this.#state;
    const found = this.#find();
    if ('errors' in found) {
      this.#end(found.errors);
      return;
    }
    const isFormat = this.#name() === 'format';
    const sector = isFormat ? new Uint8Array(SECTOR_BYTES).fill(s.command[FORMAT_FILLER]) : s.buffer.slice();
    s.stage = STAGE_MEDIUM;
    found.medium.write(found.offset, sector, (problem: BlockProblem | undefined) => {
      if (problem === undefined) this.#advance(s.isLast);
      else this.#end(problem === 'read-only' ? ST1_NOT_WRITABLE : ST1_DATA_ERROR | ST2_DATA_ERROR);
    });
  }

  #offer(wanted: number): void {
    const s = this.#state;
    s.stage = STAGE_BYTES;
    s.bytesWanted = wanted;
    s.bytesMoved = 0;
    this.#host.bytesReady();
  }

  // ---- From sector to sector ---------------------------------------------------------------------------------------

  #advance(isTerminal: boolean): void {
    const s = this.#state;
    const { command } = s;
    s.sectorsDone = (s.sectorsDone + 1) & 0xff;
    if (this.#name() === 'format') {
      if (isTerminal || s.sectorsDone === command[FORMAT_COUNT]) this.#end();
      else this.#next();
      return;
    }
    if (this.#name() === 'read-track') {
      if (isTerminal || s.sectorsDone >= command[EOT]) this.#end(s.mismatched ? ST1_NO_DATA : 0);
      else this.#next();
      return;
    }
    const isEnd = command[R] === command[EOT];
    this.#step(isEnd);
    const verified = this.#name() === 'verify' && command[SELECT] & VERIFY_COUNTED && s.sectorsDone === command[DTL];
    const turnsOver = command[0] & MULTI_TRACK && command[H] === 1 && command[R] === 1;
    if (isTerminal || verified) this.#end();
    else if (!isEnd || turnsOver) this.#next();
    else if (this.#name() === 'verify') this.#end();
    else this.#end(ST1_END_OF_CYLINDER);
  }

  /** To the sector that follows, which is also what results tell (data sheet, table "Result Phase"). */
  #step(isEnd: boolean): void {
    const { command } = this.#state;
    if (!isEnd) {
      command[R]++;
      return;
    }
    command[R] = 1;
    if (command[0] & MULTI_TRACK) {
      command[H] ^= 1;
      command[SELECT] ^= 4;
      if (command[H] & 1) return;
    }
    command[C]++;
  }

  /** The sector that passes under the head at this moment. */
  #readId(): void {
    const at = this.#track();
    if (!at) {
      this.#end(ST1_MISSING_ADDRESS_MARK | ST1_NO_DATA);
      return;
    }
    const turn = (this.#host.now() % TURN_NS) / TURN_NS;
    this.#host.finish(0, 0, 0, [at.track, at.head, 1 + Math.floor(turn * at.format.sectors), SIZE_CODE]);
  }

  /** The command is over; without errors, as it should be. */
  #end(errors = 0): void {
    const { command } = this.#state;
    const id = this.#name() === 'read-id' ? [0, 0, 0, 0] : [command[C], command[H], command[R], command[N]];
    this.#host.finish(errors === 0 ? 0 : ST0_ABNORMAL, errors >> 8, errors & 0xff, id);
  }
}
