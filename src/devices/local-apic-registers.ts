/**
 * Registers of the local APIC (SDM Vol. 3A table 11-1 "Local APIC Register Address Map" and table 11-6 "Local APIC
 * Register Address Map Supported by x2APIC"). Register n is at MMIO offset 16 n, and is MSR 0x800 + n.
 */

export const ID = 0x02;
export const VERSION = 0x03;
export const TPR = 0x08;
export const APR = 0x09;
export const PPR = 0x0a;
export const EOI = 0x0b;
export const RRD = 0x0c;
export const LDR = 0x0d;
export const DFR = 0x0e;
export const SVR = 0x0f;
export const ISR = 0x10;
export const TMR = 0x18;
export const IRR = 0x20;
export const ESR = 0x28;
export const ICR_LOW = 0x30;
export const ICR_HIGH = 0x31;
/** The local vector table: timer, thermal sensor, performance counters, LINT0, LINT1, error. */
export const LVT = 0x32;
export const INITIAL_COUNT = 0x38;
export const CURRENT_COUNT = 0x39;
export const DIVIDE = 0x3e;
export const SELF_IPI = 0x3f;

/** Indices into the local vector table. */
export const LVT_TIMER = 0;
export const LVT_LINT0 = 3;
export const LVT_LINT1 = 4;
export const LVT_ERROR = 5;
export const LVT_ENTRIES = 6;
export const LVT_REMOTE_IRR = 1 << 14;
export const LVT_LEVEL = 1 << 15;
export const LVT_MASKED = 1 << 16;

export const SVR_ENABLED = 0x100;
export const SVR_SUPPRESS_EOI_BROADCAST = 0x1000;

/** Bits of the error status register. */
export const ERROR_SEND_VECTOR = 1 << 5;
export const ERROR_RECEIVE_VECTOR = 1 << 6;
export const ERROR_REGISTER = 1 << 7;

/** Six LVT entries, EOI broadcasts can be suppressed, an integrated APIC. */
export const VERSION_VALUE = (1 << 24) | ((LVT_ENTRIES - 1) << 16) | 0x14;

export const MSR_APIC_BASE = 0x1b;
export const MSR_TSC_DEADLINE = 0x6e0;
export const MSR_X2APIC = 0x800;

export const BASE_BOOTSTRAP = 1 << 8;
export const BASE_X2APIC = 1 << 10;
export const BASE_ENABLED = 1 << 11;
export const BASE_RESERVED = 0x2ff;
export const BASE_ADDRESS = 0xfee0_0000;

/** What may be done with a register, by mode. */
export const XAPIC_READ = 1;
export const XAPIC_WRITE = 2;
export const X2APIC_READ = 4;
export const X2APIC_WRITE = 8;

/** By register number: access rights, the bits that keep what is written, and those that must be written as zero. */
export const access = new Uint8Array(64);
export const writable = new Uint32Array(64);
export const reserved = new Uint32Array(64);

function define(first: number, count: number, rights: number, bits: number, readOnlyBits = 0): void {
  access.fill(rights, first, first + count);
  writable.fill(bits, first, first + count);
  reserved.fill(~(bits | readOnlyBits), first, first + count);
}

const READ = XAPIC_READ | X2APIC_READ;
const WRITE = XAPIC_WRITE | X2APIC_WRITE;
const DELIVERY_STATUS = 1 << 12;
define(ID, 1, READ, 0);
define(VERSION, 1, READ, 0);
define(TPR, 1, READ | WRITE, 0xff);
define(APR, 1, XAPIC_READ, 0);
define(PPR, 1, READ, 0);
define(EOI, 1, WRITE, 0);
define(RRD, 1, XAPIC_READ, 0);
define(LDR, 1, READ | XAPIC_WRITE, 0xff00_0000);
define(DFR, 1, XAPIC_READ | XAPIC_WRITE, 0xf000_0000);
define(SVR, 1, READ | WRITE, 0x11ff);
define(ISR, 8, READ, 0);
define(TMR, 8, READ, 0);
define(IRR, 8, READ, 0);
define(ESR, 1, READ | WRITE, 0);
define(ICR_LOW, 1, READ | WRITE, 0xc_cfff, DELIVERY_STATUS);
define(ICR_HIGH, 1, XAPIC_READ | XAPIC_WRITE, 0xff00_0000);
define(LVT + LVT_TIMER, 1, READ | WRITE, 0x7_00ff, DELIVERY_STATUS);
define(LVT + 1, 2, READ | WRITE, 0x1_07ff, DELIVERY_STATUS); // thermal sensor, performance counters
define(LVT + LVT_LINT0, 2, READ | WRITE, 0x1_a7ff, DELIVERY_STATUS | LVT_REMOTE_IRR);
define(LVT + LVT_ERROR, 1, READ | WRITE, 0x1_00ff, DELIVERY_STATUS);
define(INITIAL_COUNT, 1, READ | WRITE, 0xffff_ffff);
define(CURRENT_COUNT, 1, READ, 0);
define(DIVIDE, 1, READ | WRITE, 0x0b);
define(SELF_IPI, 1, X2APIC_WRITE, 0xff);
