/**
 * Registers of an AHCI host bus adapter and its ports (Intel "Serial ATA AHCI Specification", revision 1.3.1, chapter 3
 * "HBA Memory Registers"), and what a port keeps.
 */

import { bool, bytes, defineState, f64, type StateOf, u8, u32 } from '../../base/state.ts';

/** Generic host control. */
export const CAP = 0x00;
export const GHC = 0x04;
export const IS = 0x08;
export const PI = 0x0c;
export const VS = 0x10;

export const GHC_RESET = 0x0000_0001;
export const GHC_INTERRUPTS = 0x0000_0002;
export const GHC_AHCI = 0x8000_0000;

/** Ports, from here on. */
export const PORTS = 0x100;
export const PORT_BYTES = 0x80;

export const CLB = 0x00;
export const CLBU = 0x04;
export const FB = 0x08;
export const FBU = 0x0c;
export const PXIS = 0x10;
export const PXIE = 0x14;
export const CMD = 0x18;
export const TFD = 0x20;
export const SIG = 0x24;
export const SSTS = 0x28;
export const SCTL = 0x2c;
export const SERR = 0x30;
export const SACT = 0x34;
export const CI = 0x38;

export const INT_D2H = 0x0000_0001;
export const INT_PIO_SETUP = 0x0000_0002;
export const INT_SET_DEVICE_BITS = 0x0000_0008;
export const INT_DESCRIPTOR = 0x0000_0020;
export const INT_CONNECT = 0x0000_0040;
export const INT_PHY = 0x0040_0000;
export const INT_OVERFLOW = 0x0100_0000;
export const INT_HOST_BUS = 0x2000_0000;
export const INT_TASK_FILE = 0x4000_0000;
/** These two show bits of SERR, and are cleared there. */
export const INT_OF_SERR = INT_CONNECT | INT_PHY;
export const INT_ENABLES = 0xfdc0_00ff;

export const CMD_START = 0x0000_0001;
export const CMD_SPIN_UP = 0x0000_0002;
export const CMD_POWER = 0x0000_0004;
export const CMD_OVERRIDE = 0x0000_0008;
export const CMD_FIS_RECEIVE = 0x0000_0010;
export const CMD_SLOT_SHIFT = 8;
export const CMD_FIS_RUNNING = 0x0000_4000;
export const CMD_RUNNING = 0x0000_8000;
export const CMD_ATAPI = 0x0100_0000;
export const CMD_WRITABLE = CMD_START | CMD_FIS_RECEIVE | CMD_ATAPI;

/** Device present and phy established, 3 Gbit/s, active. */
export const SSTS_ESTABLISHED = 0x123;
export const SSTS_OFFLINE = 4;
export const SCTL_DETECTION = 0x0f;
export const SCTL_RESET = 1;
export const SCTL_OFFLINE = 4;
export const SCTL_WRITABLE = 0x0fff;
export const SERR_EXCHANGED = 0x0400_0000;
export const SERR_PHY_CHANGE = 0x0001_0000;
/** The device has not been heard of. */
export const TFD_NONE = 0x7f;
export const SIG_NONE = 0xffff_ffff;

export const SLOTS = 32;
export const NO_SLOT = SLOTS;
export const LOG_BYTES = 512;

export const portState = defineState('ahci-port', 1, {
  commandList: u32(),
  commandListUpper: u32(),
  fis: u32(),
  fisUpper: u32(),
  interruptStatus: u32(),
  interruptEnable: u32(),
  command: u32(),
  taskFile: u32({ max: 0xffff, initial: TFD_NONE }),
  signature: u32({ initial: SIG_NONE }),
  sataStatus: u32(),
  sataControl: u32(),
  sataError: u32(),
  active: u32(),
  issue: u32(),
  /** The slot whose command was looked at last. */
  lastSlot: u8({ max: SLOTS - 1, initial: SLOTS - 1 }),
  /** The command that is not queued and is under way, and how much of its data has been moved. */
  slot: u8({ max: NO_SLOT, initial: NO_SLOT }),
  movedBytes: f64({ min: 0, max: 2 ** 40 }),
  /** Queued commands under way, by slot. */
  queued: u32(),
  /** An error stops the port until the driver stops and starts it. */
  isHalted: bool(),
  /** The device is held in software reset. */
  isInReset: bool(),
  /** The device's signature has not been put into memory: there was no place for it yet. */
  owesSignature: bool(),
  /** Log 10h of the disk: which queued command failed, and how. */
  errorLog: bytes(LOG_BYTES),
});

export type PortState = StateOf<typeof portState>;

/** A 64-bit address in two registers; beyond what numbers hold there is no memory. */
export function address64(low: number, high: number): number {
  return Math.min((high >>> 0) * 2 ** 32 + (low >>> 0), 2 ** 52);
}
