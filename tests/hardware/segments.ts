/**
 * The segments of the vectors outside 64-bit mode: a local descriptor table, which Linux lets a process fill
 * (modify_ldt), besides the flat segments of `layout.ts`. SDM Vol. 3A §3.4.5 "Segment Descriptors".
 *
 *     offsets in the segments      code 0-1      data 0-1 (writable)   data 2 (read only)
 *     CODE16, CODE32               0000-1fff
 *     DATA, STACK32                              4000-5fff             6000-6fff
 *     NARROW                                     0000-1fff             beyond the limit
 *     STACK16                                    e000-ffff             beyond the limit
 *     EXPAND_DOWN, its 16-bit kin                4000-5fff, of which 40ff is the last one that is out of bounds
 *     READ_ONLY_DATA                             1000-2fff             3000-3fff
 */

import type { LegacyMode, Segment } from './form.ts';
import { CODE, DATA, PAGE } from './layout.ts';

export interface SegmentDescriptor {
  readonly base: number;
  /** In bytes, granularity applied. */
  readonly limit: number;
  /** Type (SDM Vol. 3A Table 3-1), accessed as all are. */
  readonly type: number;
  readonly dpl: number;
  readonly present: boolean;
  /** The D/B flag. */
  readonly big: boolean;
  /** The L flag. */
  readonly long: boolean;
  readonly granular: boolean;
}

const DATA_WRITE = 3;
const DATA_READ = 1;
const DATA_DOWN = 7;
const CODE_READ = 11;
const CODE_ONLY = 9;
const TYPE_CODE = 8;
const TYPE_EXPAND_DOWN = 4;

const BELOW_DATA = DATA - 0x4000;
const CODE_LIMIT = 0x2fff;
const LAST_16 = 0xffff;
const LAST_32 = 0xffff_ffff;

function segment(base: number, limit: number, type: number, more: Partial<SegmentDescriptor> = {}): SegmentDescriptor {
  return { base, limit, type, dpl: 3, present: true, big: false, long: false, granular: false, ...more };
}

/** The local descriptor table, from its first entry. */
export const LDT: readonly SegmentDescriptor[] = [
  segment(CODE, CODE_LIMIT, CODE_READ),
  segment(BELOW_DATA, LAST_16, DATA_WRITE),
  segment(DATA, 2 * PAGE - 1, DATA_WRITE),
  segment(DATA + 2 * PAGE - 0x1_0000, LAST_16, DATA_WRITE),
  segment(BELOW_DATA, 0x40ff, DATA_DOWN, { big: true }),
  segment(DATA - PAGE, 4 * PAGE - 1, DATA_READ),
  segment(BELOW_DATA, LAST_16, DATA_WRITE, { present: false }),
  segment(CODE, CODE_LIMIT, CODE_ONLY, { big: true }),
  segment(CODE, CODE_LIMIT, CODE_READ, { big: true }),
  segment(BELOW_DATA, LAST_16, DATA_WRITE, { big: true }),
  segment(BELOW_DATA, 0x40ff, DATA_DOWN),
  segment(CODE, CODE_LIMIT, CODE_READ, { present: false }),
  segment(0, DATA + 2 * PAGE - 1, DATA_WRITE, { big: true, granular: true }),
];

const FLAT_CODE = segment(0, LAST_32, CODE_READ, { big: true, granular: true });
const FLAT_CODE64 = segment(0, LAST_32, CODE_READ, { long: true, granular: true });
const FLAT_DATA = segment(0, LAST_32, DATA_WRITE, { big: true, granular: true });

/** Selector of an entry of the local table, for privilege level 3. */
function local(entry: number): number {
  return 8 * entry + 7;
}

export const CODE16 = local(0);
export const DATA_SELECTOR = local(1);
export const NARROW = local(2);
export const STACK16 = local(3);
export const EXPAND_DOWN = local(4);
export const READ_ONLY_DATA = local(5);
export const ABSENT_DATA = local(6);
export const EXECUTE_ONLY = local(7);
export const CODE32 = local(8);
export const STACK32 = local(9);
export const EXPAND_DOWN16 = local(10);
export const ABSENT_CODE = local(11);
export const GRANULAR = local(12);
/** The flat segments that Linux gives every process. */
export const FLAT32 = 0x23;
export const FLAT = 0x2b;
export const FLAT64 = 0x33;

/** Selectors of the local table that name no entry. */
export const FIRST_BEYOND_LDT = 0x107;

/** What a selector of the vectors' user segments names; undefined for null selectors and all others. */
export function descriptorOf(selector: number): SegmentDescriptor | undefined {
  if ((selector & 4) !== 0) return LDT[selector >> 3];
  const index = selector >> 3;
  if (index === FLAT32 >> 3) return FLAT_CODE;
  if (index === FLAT >> 3) return FLAT_DATA;
  return index === FLAT64 >> 3 ? FLAT_CODE64 : undefined;
}

/** Access rights as the state of a vCPU has them: the descriptor's bits 55:40. */
export function accessOf({ type, dpl, present, big, long, granular }: SegmentDescriptor): number {
  const flags = (long ? 0x2000 : 0) | (big ? 0x4000 : 0) | (granular ? 0x8000 : 0);
  return flags | (present ? 0x80 : 0) | (dpl << 5) | 0x10 | type;
}

/** The eight bytes of a descriptor. */
export function encodeDescriptor(descriptor: SegmentDescriptor): bigint {
  const { base, granular } = descriptor;
  const limit = BigInt(granular ? Math.floor(descriptor.limit / PAGE) : descriptor.limit);
  const low = (BigInt(base & 0xff_ffff) << 16n) | (limit & 0xffffn);
  const high = (BigInt(accessOf(descriptor)) << 8n) | ((limit >> 16n) << 16n) | (BigInt(base >>> 24) << 24n);
  return (high << 32n) | low;
}

/**
 * What modify_ldt wants to know, as `struct user_desc` has it: entry, base, limit, and bits for 32-bit segments, contents
 * (data, expand-down data, code), not writable or not readable, limit in pages, not present.
 */
export function userDescriptors(): Uint32Array {
  const words = LDT.flatMap(({ base, limit, type, big, granular, present }, entry) => {
    const isCode = (type & TYPE_CODE) !== 0;
    const contents = isCode ? 2 : (type & TYPE_EXPAND_DOWN) !== 0 ? 1 : 0;
    const closed = (type & 2) === 0;
    const bits =
      Number(big) | (contents << 1) | (Number(closed) << 3) | (Number(granular) << 4) | (Number(!present) << 5);
    return [entry, base, granular ? Math.floor(limit / PAGE) : limit, bits];
  });
  return Uint32Array.from(words);
}

/** Registers by number, as `MachineState.selectors` has them. */
export const SEGMENT_NUMBERS: Readonly<Record<Segment, number>> = {
  none: -1,
  es: 0,
  cs: 1,
  ss: 2,
  ds: 3,
  fs: 4,
  gs: 5,
};

/** Selectors ES, CS, SS, DS, FS, GS of a case whose data lie in segments that 16-bit offsets reach, or in flat ones. */
export function startingSelectors(mode: LegacyMode, flat: boolean): readonly number[] {
  const down = mode === 16 ? EXPAND_DOWN16 : EXPAND_DOWN;
  const code = mode === 16 ? CODE16 : flat ? FLAT32 : CODE32;
  if (flat) return [FLAT, code, FLAT, FLAT, down, READ_ONLY_DATA];
  return [NARROW, code, STACK16, DATA_SELECTOR, down, READ_ONLY_DATA];
}
