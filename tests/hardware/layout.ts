/**
 * The fixed address space in which every hardware vector runs.
 *
 *     0x00400000  code 0    read, execute     filled with INT3
 *     0x00401000  code 1    read, execute     filled with INT3
 *     0x00402000  not present
 *     0x005ff000  not present
 *     0x00600000  data 0    read, write
 *     0x00601000  data 1    read, write
 *     0x00602000  data 2    read only
 *     0x00603000  not present
 *
 * All pages are user pages; data pages are not executable. Everything else is not present. The addresses lie below
 * 2 GiB so that absolute, RIP-relative and 32-bit (67H) addressing all reach them.
 */

export const PAGE = 0x1000;
export const CODE = 0x0040_0000;
export const CODE_PAGES = 2;
export const DATA = 0x0060_0000;
export const DATA_PAGES = 3;
/** First byte of the read-only page. */
export const READ_ONLY = DATA + 2 * PAGE;
export const DATA_END = DATA + DATA_PAGES * PAGE;

/** Bases of FS and GS at entry. FS is near the data window so that 32-bit addressing reaches it; GS is far away. */
export const FS_BASE = 0x0051_2340n;
export const GS_BASE = 0x7fff_ff00_1230n;

/** Selectors at entry, in the manual's order ES, CS, SS, DS, FS, GS. */
export const SELECTORS = [0, 0x33, 0x2b, 0, 0, 0] as const;

/**
 * The descriptor table that the vectors assume: 16 entries, flat segments, as Linux sets it up.
 * Entry numbers are selector >> 3. Everything not listed is not a valid segment for CPL 3. The LDT is null, and the TSS
 * has no I/O permission bitmap; IOPL is 0, CR0.AM is set, CR4.UMIP may have either value.
 * XCR0 includes x87 and SSE.
 */
export const GDT = [
  { selector: 0x10, dpl: 0, kind: 'code64' },
  { selector: 0x18, dpl: 0, kind: 'data' },
  { selector: 0x20, dpl: 3, kind: 'code32' },
  { selector: 0x28, dpl: 3, kind: 'data' },
  { selector: 0x30, dpl: 3, kind: 'code64' },
] as const;
export const GDT_LIMIT = 16 * 8 - 1;

/** IDT gates that CPL 3 may call with INT n: #BP and #OF as usual, and none of the others that vectors use. */
export const USER_GATES = [3, 4] as const;

export type Access = 'execute' | 'write' | 'read';

export interface PageLayout {
  readonly address: number;
  readonly access: Access;
}

/** The mapped pages, in the order in which inputs and outputs list their contents. */
export const PAGES: readonly PageLayout[] = [
  { address: CODE, access: 'execute' },
  { address: CODE + PAGE, access: 'execute' },
  { address: DATA, access: 'write' },
  { address: DATA + PAGE, access: 'write' },
  { address: READ_ONLY, access: 'read' },
];

/** Byte offset of a mapped address within the concatenation of all pages, or -1 if it is not mapped. */
export function windowOffset(address: bigint): number {
  if (address >= BigInt(DATA) && address < BigInt(DATA_END)) return Number(address) - DATA + CODE_PAGES * PAGE;
  if (address >= BigInt(CODE) && address < BigInt(CODE + CODE_PAGES * PAGE)) return Number(address) - CODE;
  return -1;
}

export const WINDOW_BYTES = PAGES.length * PAGE;
