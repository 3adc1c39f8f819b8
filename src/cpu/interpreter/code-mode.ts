/** In which mode code runs: the key `codeMode` of the vCPU block, also kept in the tags of the jump cache. 6 bits. */

import type { CodeMode } from '../decode/decoded.ts';
import type { SegmentMode } from '../emit/instruction-emitter.ts';

export const CODE_64 = 2;
export const CODE_32 = 1;
/** Like CODE_32, in a code segment that ends below 4 GiB. */
export const CODE_32_LIMITED = 3;
export const CODE_SIZE_MASK = 3;
export const CODE_USER = 4;
export const CODE_STACK_32 = 8;
export const CODE_FLAT = 16;
/** Real or virtual-8086 mode. */
export const CODE_REAL = 32;

export function codeSizeOf(mode: number): CodeMode {
  const size = mode & CODE_SIZE_MASK;
  return size === CODE_64 ? 64 : (size & CODE_32) !== 0 ? 32 : 16;
}

/** Not in real or virtual-8086 mode, in which some instructions do not exist. */
export function isProtected(mode: number): boolean {
  return (mode & CODE_REAL) === 0;
}

/** The code segment may end somewhere: blocks check. */
export function isLimited(mode: number): boolean {
  const size = mode & CODE_SIZE_MASK;
  return size !== CODE_64 && size !== CODE_32;
}

export function segmentModeOf(mode: number): SegmentMode {
  const codeSize = codeSizeOf(mode);
  return {
    flat: (mode & CODE_FLAT) !== 0,
    stackAddressSize: codeSize === 64 ? 64 : (mode & CODE_STACK_32) !== 0 ? 32 : 16,
  };
}
