/** Addition, subtraction, comparison, logic, minimum and maximum of packed integers, for MMX and XMM registers. */

import type { Instruction } from '../instruction.ts';
import { operation, packed } from './packed.ts';

const MMX_SSE2 = { mmx: 'mmx', xmm: 'sse2' } as const;
/** MMX forms that came with SSE (SDM Vol. 1 §10.4.4 "SSE 64-Bit SIMD Integer Instructions"). */
const SSE_SSE2 = { mmx: 'sse', xmm: 'sse2' } as const;
const SSE2_BOTH = { mmx: 'sse2', xmm: 'sse2' } as const;
const SSE41 = { xmm: 'sse4.1' } as const;

const addition: readonly Instruction[] = [
  ...packed('Vol. 2B "PADDB/PADDW/PADDD/PADDQ - Add Packed Integers"', MMX_SSE2, [
    { name: 'PADDB', opcode: '0F FC', compute: operation('i8x16.add') },
    { name: 'PADDW', opcode: '0F FD', compute: operation('i16x8.add') },
    { name: 'PADDD', opcode: '0F FE', compute: operation('i32x4.add') },
  ]),
  ...packed('Vol. 2B "PADDB/PADDW/PADDD/PADDQ - Add Packed Integers"', SSE2_BOTH, [
    { name: 'PADDQ', opcode: '0F D4', compute: operation('i64x2.add') },
  ]),
  ...packed('Vol. 2B "PADDSB/PADDSW - Add Packed Signed Integers With Signed Saturation"', MMX_SSE2, [
    { name: 'PADDSB', opcode: '0F EC', compute: operation('i8x16.add_sat_s') },
    { name: 'PADDSW', opcode: '0F ED', compute: operation('i16x8.add_sat_s') },
  ]),
  ...packed('Vol. 2B "PADDUSB/PADDUSW - Add Packed Unsigned Integers With Unsigned Saturation"', MMX_SSE2, [
    { name: 'PADDUSB', opcode: '0F DC', compute: operation('i8x16.add_sat_u') },
    { name: 'PADDUSW', opcode: '0F DD', compute: operation('i16x8.add_sat_u') },
  ]),
  ...packed('Vol. 2B "PSUBB/PSUBW/PSUBD - Subtract Packed Integers"', MMX_SSE2, [
    { name: 'PSUBB', opcode: '0F F8', compute: operation('i8x16.sub') },
    { name: 'PSUBW', opcode: '0F F9', compute: operation('i16x8.sub') },
    { name: 'PSUBD', opcode: '0F FA', compute: operation('i32x4.sub') },
  ]),
  ...packed('Vol. 2B "PSUBQ - Subtract Packed Quadword Integers"', SSE2_BOTH, [
    { name: 'PSUBQ', opcode: '0F FB', compute: operation('i64x2.sub') },
  ]),
  ...packed('Vol. 2B "PSUBSB/PSUBSW - Subtract Packed Signed Integers With Signed Saturation"', MMX_SSE2, [
    { name: 'PSUBSB', opcode: '0F E8', compute: operation('i8x16.sub_sat_s') },
    { name: 'PSUBSW', opcode: '0F E9', compute: operation('i16x8.sub_sat_s') },
  ]),
  ...packed('Vol. 2B "PSUBUSB/PSUBUSW - Subtract Packed Unsigned Integers With Unsigned Saturation"', MMX_SSE2, [
    { name: 'PSUBUSB', opcode: '0F D8', compute: operation('i8x16.sub_sat_u') },
    { name: 'PSUBUSW', opcode: '0F D9', compute: operation('i16x8.sub_sat_u') },
  ]),
];

const comparison: readonly Instruction[] = [
  ...packed('Vol. 2B "PCMPEQB/PCMPEQW/PCMPEQD - Compare Packed Data for Equal"', MMX_SSE2, [
    { name: 'PCMPEQB', opcode: '0F 74', compute: operation('i8x16.eq') },
    { name: 'PCMPEQW', opcode: '0F 75', compute: operation('i16x8.eq') },
    { name: 'PCMPEQD', opcode: '0F 76', compute: operation('i32x4.eq') },
  ]),
  ...packed('Vol. 2B "PCMPGTB/PCMPGTW/PCMPGTD - Compare Packed Signed Integers for Greater Than"', MMX_SSE2, [
    { name: 'PCMPGTB', opcode: '0F 64', compute: operation('i8x16.gt_s') },
    { name: 'PCMPGTW', opcode: '0F 65', compute: operation('i16x8.gt_s') },
    { name: 'PCMPGTD', opcode: '0F 66', compute: operation('i32x4.gt_s') },
  ]),
  ...packed('Vol. 2B "PCMPEQQ - Compare Packed Qword Data for Equal"', SSE41, [
    { name: 'PCMPEQQ', opcode: '0F 38 29', compute: operation('i64x2.eq') },
  ]),
  ...packed('Vol. 2B "PCMPGTQ - Compare Packed Data for Greater Than"', { xmm: 'sse4.2' }, [
    { name: 'PCMPGTQ', opcode: '0F 38 37', compute: operation('i64x2.gt_s') },
  ]),
];

const logic: readonly Instruction[] = [
  ...packed('Vol. 2B "PAND - Logical AND"', MMX_SSE2, [
    { name: 'PAND', opcode: '0F DB', compute: operation('v128.and') },
  ]),
  ...packed('Vol. 2B "PANDN - Logical AND NOT"', MMX_SSE2, [
    { name: 'PANDN', opcode: '0F DF', compute: (m, a, b) => m.op('v128.andnot', [b, a]) },
  ]),
  ...packed('Vol. 2B "POR - Bitwise Logical OR"', MMX_SSE2, [
    { name: 'POR', opcode: '0F EB', compute: operation('v128.or') },
  ]),
  ...packed('Vol. 2B "PXOR - Logical Exclusive OR"', MMX_SSE2, [
    { name: 'PXOR', opcode: '0F EF', compute: operation('v128.xor') },
  ]),
];

const extrema: readonly Instruction[] = [
  ...packed('Vol. 2B "PMINUB/PMINUW - Minimum of Packed Unsigned Integers"', SSE_SSE2, [
    { name: 'PMINUB', opcode: '0F DA', compute: operation('i8x16.min_u') },
  ]),
  ...packed('Vol. 2B "PMAXUB/PMAXUW - Maximum of Packed Unsigned Integers"', SSE_SSE2, [
    { name: 'PMAXUB', opcode: '0F DE', compute: operation('i8x16.max_u') },
  ]),
  ...packed('Vol. 2B "PMINSB/PMINSW - Minimum of Packed Signed Integers"', SSE_SSE2, [
    { name: 'PMINSW', opcode: '0F EA', compute: operation('i16x8.min_s') },
  ]),
  ...packed('Vol. 2B "PMAXSB/PMAXSW/PMAXSD/PMAXSQ - Maximum of Packed Signed Integers"', SSE_SSE2, [
    { name: 'PMAXSW', opcode: '0F EE', compute: operation('i16x8.max_s') },
  ]),
  ...packed('Vol. 2B "PMINSB/PMINSW - Minimum of Packed Signed Integers"', SSE41, [
    { name: 'PMINSB', opcode: '0F 38 38', compute: operation('i8x16.min_s') },
  ]),
  ...packed('Vol. 2B "PMINSD/PMINSQ - Minimum of Packed Signed Integers"', SSE41, [
    { name: 'PMINSD', opcode: '0F 38 39', compute: operation('i32x4.min_s') },
  ]),
  ...packed('Vol. 2B "PMINUB/PMINUW - Minimum of Packed Unsigned Integers"', SSE41, [
    { name: 'PMINUW', opcode: '0F 38 3A', compute: operation('i16x8.min_u') },
  ]),
  ...packed('Vol. 2B "PMINUD/PMINUQ - Minimum of Packed Unsigned Integers"', SSE41, [
    { name: 'PMINUD', opcode: '0F 38 3B', compute: operation('i32x4.min_u') },
  ]),
  ...packed('Vol. 2B "PMAXSB/PMAXSW/PMAXSD/PMAXSQ - Maximum of Packed Signed Integers"', SSE41, [
    { name: 'PMAXSB', opcode: '0F 38 3C', compute: operation('i8x16.max_s') },
    { name: 'PMAXSD', opcode: '0F 38 3D', compute: operation('i32x4.max_s') },
  ]),
  ...packed('Vol. 2B "PMAXUB/PMAXUW - Maximum of Packed Unsigned Integers"', SSE41, [
    { name: 'PMAXUW', opcode: '0F 38 3E', compute: operation('i16x8.max_u') },
  ]),
  ...packed('Vol. 2B "PMAXUD/PMAXUQ - Maximum of Packed Unsigned Integers"', SSE41, [
    { name: 'PMAXUD', opcode: '0F 38 3F', compute: operation('i32x4.max_u') },
  ]),
  ...packed('Vol. 2B "PAVGB/PAVGW - Average Packed Integers"', SSE_SSE2, [
    { name: 'PAVGB', opcode: '0F E0', compute: operation('i8x16.avgr_u') },
    { name: 'PAVGW', opcode: '0F E3', compute: operation('i16x8.avgr_u') },
  ]),
];

export const packedIntegers: readonly Instruction[] = [...addition, ...comparison, ...logic, ...extrema];
