/** Registers and declared state of the 82540EM; see e1000.ts. Names are the manual's. */

import { bool, defineState, f64, list, type StateOf, u8, u16, u16s, u32, u32s } from '../../../base/state.ts';
import type { PciConfig } from '../../pci/pci-config.ts';
import { eepromState } from '../eeprom-93c46.ts';
import type { NicHost } from '../nic-host.ts';

export const REGISTER_BYTES = 0x2_0000;

/** Registers that do something when they are touched. */
export const CTRL = 0x0000;
export const STATUS = 0x0008;
export const EECD = 0x0010;
export const EERD = 0x0014;
export const CTRL_EXT = 0x0018;
export const MDIC = 0x0020;
export const ICR = 0x00c0;
export const ITR = 0x00c4;
export const ICS = 0x00c8;
export const IMS = 0x00d0;
export const IMC = 0x00d8;
export const RCTL = 0x0100;
export const TCTL = 0x0400;
export const RDH = 0x2810;
export const RDT = 0x2818;
export const RDTR = 0x2820;
export const TDT = 0x3818;
export const STATISTICS = 0x4000;
export const MTA = 0x5200;
export const RA = 0x5400;
export const VFTA = 0x5600;

export const STATISTICS_WORDS = 64;
export const MTA_WORDS = 128;
export const RA_WORDS = 32;
export const VFTA_WORDS = 128;

export const CTRL_FULL_DUPLEX = 0x0000_0001;
export const CTRL_LINK_UP = 0x0000_0040;
export const CTRL_SPEED_1000 = 0x0000_0200;
export const CTRL_RESET = 0x0400_0000;
export const CTRL_VLAN_MODE = 0x4000_0000;
export const CTRL_PHY_RESET = 0x8000_0000;

/** 1000 Mb/s, full duplex. */
export const STATUS_FIXED = 0x0000_0281;
export const STATUS_LINK_UP = 0x0000_0002;

export const CTRL_EXT_EEPROM_RESET = 0x0000_2000;

/** Interrupt causes. */
export const INT_TX_WRITTEN_BACK = 0x0000_0001;
export const INT_TX_QUEUE_EMPTY = 0x0000_0002;
export const INT_LINK_CHANGE = 0x0000_0004;
export const INT_RX_LOW = 0x0000_0010;
export const INT_RX_TIMER = 0x0000_0080;
export const INT_MDIO = 0x0000_0200;
export const INT_ALL = 0x0001_f6df;

export const RCTL_ENABLE = 0x0000_0002;
export const RCTL_UNICAST_ALL = 0x0000_0008;
export const RCTL_MULTICAST_ALL = 0x0000_0010;
export const RCTL_LOOPBACK = 0x0000_00c0;
export const RCTL_MAC_LOOPBACK = 0x0000_0040;
export const RCTL_LOW_SHIFT = 8;
export const RCTL_MULTICAST_SHIFT = 12;
export const RCTL_BROADCAST = 0x0000_8000;
export const RCTL_SIZE_SHIFT = 16;
export const RCTL_VLAN_FILTER = 0x0004_0000;
export const RCTL_LARGE_BUFFERS = 0x0200_0000;
export const RCTL_STRIP_FCS = 0x0400_0000;

export const TCTL_ENABLE = 0x0000_0002;
export const TCTL_PAD = 0x0000_0008;

export const RXCSUM_IP = 0x0100;
export const RXCSUM_TRANSPORT = 0x0200;

export const RDTR_FLUSH = 0x8000_0000;
/** RDTR, RADV, TIDV and TADV count in these, ITR in those. */
export const DELAY_UNIT_NS = 1024;
export const THROTTLE_UNIT_NS = 256;

/** Offsets of registers that are storage, their names in the state, and which bits can be written. */
export const STORED = {
  [CTRL]: ['ctrl', 0x7bff_ffff],
  [CTRL_EXT]: ['ctrlExt', 0xffff_dfff],
  40: ['fcal', 0xffff_ffff],
  44: ['fcah', 0xffff],
  48: ['fct', 0xffff],
  56: ['vet', 0xffff],
  [ITR]: ['itr', 0xffff],
  [RCTL]: ['rctl', 0x07ff_ffff],
  368: ['fcttv', 0xffff],
  376: ['txcw', 0xffff_ffff],
  [TCTL]: ['tctl', 0x03ff_fffa],
  1040: ['tipg', 0x3fff_ffff],
  1112: ['ait', 0xffff],
  3584: ['ledctl', 0xffff_ffff],
  4096: ['pba', 0xffff_ffff],
  8544: ['fcrtl', 0x8000_fff8],
  8552: ['fcrth', 0x8000_fff8],
  10240: ['rdbal', 0xffff_fff0],
  10244: ['rdbah', 0xffff_ffff],
  10248: ['rdlen', 0xf_ff80],
  [RDH]: ['rdh', 0xffff],
  [RDT]: ['rdt', 0xffff],
  [RDTR]: ['rdtr', 0xffff],
  10280: ['rxdctl', 0xffff_ffff],
  10284: ['radv', 0xffff],
  11264: ['rsrpd', 0xfff],
  12288: ['txdmac', 1],
  14336: ['tdbal', 0xffff_fff0],
  14340: ['tdbah', 0xffff_ffff],
  14344: ['tdlen', 0xf_ff80],
  14352: ['tdh', 0xffff],
  [TDT]: ['tdt', 0xffff],
  14368: ['tidv', 0xffff],
  14376: ['txdctl', 0xffff_ffff],
  14380: ['tadv', 0xffff],
  14384: ['tspmt', 0xffff_ffff],
  20480: ['rxcsum', 0x7ff],
  22528: ['wuc', 0x0f],
  22536: ['wufc', 0x000f_80ff],
  22560: ['manc', 0xffff_ffff],
  22584: ['ipav', 0xffff_ffff],
} as const satisfies Readonly<Record<number, readonly [string, number]>>;

/** What the last context descriptors of a kind said (manual §3.3 "TCP/IP Context Transmit Descriptor Format"). */
export const contextState = defineState('e1000-context', 1, {
  ipStart: u8(),
  ipChecksum: u8(),
  ipEnd: u16(),
  transportStart: u8(),
  transportChecksum: u8(),
  transportEnd: u16(),
  payloadBytes: u32({ max: 0xf_ffff }),
  headerBytes: u8(),
  mss: u16(),
  isIpv4: bool(),
  isTcp: bool(),
});
export type Context = StateOf<typeof contextState>;

const never = f64({ min: 0, initial: Number.POSITIVE_INFINITY });

/** An interrupt that waits for more to come: until when, and until when at the most. */
export const delayState = defineState('e1000-delay', 1, { relativeNs: never, absoluteNs: never });
export type Delay = StateOf<typeof delayState>;

export const e1000State = defineState('e1000', 1, {
  eeprom: list(eepromState, 1),
  phy: u16s(32),
  /** When the link comes up that is being negotiated. */
  linkUpNs: never,
  ctrl: u32({ initial: CTRL_FULL_DUPLEX | CTRL_LINK_UP | CTRL_SPEED_1000 }),
  eecd: u32(),
  eerd: u32(),
  ctrlExt: u32(),
  mdic: u32(),
  fcal: u32(),
  fcah: u32(),
  fct: u32(),
  vet: u32({ initial: 0x8100 }),
  icr: u32(),
  ims: u32(),
  itr: u32(),
  /** The line is high; and when it last became that. */
  asserted: bool(),
  assertedNs: f64({ min: Number.NEGATIVE_INFINITY, initial: Number.NEGATIVE_INFINITY }),
  rctl: u32(),
  fcttv: u32(),
  txcw: u32(),
  tctl: u32(),
  tipg: u32(),
  ait: u32(),
  ledctl: u32({ initial: 0x0706_8302 }),
  pba: u32({ initial: 0x0010_0030 }),
  fcrtl: u32(),
  fcrth: u32(),
  rdbal: u32(),
  rdbah: u32(),
  rdlen: u32({ max: 0xf_ff80 }),
  rdh: u32({ max: 0xffff }),
  rdt: u32({ max: 0xffff }),
  rdtr: u32({ max: 0xffff }),
  rxdctl: u32({ initial: 0x0001_0000 }),
  radv: u32({ max: 0xffff }),
  rsrpd: u32(),
  txdmac: u32(),
  tdbal: u32(),
  tdbah: u32(),
  tdlen: u32({ max: 0xf_ff80 }),
  tdh: u32({ max: 0xffff }),
  tdt: u32({ max: 0xffff }),
  tidv: u32({ max: 0xffff }),
  txdctl: u32(),
  tadv: u32({ max: 0xffff }),
  tspmt: u32({ initial: 0x0100_0400 }),
  rxcsum: u32(),
  wuc: u32(),
  wufc: u32(),
  manc: u32(),
  ipav: u32(),
  statistics: u32s(STATISTICS_WORDS),
  mta: u32s(MTA_WORDS),
  ra: u32s(RA_WORDS),
  vfta: u32s(VFTA_WORDS),
  /** For checksums alone, and for segmentation. */
  contexts: list(contextState, 2),
  /** Of interrupts for received and for sent packets. */
  delays: list(delayState, 2),
  /** When sending goes on after a batch. */
  resumeNs: never,
  /** IOADDR: the register that IODATA stands for. */
  ioAddress: u32(),
});

export type E1000State = StateOf<typeof e1000State>;

/** The chip as its parts see it. */
export interface E1000Core {
  readonly state: E1000State;
  readonly host: NicHost;
  readonly config: PciConfig;
}
