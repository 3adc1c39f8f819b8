/** Registers and declared state of the Am79C970A; see pcnet.ts. */

import { bool, bytes, defineState, f64, type StateOf, u8, u16, u16s } from '../../base/state.ts';
import type { PciConfig } from '../pci/pci-config.ts';
import type { NicHost } from './nic-host.ts';

export const CSRS = 128;
export const BCRS = 32;
export const APROM_BYTES = 16;

/** CSR0, status and control. */
export const CSR0_INIT = 0x0001;
export const CSR0_START = 0x0002;
export const CSR0_STOP = 0x0004;
export const CSR0_DEMAND = 0x0008;
export const CSR0_TX_ON = 0x0010;
export const CSR0_RX_ON = 0x0020;
export const CSR0_INTERRUPT_ENABLE = 0x0040;
export const CSR0_INTERRUPT = 0x0080;
export const CSR0_INIT_DONE = 0x0100;
export const CSR0_TX_INTERRUPT = 0x0200;
export const CSR0_RX_INTERRUPT = 0x0400;
export const CSR0_MEMORY_ERROR = 0x0800;
export const CSR0_ERROR = 0x8000;
/** Cleared by writing ones. */
export const CSR0_EVENTS = 0x7f00;
/** What CSR0_ERROR stands for: BABL, CERR, MISS, MERR. */
export const CSR0_ERRORS = 0x7800;

/** CSR3 masks the events of CSR0, except CERR, which interrupts nobody. */
export const CSR3_MASKS = 0x5f00;

/** CSR4: events, each with its mask one bit below; but UINT has none. */
export const CSR4_EVENTS = 0x026a;
export const CSR4_MASKED_EVENTS = 0x022a;
export const CSR4_NO_POLL = 0x1000;
export const CSR4_PAD_TRANSMIT = 0x0800;
export const CSR4_STRIP_RECEIVE = 0x0400;
export const CSR4_USER_COMMAND = 0x0080;
export const CSR4_USER_INTERRUPT = 0x0040;
export const CSR4_TX_STARTED = 0x0008;
export const CSR4_INITIAL = 0x0115;

/** CSR5: events, each with its enable one bit below. */
export const CSR5_EVENTS = 0x0a90;
export const CSR5_NO_TX_OK_INTERRUPT = 0x8000;
export const CSR5_LAST_TX_INTERRUPT = 0x4000;
export const CSR5_SUSPEND = 0x0001;

/** CSR15, mode. */
export const MODE_PROMISCUOUS = 0x8000;
export const MODE_NO_BROADCAST = 0x4000;
export const MODE_NO_PHYSICAL = 0x2000;
export const MODE_NO_TX_FCS = 0x0008;
export const MODE_LOOPBACK = 0x0004;
export const MODE_NO_TRANSMITTER = 0x0002;
export const MODE_NO_RECEIVER = 0x0001;

/** Numbers of registers that are more than storage. */
export const CSR_ADDRESS_LOW = 1;
export const CSR_ADDRESS_HIGH = 2;
export const CSR_RING_LENGTHS = 6;
export const CSR_LOGICAL_FILTER = 8;
export const CSR_PHYSICAL_ADDRESS = 12;
export const CSR_MODE = 15;
export const CSR_RX_BASE = 24;
export const CSR_TX_BASE = 30;
export const CSR_POLL_INTERVAL = 47;
export const CSR_SOFTWARE_STYLE = 58;
export const CSR_RX_COUNTER = 72;
export const CSR_TX_COUNTER = 74;
/** Negative lengths. */
export const CSR_RX_LENGTH = 76;
export const CSR_TX_LENGTH = 78;
export const CSR_CHIP_ID = 88;

export const BCR_MISCELLANEOUS = 2;
export const BCR_LINK_LED = 4;
export const BCR_BUS_CONTROL = 18;
export const BCR_SOFTWARE_STYLE = 20;
export const BCR2_APROM_WRITE = 0x0100;
export const BCR18_DWORD_IO = 0x0080;
/** The LED shows a link, and is on. */
export const BCR4_LINK = 0x80c0;

export const pcnetState = defineState('pcnet', 1, {
  aprom: bytes(APROM_BYTES),
  /** RAP, register address port. */
  rap: u8({ max: CSRS - 1 }),
  csr: u16s(CSRS),
  bcr: u16s(BCRS),
  /** The descriptors that come next, counted from the base of each ring. */
  rxNext: u16(),
  txNext: u16(),
  /** The driver has used TDMD since it started the chip. */
  demands: bool(),
  /** When the rings are polled; Infinity while they are not. */
  pollNs: f64({ min: 0, initial: Number.POSITIVE_INFINITY }),
});

export type PcnetState = StateOf<typeof pcnetState>;

/** The chip as its rings see it. */
export interface PcnetCore {
  readonly state: PcnetState;
  readonly host: NicHost;
  readonly config: PciConfig;
  /** Sets bits of CSR0. */
  raise(events: number): void;
  /** A frame for the wire, or in loopback for the receiver. */
  transmit(frame: Uint8Array): void;
}
