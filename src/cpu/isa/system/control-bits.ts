/**
 * Bits of control registers, EFER and debug registers: SDM Vol. 3A §2.5 "Control Registers", §2.2.1 "Extended Feature
 * Enable Register", Vol. 3B §17.2 "Debug Registers"; and what the monitor is told about writes to them.
 */

export const CR0_PE = 1 << 0;
export const CR0_MP = 1 << 1;
export const CR0_EM = 1 << 2;
export const CR0_TS = 1 << 3;
export const CR0_ET = 1 << 4;
export const CR0_NE = 1 << 5;
export const CR0_WP = 1 << 16;
export const CR0_AM = 1 << 18;
export const CR0_NW = 1 << 29;
export const CR0_CD = 1 << 30;
export const CR0_PG = 0x80000000;
/** Bits that can be written; ET is always 1, the others stay 0. */
export const CR0_WRITABLE = CR0_PE + CR0_MP + CR0_EM + CR0_TS + CR0_NE + CR0_WP + CR0_AM + CR0_NW + CR0_CD + CR0_PG;

export const CR4_VME = 1 << 0;
export const CR4_PVI = 1 << 1;
export const CR4_TSD = 1 << 2;
export const CR4_DE = 1 << 3;
export const CR4_PSE = 1 << 4;
export const CR4_PAE = 1 << 5;
export const CR4_MCE = 1 << 6;
export const CR4_PGE = 1 << 7;
export const CR4_PCE = 1 << 8;
export const CR4_OSFXSR = 1 << 9;
export const CR4_OSXMMEXCPT = 1 << 10;
export const CR4_UMIP = 1 << 11;
export const CR4_FSGSBASE = 1 << 16;
export const CR4_PCIDE = 1 << 17;
export const CR4_OSXSAVE = 1 << 18;
export const CR4_SMEP = 1 << 20;
export const CR4_SMAP = 1 << 21;
/** Bits of the features that CPUID announces; any other gives #GP(0). */
export const CR4_WRITABLE =
  CR4_VME |
  CR4_PVI |
  CR4_TSD |
  CR4_DE |
  CR4_PSE |
  CR4_PAE |
  CR4_MCE |
  CR4_PGE |
  CR4_PCE |
  CR4_OSFXSR |
  CR4_OSXMMEXCPT |
  CR4_UMIP |
  CR4_FSGSBASE |
  CR4_PCIDE |
  CR4_OSXSAVE |
  CR4_SMEP |
  CR4_SMAP;

/** x87 state, which cannot be switched off. */
export const XCR0_X87 = 1;
/** And that of SSE. */
export const XCR0_SUPPORTED = 3;

export const EFER_SCE = 1 << 0;
export const EFER_LME = 1 << 8;
export const EFER_LMA = 1 << 10;
export const EFER_NXE = 1 << 11;

/** DR6: BS, BT and BD. */
export const DR6_BD = 1 << 13;
export const DR6_BS = 1 << 14;
export const DR6_BT = 1 << 15;
export const DR6_WRITABLE = 0xe00f;
export const DR6_FIXED = 0xffff0ff0;
/** Breakpoints that are on, locally or globally. */
export const DR7_ENABLES = 0xff;
export const DR7_GD = 1 << 13;
export const DR7_WRITABLE = 0xffff23ff;
export const DR7_FIXED = 0x400;

/** Parameter of the host call `controlWritten`: what was written. */
export const WRITTEN_CR0 = 0;
export const WRITTEN_CR3 = 3;
/** CR3 with bit 63 set under PCID: the translations of the new PCID stay. */
export const WRITTEN_CR3_KEEP = 0x103;
export const WRITTEN_CR4 = 4;
/** DR7: whether breakpoints are on. */
export const WRITTEN_DR7 = 7;
export const WRITTEN_EFER = 0x80;
