/**
 * WebAssembly's numeric and vector operations by name: opcode and signature (WebAssembly Core Specification 2.0
 * §5.4.7 "Numeric Instructions" and §5.4.8 "Vector Instructions"). Opcodes above 0xff stand for the 0xfc and 0xfd
 * prefixes: 0xfc00 | n and 0xfd000 | n.
 */

import { F32, F64, I32, I64, V128, type ValueType } from './encoder.ts';

export interface Operation {
  readonly name: string;
  readonly code: number;
  readonly params: readonly ValueType[];
  readonly result: ValueType;
  /** Number of immediate lane bytes. */
  readonly lanes: number;
}

export const SIMD_PREFIX = 0xfd000;
export const MISC_PREFIX = 0xfc00;

const types: Record<string, ValueType> = { i: I32, l: I64, f: F32, d: F64, v: V128 };

const table = new Map<string, Operation>();

/** Rows `names` (with a common prefix) get consecutive opcodes from `first`; `-` leaves one out. */
function rows(prefix: string, first: number, signature: string, names: string, lanes = 0): void {
  const [params, result] = signature.split('>') as [string, string];
  let code = first;
  for (const name of names.split(' ')) {
    if (name !== '-') {
      const full = prefix + name;
      const resultType = types[result] as ValueType;
      table.set(full, {
        name: full,
        code,
        params: [...params].map((p) => types[p] as ValueType),
        result: resultType,
        lanes,
      });
    }
    code++;
  }
}

const integerCompare = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u';
const floatCompare = 'eq ne lt gt le ge';
const integerBinary = 'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr';

rows('i32.', 0x45, 'i>i', 'eqz');
rows('i32.', 0x46, 'ii>i', integerCompare);
rows('i64.', 0x50, 'l>i', 'eqz');
rows('i64.', 0x51, 'll>i', integerCompare);
rows('f32.', 0x5b, 'ff>i', floatCompare);
rows('f64.', 0x61, 'dd>i', floatCompare);
rows('i32.', 0x67, 'i>i', 'clz ctz popcnt');
rows('i32.', 0x6a, 'ii>i', integerBinary);
rows('i64.', 0x79, 'l>l', 'clz ctz popcnt');
rows('i64.', 0x7c, 'll>l', integerBinary);
rows('f32.', 0x8b, 'f>f', 'abs neg ceil floor trunc nearest sqrt');
rows('f32.', 0x92, 'ff>f', 'add sub mul div min max copysign');
rows('f64.', 0x99, 'd>d', 'abs neg ceil floor trunc nearest sqrt');
rows('f64.', 0xa0, 'dd>d', 'add sub mul div min max copysign');
rows('i32.', 0xa7, 'l>i', 'wrap_i64');
rows('i64.', 0xac, 'i>l', 'extend_i32_s extend_i32_u');
rows('f32.', 0xb2, 'i>f', 'convert_i32_s convert_i32_u');
rows('f32.', 0xb4, 'l>f', 'convert_i64_s convert_i64_u');
rows('f32.', 0xb6, 'd>f', 'demote_f64');
rows('f64.', 0xb7, 'i>d', 'convert_i32_s convert_i32_u');
rows('f64.', 0xb9, 'l>d', 'convert_i64_s convert_i64_u');
rows('f64.', 0xbb, 'f>d', 'promote_f32');
rows('i32.', 0xbc, 'f>i', 'reinterpret_f32');
rows('i64.', 0xbd, 'd>l', 'reinterpret_f64');
rows('f32.', 0xbe, 'i>f', 'reinterpret_i32');
rows('f64.', 0xbf, 'l>d', 'reinterpret_i64');
rows('i32.', 0xc0, 'i>i', 'extend8_s extend16_s');
rows('i64.', 0xc2, 'l>l', 'extend8_s extend16_s extend32_s');
rows('i32.', MISC_PREFIX, 'f>i', 'trunc_sat_f32_s trunc_sat_f32_u');
rows('i32.', MISC_PREFIX + 2, 'd>i', 'trunc_sat_f64_s trunc_sat_f64_u');
rows('i64.', MISC_PREFIX + 4, 'f>l', 'trunc_sat_f32_s trunc_sat_f32_u');
rows('i64.', MISC_PREFIX + 6, 'd>l', 'trunc_sat_f64_s trunc_sat_f64_u');

const S = SIMD_PREFIX;
rows('i8x16.', S + 0x0d, 'vv>v', 'shuffle', 16);
rows('i8x16.', S + 0x0e, 'vv>v', 'swizzle');
rows('i8x16.', S + 0x0f, 'i>v', 'splat');
rows('i16x8.', S + 0x10, 'i>v', 'splat');
rows('i32x4.', S + 0x11, 'i>v', 'splat');
rows('i64x2.', S + 0x12, 'l>v', 'splat');
rows('f32x4.', S + 0x13, 'f>v', 'splat');
rows('f64x2.', S + 0x14, 'd>v', 'splat');
rows('i8x16.', S + 0x15, 'v>i', 'extract_lane_s extract_lane_u', 1);
rows('i8x16.', S + 0x17, 'vi>v', 'replace_lane', 1);
rows('i16x8.', S + 0x18, 'v>i', 'extract_lane_s extract_lane_u', 1);
rows('i16x8.', S + 0x1a, 'vi>v', 'replace_lane', 1);
rows('i32x4.', S + 0x1b, 'v>i', 'extract_lane', 1);
rows('i32x4.', S + 0x1c, 'vi>v', 'replace_lane', 1);
rows('i64x2.', S + 0x1d, 'v>l', 'extract_lane', 1);
rows('i64x2.', S + 0x1e, 'vl>v', 'replace_lane', 1);
rows('f32x4.', S + 0x1f, 'v>f', 'extract_lane', 1);
rows('f32x4.', S + 0x20, 'vf>v', 'replace_lane', 1);
rows('f64x2.', S + 0x21, 'v>d', 'extract_lane', 1);
rows('f64x2.', S + 0x22, 'vd>v', 'replace_lane', 1);
rows('i8x16.', S + 0x23, 'vv>v', integerCompare);
rows('i16x8.', S + 0x2d, 'vv>v', integerCompare);
rows('i32x4.', S + 0x37, 'vv>v', integerCompare);
rows('f32x4.', S + 0x41, 'vv>v', floatCompare);
rows('f64x2.', S + 0x47, 'vv>v', floatCompare);
rows('v128.', S + 0x4d, 'v>v', 'not');
rows('v128.', S + 0x4e, 'vv>v', 'and andnot or xor');
rows('v128.', S + 0x52, 'vvv>v', 'bitselect');
rows('v128.', S + 0x53, 'v>i', 'any_true');
rows('f32x4.', S + 0x5e, 'v>v', 'demote_f64x2_zero');
rows('f64x2.', S + 0x5f, 'v>v', 'promote_low_f32x4');
rows('i8x16.', S + 0x60, 'v>v', 'abs neg popcnt');
rows('i8x16.', S + 0x63, 'v>i', 'all_true bitmask');
rows('i8x16.', S + 0x65, 'vv>v', 'narrow_i16x8_s narrow_i16x8_u');
rows('f32x4.', S + 0x67, 'v>v', 'ceil floor trunc nearest');
rows('i8x16.', S + 0x6b, 'vi>v', 'shl shr_s shr_u');
rows('i8x16.', S + 0x6e, 'vv>v', 'add add_sat_s add_sat_u sub sub_sat_s sub_sat_u');
rows('f64x2.', S + 0x74, 'v>v', 'ceil floor');
rows('i8x16.', S + 0x76, 'vv>v', 'min_s min_u max_s max_u');
rows('f64x2.', S + 0x7a, 'v>v', 'trunc');
rows('i8x16.', S + 0x7b, 'vv>v', 'avgr_u');
rows('i16x8.', S + 0x7c, 'v>v', 'extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u');
rows('i32x4.', S + 0x7e, 'v>v', 'extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u');
rows('i16x8.', S + 0x80, 'v>v', 'abs neg');
rows('i16x8.', S + 0x82, 'vv>v', 'q15mulr_sat_s');
rows('i16x8.', S + 0x83, 'v>i', 'all_true bitmask');
rows('i16x8.', S + 0x85, 'vv>v', 'narrow_i32x4_s narrow_i32x4_u');
rows('i16x8.', S + 0x87, 'v>v', 'extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u');
rows('i16x8.', S + 0x8b, 'vi>v', 'shl shr_s shr_u');
rows(
  'i16x8.',
  S + 0x8e,
  'vv>v',
  'add add_sat_s add_sat_u sub sub_sat_s sub_sat_u - mul min_s min_u max_s max_u - avgr_u',
);
rows('i16x8.', S + 0x9c, 'vv>v', 'extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u');
rows('f64x2.', S + 0x94, 'v>v', 'nearest');
rows('i32x4.', S + 0xa0, 'v>v', 'abs neg');
rows('i32x4.', S + 0xa3, 'v>i', 'all_true bitmask');
rows('i32x4.', S + 0xa7, 'v>v', 'extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u');
rows('i32x4.', S + 0xab, 'vi>v', 'shl shr_s shr_u');
rows('i32x4.', S + 0xae, 'vv>v', 'add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s');
rows('i32x4.', S + 0xbc, 'vv>v', 'extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u');
rows('i64x2.', S + 0xc0, 'v>v', 'abs neg');
rows('i64x2.', S + 0xc3, 'v>i', 'all_true bitmask');
rows('i64x2.', S + 0xc7, 'v>v', 'extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u');
rows('i64x2.', S + 0xcb, 'vi>v', 'shl shr_s shr_u');
rows('i64x2.', S + 0xce, 'vv>v', 'add - - sub - - - mul eq ne lt_s gt_s le_s ge_s');
rows('i64x2.', S + 0xdc, 'vv>v', 'extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u');
rows('f32x4.', S + 0xe0, 'v>v', 'abs neg - sqrt');
rows('f32x4.', S + 0xe4, 'vv>v', 'add sub mul div min max pmin pmax');
rows('f64x2.', S + 0xec, 'v>v', 'abs neg - sqrt');
rows('f64x2.', S + 0xf0, 'vv>v', 'add sub mul div min max pmin pmax');
rows('i32x4.', S + 0xf8, 'v>v', 'trunc_sat_f32x4_s trunc_sat_f32x4_u');
rows('f32x4.', S + 0xfa, 'v>v', 'convert_i32x4_s convert_i32x4_u');
rows('i32x4.', S + 0xfc, 'v>v', 'trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero');
rows('f64x2.', S + 0xfe, 'v>v', 'convert_low_i32x4_s convert_low_i32x4_u');

/** Throws for an unknown name: definitions are our own code. */
export function operation(name: string): Operation {
  const found = table.get(name);
  if (found === undefined) throw new Error(`no WebAssembly operation is called ${name}`);
  return found;
}

export const operations: ReadonlyMap<string, Operation> = table;
