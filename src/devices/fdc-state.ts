/** State of the 82077AA (fdc-82077.ts), shared by the registers and the commands that reach the medium. */

import { SECTOR_BYTES } from '../base/block.ts';
import { bool, bytes, defineState, f64, type StateOf, u8, u16 } from '../base/state.ts';

export const FLOPPY_DRIVES = 4;

export const STAGE_COMMAND = 0;
/** A command waits for its time to begin. */
export const STAGE_STARTING = 1;
/** A sector is being read or written. */
export const STAGE_MEDIUM = 2;
/** Bytes of a sector come or go through the FIFO. */
export const STAGE_BYTES = 3;
export const STAGE_RESULT = 4;

export const LONGEST_COMMAND = 9;
export const LONGEST_RESULT = 10;

export const fdcState = defineState('fdc-82077', 1, {
  dor: u8(),
  tdr: u8({ max: 3 }),
  /** Data rate selected, by DSR or CCR. */
  rate: u8({ max: 3, initial: 2 }),
  stage: u8({ max: STAGE_RESULT }),
  command: bytes(LONGEST_COMMAND),
  commandLength: u8({ max: LONGEST_COMMAND - 1 }),
  result: bytes(LONGEST_RESULT),
  resultLength: u8({ max: LONGEST_RESULT }),
  resultAt: u8({ max: LONGEST_RESULT - 1 }),
  buffer: bytes(SECTOR_BYTES),
  /** Of the buffer, what the processor has to move, and what it has moved. */
  bytesWanted: u16({ max: SECTOR_BYTES }),
  bytesMoved: u16({ max: SECTOR_BYTES }),
  sectorsDone: u8(),
  /** The DMA controller said that the sector being written is the last one. */
  isLast: bool(),
  /** READ TRACK met a sector that it was not told to look for. */
  mismatched: bool(),
  /** Where the heads are. */
  tracks: bytes(FLOPPY_DRIVES),
  /** Drives whose medium was changed and whose head has not moved since. */
  changed: u8({ max: 15, initial: 15 }),
  seeking: u8({ max: 15 }),
  /** What SENSE INTERRUPT STATUS has to tell of drives. */
  senses: u8({ max: 15 }),
  senseStatus: bytes(FLOPPY_DRIVES),
  interrupt: bool(),
  specify1: u8(),
  specify2: u8(),
  endOfTrack: u8(),
  configuration: u8({ max: 0x7f, initial: 0x20 }),
  precompensationTrack: u8(),
  perpendicular: u8({ max: 0x7f }),
  locked: bool(),
  /** When a reset, seeks, a command come to their end or start; Infinity while none is under way. */
  resetNs: f64({ min: 0, initial: Number.POSITIVE_INFINITY }),
  seekNs: f64({ min: 0, initial: Number.POSITIVE_INFINITY }),
  startNs: f64({ min: 0, initial: Number.POSITIVE_INFINITY }),
});

export type FdcState = StateOf<typeof fdcState>;
