/**
 * NaNs as SSE has them (SDM Vol. 1 Table 4-7 "Rules for handling NaNs"), where WebAssembly's arithmetic may give any: the
 * first operand that is one, made quiet, and the default NaN if none is.
 */

import type { Algebra, Value } from '../../algebra.ts';
import { every } from './lanes.ts';
import { either, isNan, nans, type Shape } from './shapes.ts';

/** Vectors, or bits of scalars. */
export function withNans(m: Algebra, s: Shape, operands: readonly Value[], result: Value): Value {
  const packed = result.type === 128;
  const quiet = 1n << BigInt(s.format.fraction - 1);
  const sign = 1n << BigInt(s.width - 1);
  const constant = (bits: bigint): Value => (packed ? every(m, s.width, bits) : m.const(s.width, bits));
  const where = (value: Value, yes: Value, no: Value): Value =>
    packed ? m.op('v128.bitselect', [yes, no, nans(m, s, value)]) : m.select(isNan(m, s, value), yes, no);
  const quieted = (value: Value): Value => (packed ? either(m, value, constant(quiet)) : m.or(value, constant(quiet)));
  return operands.reduceRight(
    (otherwise, operand) => where(operand, quieted(operand), otherwise),
    where(result, constant(sign | s.infinity | quiet), result),
  );
}
