/** WebAssembly's scalar operations by name, on bit patterns (WebAssembly Core Specification 2.0 §4.3 "Numerics"). */

import { f32, f64, floatArithmetic, floatComparison, integerToF32, saturatingTruncation } from './floats.ts';

const formats = { f32, f64 } as const;

/** The result's bits (perhaps with more above them), or undefined if `name` is no scalar operation. */
export function scalarOperation(name: string, args: readonly bigint[]): bigint | undefined {
  const [shape, operation] = name.split('.');
  if (shape === 'i32' || shape === 'i64') return integerOperation(shape === 'i32' ? 32 : 64, operation, args);
  if (shape === 'f32' || shape === 'f64') return floatOperation(shape, operation, args);
  return undefined;
}

function floatOperation(shape: 'f32' | 'f64', operation: string, args: readonly bigint[]): bigint | undefined {
  const format = formats[shape];
  const [a] = args;
  const compared = floatComparison(format, operation, args);
  if (compared !== undefined) return compared ? 1n : 0n;
  const computed = floatArithmetic(format, operation, args);
  if (computed !== undefined) return computed;
  if (operation.startsWith('reinterpret')) return a;
  if (operation === 'demote_f64') return f32.encode(f64.decode(a));
  if (operation === 'promote_f32') return f64.encode(f32.decode(a));
  const [verb, source, sign] = operation.split('_');
  if (verb !== 'convert') return undefined;
  const width = source === 'i32' ? 32 : 64;
  const value = sign === 's' ? BigInt.asIntN(width, a) : BigInt.asUintN(width, a);
  return format.encode(shape === 'f32' ? integerToF32(value) : Number(value));
}

function integerOperation(width: 32 | 64, operation: string, args: readonly bigint[]): bigint | undefined {
  const [a, b] = args;
  const truth = (condition: boolean): bigint => (condition ? 1n : 0n);
  const signed = (value: bigint): bigint => BigInt.asIntN(width, value);
  const count = b === undefined ? 0n : b & BigInt(width - 1);
  switch (operation) {
    case 'eqz':
      return truth(a === 0n);
    case 'eq':
      return truth(a === b);
    case 'ne':
      return truth(a !== b);
    case 'lt_s':
      return truth(signed(a) < signed(b));
    case 'lt_u':
      return truth(a < b);
    case 'gt_s':
      return truth(signed(a) > signed(b));
    case 'gt_u':
      return truth(a > b);
    case 'le_s':
      return truth(signed(a) <= signed(b));
    case 'le_u':
      return truth(a <= b);
    case 'ge_s':
      return truth(signed(a) >= signed(b));
    case 'ge_u':
      return truth(a >= b);
    case 'clz':
      return BigInt(width - (a === 0n ? 0 : a.toString(2).length));
    case 'ctz':
      return BigInt(a === 0n ? width : (a & -a).toString(2).length - 1);
    case 'popcnt':
      return BigInt(a.toString(2).replaceAll('0', '').length);
    case 'add':
      return a + b;
    case 'sub':
      return a - b;
    case 'mul':
      return a * b;
    case 'div_s':
      return signed(a) / signed(b);
    case 'div_u':
      return a / b;
    case 'rem_s':
      return signed(a) % signed(b);
    case 'rem_u':
      return a % b;
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'shl':
      return a << count;
    case 'shr_s':
      return signed(a) >> count;
    case 'shr_u':
      return a >> count;
    case 'rotl':
      return (a << count) | (a >> (BigInt(width) - count));
    case 'rotr':
      return (a >> count) | (a << (BigInt(width) - count));
    case 'wrap_i64':
    case 'extend_i32_u':
      return a;
    case 'extend_i32_s':
    case 'extend32_s':
      return BigInt.asIntN(32, a);
    case 'extend8_s':
      return BigInt.asIntN(8, a);
    case 'extend16_s':
      return BigInt.asIntN(16, a);
    default:
      break;
  }
  if (operation.startsWith('reinterpret')) return a;
  if (!operation.startsWith('trunc_sat_')) return undefined;
  const [, , source, sign] = operation.split('_');
  const value = source === 'f32' ? f32.decode(a) : f64.decode(a);
  return saturatingTruncation(value, width, sign === 's');
}
