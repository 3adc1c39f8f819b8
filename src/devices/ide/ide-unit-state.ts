/** What an IDE device keeps: its task file, the transfer at hand, and what drivers have set. */

import { bool, bytes, defineState, f64, type StateOf, u8, u16, u32 } from '../../base/state.ts';

/** Data on its way through the data register: as much as makes asking the medium cheap beside moving it by words. */
export const BUFFER_BYTES = 32_768;
export const PACKET_BYTES = 12;

export const PHASE_IDLE = 0;
/** The host writes a command packet. */
export const PHASE_PACKET = 1;
/** The host reads, or writes, the buffer through the data register. */
export const PHASE_DATA_IN = 2;
export const PHASE_DATA_OUT = 3;
/** The medium fills the buffer, or takes it. */
export const PHASE_READING = 4;
export const PHASE_WRITING = 5;
export const PHASE_FLUSHING = 6;
/** A DMA transfer: nothing under way (the bus master has not started, or was stopped); the medium works for it. */
export const PHASE_DMA = 7;
export const PHASE_DMA_READING = 8;
export const PHASE_DMA_WRITING = 9;

export const ideUnitState = defineState('ide-unit', 1, {
  error: u8({ initial: 1 }),
  status: u8({ initial: 0x50 }),
  /** Of each register, what was written last and what was written before that (ATA/ATAPI-6, "48-bit Address feature set"). */
  features: u8(),
  count: u8({ initial: 1 }),
  low: u8({ initial: 1 }),
  mid: u8(),
  high: u8(),
  device: u8(),
  featuresBefore: u8(),
  countBefore: u8(),
  lowBefore: u8(),
  midBefore: u8(),
  highBefore: u8(),
  /** INTRQ, as far as this device is concerned. */
  interrupt: bool(),

  command: u8(),
  phase: u8({ max: PHASE_DMA_WRITING }),
  isDma: bool(),
  isWrite: bool(),
  /** The first block that is not in the buffer yet (read) or not on the medium yet (write), and how many there are. */
  lba: f64({ min: 0, max: 2 ** 48 }),
  blocks: u32(),
  /** Blocks that go through the data register at a time. */
  blocksAtOnce: u8({ max: 16, initial: 1 }),
  /** Of the buffer: what has gone through the data register, what goes before the next handshake, what there is. */
  position: u16({ max: BUFFER_BYTES }),
  stop: u16({ max: BUFFER_BYTES }),
  length: u16({ max: BUFFER_BYTES }),
  buffer: bytes(BUFFER_BYTES),

  /** Settings of disks: READ MULTIPLE, INITIALIZE DEVICE PARAMETERS, SET FEATURES. */
  multiple: u8({ max: 16, initial: 16 }),
  heads: u8({ min: 1, max: 16, initial: 16 }),
  sectorsPerTrack: u8({ min: 1, initial: 63 }),
  transferMode: u8({ initial: 0x22 }),
  writeCache: bool({ initial: true }),

  /** Of CD-ROM drives: the command, the most that goes through the data register at once, sense data, the tray. */
  packet: bytes(PACKET_BYTES),
  byteLimit: u16(),
  senseKey: u8({ max: 15 }),
  senseCode: u8(),
  senseQualifier: u8(),
  /** The medium was changed, and no command has been told. */
  attention: bool(),
  /** Event for GET EVENT STATUS NOTIFICATION. */
  event: u8({ max: 4 }),
  isTrayOpen: bool(),
  isLocked: bool(),
});

export type IdeUnitState = StateOf<typeof ideUnitState>;
