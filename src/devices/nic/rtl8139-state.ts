/** Registers and declared state of the RTL8139C+; see rtl8139.ts. */

import { bytes, defineState, f64, list, type StateOf, u8, u16, u32, u32s } from '../../base/state.ts';
import type { PciConfig } from '../pci/pci-config.ts';
import { eepromState } from './eeprom-93c46.ts';
import type { NicHost } from './nic-host.ts';

export const REGISTER_BYTES = 256;

/** CR, command. */
export const CR_RESET = 0x10;
export const CR_RECEIVER = 0x08;
export const CR_TRANSMITTER = 0x04;
export const CR_BUFFER_EMPTY = 0x01;

/** ISR and IMR, interrupt causes. */
export const INT_RECEIVED = 0x0001;
export const INT_RX_ERROR = 0x0002;
export const INT_SENT = 0x0004;
export const INT_TX_ERROR = 0x0008;
export const INT_NO_RX_DESCRIPTOR = 0x0010; // RXOVW in C mode
export const INT_NO_TX_DESCRIPTOR = 0x0080;
export const INT_SOFTWARE = 0x0100;
export const INT_TIMER = 0x4000;
export const INT_SYSTEM_ERROR = 0x8000;
export const INT_ALL = 0xe1ff;

/** TCR, transmit configuration: what can be written, and the chip's version, which reads back with it. */
export const TCR_WRITABLE = 0x0307_07f0;
export const TCR_LOOPBACK = 0x0006_0000;
export const TCR_VERSION_C_PLUS = 0x7480_0000;

/** RCR, receive configuration. */
export const RCR_ALL_PHYSICAL = 0x01;
export const RCR_MINE = 0x02;
export const RCR_MULTICAST = 0x04;
export const RCR_BROADCAST = 0x08;
export const RCR_NO_WRAP = 0x80;
export const RCR_RING_SIZE_SHIFT = 11;

/** TSD, status of a transmit descriptor in C mode. */
export const TSD_SIZE = 0x0000_1fff;
export const TSD_OWN = 0x0000_2000; // the driver's: the chip is done with it
export const TSD_OK = 0x0000_8000;
export const TSD_THRESHOLD = 0x003f_0000;
export const TSD_UNDERRUN = 0x0000_4000;
export const TSD_ABORTED = 0x4000_0000;
export const TX_DESCRIPTORS = 4;

/** CPCR, C+ command. */
export const CPCR_TRANSMITTER = 0x01;
export const CPCR_RECEIVER = 0x02;
export const CPCR_RX_CHECKSUM = 0x20;
export const CPCR_RX_UNTAG = 0x40;
export const CPCR_WRITABLE = 0x7f;

/** 9346CR: mode in the upper two bits, EEPROM pins in the lower four. */
export const EEM_NORMAL = 0;
export const EEM_AUTOLOAD = 1;
export const EEM_PROGRAM = 2;
export const EEM_CONFIG_WRITE = 3;

/** CAPR is the driver's read pointer, less 16. */
export const CAPR_BIAS = 16;
export const CAPR_INITIAL = 0x1_0000 - CAPR_BIAS;
/** The largest receive ring; offsets in it are below this. */
export const LARGEST_RING_BYTES = 0x1_0000;
/** The most descriptors a ring of C+ mode has. */
export const PLUS_RING_DESCRIPTORS = 64;

/** Words of the EEPROM. */
export const EEPROM_ID = 0x8129;
export const EEPROM_MAC_WORD = 7;

/** BMCR: auto-negotiation on, 100 Mb/s, full duplex. */
export const BMCR_INITIAL = 0x3100;
export const BMCR_WRITABLE = 0x7100;
export const BMCR_RESET = 0x8000;
/** All of 10 and 100 Mb/s; negotiated, link up. */
export const BMSR = 0x782d;
export const ANAR_INITIAL = 0x05e1;
export const ANLPAR = 0x45e1;
/** The partner negotiates, too. */
export const ANER = 0x0001;
/** CSCR: cable connected, and the defaults. */
export const CSCR_INITIAL = 0x03c8;

export const rtl8139State = defineState('rtl8139', 1, {
  eeprom: list(eepromState, 1),
  idr: bytes(6),
  mar: bytes(8),
  tsd: u32s(TX_DESCRIPTORS),
  /** TSAD0 to 3; in C+ mode the addresses of the normal and the high-priority ring. */
  tsad: u32s(TX_DESCRIPTORS),
  /** The descriptor that is sent next in C mode. */
  txNext: u8({ max: TX_DESCRIPTORS - 1 }),
  rxStart: u32(),
  /** CAPR, as written. */
  capr: u16({ initial: CAPR_INITIAL }),
  /** CBR: where the next frame goes. */
  cbr: u16(),
  command: u8({ max: CR_RECEIVER | CR_TRANSMITTER }),
  imr: u16(),
  isr: u16(),
  tcr: u32(),
  rcr: u32(),
  timerStartNs: f64({ min: 0 }),
  timerInterrupt: u32(),
  eepromControl: u8(),
  config1: u8({ initial: 0x0c }),
  config3: u8(),
  config4: u8(),
  config5: u8(),
  flowControl: u8(),
  multipleInterrupt: u16(),
  bmcr: u16({ initial: BMCR_INITIAL }),
  anar: u16({ initial: ANAR_INITIAL }),
  cscr: u16({ initial: CSCR_INITIAL }),
  cpcr: u16(),
  earlyTx: u8(),
  /** RDSAR, and the address for the statistics (DTCCR) while C+ mode is on. */
  rxRing: u32s(2),
  tally: u32s(2),
  /** The descriptors of C+ mode that come next: receive, transmit (normal, high priority). */
  rxIndex: u8({ max: PLUS_RING_DESCRIPTORS - 1 }),
  txIndex: bytes(2),
  sent: u32(),
  sendErrors: u32(),
  received: u32(),
  receivedMine: u32(),
  receivedBroadcast: u32(),
  receivedMulticast: u32(),
});

export type Rtl8139State = StateOf<typeof rtl8139State>;

/** The chip as its receive and transmit parts see it. */
export interface Rtl8139Core {
  readonly state: Rtl8139State;
  readonly host: NicHost;
  readonly config: PciConfig;
  /** Sets bits of ISR. */
  raise(causes: number): void;
  /** A frame for the wire, or in loopback for the receiver. */
  transmit(frame: Uint8Array): void;
}

export type Match = 'physical' | 'broadcast' | 'multicast';
