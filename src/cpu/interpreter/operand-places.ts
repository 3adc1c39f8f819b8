/** Where an operation keeps its operands (`operation.ts`). */

import type { Operand, Type } from '../algebra.ts';
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import {
  OPERATION_BASE,
  OPERATION_FIRST,
  OPERATION_IMMEDIATE,
  OPERATION_SECOND,
  OPERATION_WIDE_IMMEDIATE,
} from './operation.ts';

/** Where the operation keeps each register operand, in order; the third place is free when there is no memory. */
const REGISTER_PLACES = [OPERATION_FIRST, OPERATION_SECOND, OPERATION_BASE] as const;

/** An operand of the handler: which instruction it comes from does not matter, only where the operation keeps it. */
export class PlacedOperand implements Operand {
  readonly kind: Operand['kind'];
  readonly type: Type | undefined;
  /** Offset in the operation, or -1 for memory and constants. */
  readonly place: number;
  readonly constant: number;

  constructor(operand: DecodedOperand, place: number) {
    this.kind = operand.kind;
    this.type = operand.type;
    this.place = place;
    this.constant = operand.immediate;
  }
}

/** Offset in the operation for each operand of the instruction; -1 for those that need none. */
export function operandPlaces(decoded: Decoded): number[] {
  let registers = 0;
  let immediates = 0;
  const { operands, form } = decoded;
  return operands.map((operand, i) => {
    if (operand.register >= 0) return REGISTER_PLACES[registers++] as number;
    if (operand.kind === 'far') return OPERATION_WIDE_IMMEDIATE;
    if (operand.kind !== 'immediate' || i === form.relativeOperand) return -1;
    if (immediates++ > 0 || isWide(operand)) return OPERATION_WIDE_IMMEDIATE;
    return OPERATION_IMMEDIATE;
  });
}

/** A 64-bit immediate that is not a sign-extended 32-bit one. */
export function isWide(operand: DecodedOperand): boolean {
  return operand.type === 64 && operand.immediateHigh !== operand.immediate >> 31;
}

export function placeOperands(decoded: Decoded): PlacedOperand[] {
  const places = operandPlaces(decoded);
  return decoded.operands.map((operand, i) => new PlacedOperand(operand, places[i] as number));
}
