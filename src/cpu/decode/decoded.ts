/** What the decoder makes of an instruction's bytes. No BigInt: 64-bit quantities are two 32-bit halves. */

import type { Operand, Segment, Type } from '../algebra.ts';
import type { Instruction } from '../isa/instruction.ts';
import type { Form } from './forms.ts';

/** Code size: 64 in 64-bit mode, else by the D bit of CS. */
export type CodeMode = 16 | 32 | 64;
export type Size = 16 | 32 | 64;

export class DecodedOperand implements Operand {
  readonly kind: Operand['kind'];
  readonly type: Type | undefined;
  /** Register number; the i of ST(i); -1 for what is no register. */
  readonly register: number;
  /** AH, CH, DH, BH: bits 8-15 of registers 0-3. */
  readonly high: boolean;
  /**
   * An immediate or constant: the low 32 bits (as a signed number) of the value of `type`, and the upper ones, which
   * are 0 for narrower types. Of a relative target the displacement, sign-extended to 64 bits; of a far pointer the
   * offset and the selector.
   */
  readonly immediate: number;
  readonly immediateHigh: number;

  constructor(
    kind: Operand['kind'],
    type: Type | undefined,
    register: number,
    high: boolean,
    immediate: number,
    immediateHigh: number,
  ) {
    this.kind = kind;
    this.type = type;
    this.register = register;
    this.high = high;
    this.immediate = immediate;
    this.immediateHigh = immediateHigh;
  }
}

/** segment:[base + index << scale + displacement], the sum cut to the address size. */
export class MemoryReference {
  readonly segment: Segment;
  /** The segment was chosen by a prefix. */
  readonly segmentOverride: boolean;
  /** General-purpose register or -1. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  /** Low half of the displacement, as a signed number. */
  readonly displacement: number;
  /** Its upper half: the sign, but for a 64-bit moffs. */
  readonly displacementHigh: number;
  /** The displacement counts from the next instruction. */
  readonly ripRelative: boolean;
  readonly addressSize: Size;

  constructor(
    segment: Segment,
    segmentOverride: boolean,
    base: number,
    index: number,
    scale: number,
    displacement: number,
    displacementHigh: number,
    ripRelative: boolean,
    addressSize: Size,
  ) {
    this.segment = segment;
    this.segmentOverride = segmentOverride;
    this.base = base;
    this.index = index;
    this.scale = scale;
    this.displacement = displacement;
    this.displacementHigh = displacementHigh;
    this.ripRelative = ripRelative;
    this.addressSize = addressSize;
  }
}

export class Decoded {
  readonly instruction: Instruction;
  readonly form: Form;
  readonly length: number;
  readonly mode: CodeMode;
  readonly operandSize: Size;
  readonly addressSize: Size;
  readonly stackSize: Size;
  readonly repeat: 'none' | 'rep' | 'repne';
  readonly lock: boolean;
  /** Of an implicit DS operand, after overrides. */
  readonly dataSegment: Segment;
  readonly operands: readonly DecodedOperand[];
  /** What the operand of kind 'memory' refers to. */
  readonly memory: MemoryReference | undefined;

  constructor(
    form: Form,
    length: number,
    mode: CodeMode,
    operandSize: Size,
    addressSize: Size,
    stackSize: Size,
    repeat: 'none' | 'rep' | 'repne',
    lock: boolean,
    dataSegment: Segment,
    operands: readonly DecodedOperand[],
    memory: MemoryReference | undefined,
  ) {
    this.instruction = form.instruction;
    this.form = form;
    this.length = length;
    this.mode = mode;
    this.operandSize = operandSize;
    this.addressSize = addressSize;
    this.stackSize = stackSize;
    this.repeat = repeat;
    this.lock = lock;
    this.dataSegment = dataSegment;
    this.operands = operands;
    this.memory = memory;
  }
}

/** 'undefined' is #UD; 'too-long', more than 15 bytes, #GP(0); 'incomplete' asks for more bytes than were available. */
export type DecodeFailure = 'undefined' | 'too-long' | 'incomplete';
