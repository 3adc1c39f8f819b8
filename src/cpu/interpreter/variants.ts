/**
 * Which handler serves a decoded instruction. Handlers are generated when first met: several at a time for a block, in
 * one small module. Everything about an instruction that its operation does not hold is part of the variant's key.
 */

import type { Segment } from '../algebra.ts';
import type { Decoded } from '../decode/decoded.ts';
import type { Form } from '../decode/forms.ts';
import type { FunctionRef } from '../emit/function-builder.ts';
import { type HandlerMode, isWide } from './handler.ts';

const sizeIndex: Record<number, number> = { 16: 0, 32: 1, 64: 2 };
const repeatIndex = { none: 0, rep: 1, repne: 2 } as const;

/** Bits 0-30: sizes, prefixes and where the operands are. */
function key(decoded: Decoded, mode: HandlerMode): number {
  let bits =
    (sizeIndex[decoded.mode] as number) |
    ((sizeIndex[decoded.operandSize] as number) << 2) |
    ((sizeIndex[decoded.addressSize] as number) << 4) |
    ((sizeIndex[mode.stackAddressSize] as number) << 6) |
    (repeatIndex[decoded.repeat] << 8) |
    ((decoded.lock ? 1 : 0) << 10) |
    (decoded.dataSegment << 11) |
    ((mode.flat ? 1 : 0) << 14) |
    ((mode.linked ? 1 : 0) << 15);
  const { memory } = decoded;
  if (memory !== undefined) {
    const wide = memory.displacementHigh !== memory.displacement >> 31;
    bits |=
      (1 << 16) |
      ((memory.base >= 0 ? 1 : 0) << 17) |
      ((memory.index >= 0 ? 1 : 0) << 18) |
      (memory.scale << 19) |
      ((memory.ripRelative ? 1 : 0) << 21) |
      ((wide ? 1 : 0) << 22) |
      (relevantSegment(decoded, memory.segment) << 23);
  }
  for (const operand of decoded.operands) {
    if (operand.kind === 'immediate' && isWide(operand)) bits |= 1 << 26;
  }
  return bits;
}

/** In 64-bit mode DS, ES and CS are alike; SS tells the exception. */
function relevantSegment(decoded: Decoded, segment: Segment): number {
  return decoded.mode === 64 && (segment === 0 || segment === 1) ? 3 : segment;
}

export class Variants {
  readonly #byForm = new Map<Form, Map<number, FunctionRef>>();
  count = 0;

  /** The handler's reference; `make` reserves and schedules one that is new. */
  find(decoded: Decoded, mode: HandlerMode, make: () => FunctionRef): FunctionRef {
    let variants = this.#byForm.get(decoded.form);
    if (variants === undefined) {
      variants = new Map();
      this.#byForm.set(decoded.form, variants);
    }
    const wanted = key(decoded, mode);
    let found = variants.get(wanted);
    if (found === undefined) {
      found = make();
      variants.set(wanted, found);
      this.count++;
    }
    return found;
  }
}
