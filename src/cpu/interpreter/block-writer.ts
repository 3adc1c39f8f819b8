/** Writes decoded code into machine memory, as a block (operation.ts). */

import type { Decoded } from '../decode/decoded.ts';
import { vcpu } from '../state.ts';
import { isLimited, segmentModeOf } from './code-mode.ts';
import type { Engine } from './engine.ts';
import type { HandlerMode } from './handler.ts';
import { isWide, operandPlaces } from './operand-places.ts';
import * as layout from './operation.ts';

const FRAME_BYTES = 4096;

/** Instructions that follow each other in one frame, or one alone that reaches into the next. */
export interface Sequence {
  readonly instructions: readonly (Decoded | 'undefined' | 'too-long')[];
  readonly offsets: readonly number[];
  /** Offset behind the last instruction; beyond the frame when it crosses. */
  readonly end: number;
  readonly secondFrame: number;
  /** The last instruction goes on to the next one. */
  readonly open: boolean;
}

/** Where the code is, and for which mode it was decoded. */
interface Placed {
  readonly machine: number;
  readonly mode: number;
}

interface Manner {
  /** It returns to the run loop behind its last instruction. */
  readonly once: boolean;
  /** How often it is to be entered before `hot` is told; 0 if nobody counts. */
  readonly countdown: number;
}

export type NewVariantListener = (decoded: Decoded, mode: HandlerMode, code: Uint8Array) => void;

export class BlockWriter {
  readonly #engine: Engine;
  onNewVariant: NewVariantListener | undefined;
  /** That have been written. */
  instructions = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Header, then operations: those that look at code limits and count, one for each instruction, what closes the block. */
  write(address: number, request: Placed, sequence: Sequence, { once, countdown }: Manner): void {
    const { view } = this.#engine.memory;
    const { instructions, offsets } = sequence;
    const count = instructions.length;
    this.instructions += count;
    view.setUint32(address + layout.BLOCK_COUNT, count, true);
    view.setUint16(address + layout.BLOCK_IP, offsets[0] as number, true);
    view.setUint32(address + layout.BLOCK_ENTERED, 0, true);
    view.setUint32(address + layout.BLOCK_SECOND_FRAME, sequence.secondFrame, true);
    let operation = address + layout.BLOCK_HEADER_BYTES;
    if (isLimited(request.mode) && !once) {
      view.setUint32(operation + layout.OPERATION_HANDLER, this.#engine.pseudo.limit.slot, true);
      view.setUint16(operation + layout.OPERATION_IP, offsets[0] as number, true);
      view.setUint8(operation + layout.OPERATION_REMAINING, count);
      view.setUint32(operation + layout.OPERATION_IMMEDIATE, sequence.end, true);
      operation += layout.OPERATION_BYTES;
    }
    if (countdown > 0) {
      view.setUint32(operation + layout.OPERATION_HANDLER, this.#engine.pseudo.count.slot, true);
      view.setUint16(operation + layout.OPERATION_IP, offsets[0] as number, true);
      view.setUint8(operation + layout.OPERATION_REMAINING, count);
      view.setUint32(operation + layout.OPERATION_IMMEDIATE, countdown, true);
      operation += layout.OPERATION_BYTES;
    }
    for (let i = 0; i < count; i++) {
      const decoded = instructions[i] as Decoded | 'undefined' | 'too-long';
      view.setUint16(operation + layout.OPERATION_IP, offsets[i] as number, true);
      view.setUint8(operation + layout.OPERATION_REMAINING, count - i);
      if (typeof decoded === 'string') {
        const pseudo = decoded === 'undefined' ? this.#engine.pseudo.undefined : this.#engine.pseudo.tooLong;
        view.setUint32(operation + layout.OPERATION_HANDLER, pseudo.slot, true);
      } else {
        this.#writeOperation(operation, decoded, offsets[i] as number, request);
      }
      operation += layout.OPERATION_BYTES;
    }
    if (!sequence.open) return;
    const closing = once ? this.#engine.pseudo.halt : this.#engine.pseudo.proceed;
    view.setUint32(operation + layout.OPERATION_HANDLER, closing.slot, true);
    view.setUint16(operation + layout.OPERATION_IP, sequence.end, true);
    view.setUint8(operation + layout.OPERATION_REMAINING, 0);
  }

  #writeOperation(operation: number, decoded: Decoded, offset: number, request: Placed): void {
    const { mode } = request;
    const { u8, view } = this.#engine.memory;
    const relative = decoded.form.relativeOperand;
    const displacement = relative < 0 ? 0 : (decoded.operands[relative]?.immediate as number);
    const next = offset + decoded.length;
    const target = next + displacement;
    const inPage = (at: number): boolean => at >= 0 && at < FRAME_BYTES;
    const linked = relative >= 0 && decoded.operandSize !== 16 && decoded.mode !== 16 && inPage(target) && inPage(next);
    const handlerMode: HandlerMode = { ...segmentModeOf(mode), linked };
    const known = this.#engine.handlerCount;
    view.setUint32(operation + layout.OPERATION_HANDLER, this.#engine.handler(decoded, handlerMode), true);
    if (this.#engine.handlerCount > known) {
      // Of an instruction that crosses into another frame only the part in the first.
      const at = request.machine - (request.machine % FRAME_BYTES) + offset;
      this.onNewVariant?.(decoded, handlerMode, u8.subarray(at, at + decoded.length));
    }
    view.setUint8(operation + layout.OPERATION_LENGTH, decoded.length);
    const { memory } = decoded;
    view.setInt32(operation + layout.OPERATION_DISPLACEMENT, displacement, true);
    view.setUint32(operation + layout.OPERATION_WIDE_IMMEDIATE, 0, true);
    view.setUint32(operation + layout.OPERATION_WIDE_IMMEDIATE + 4, 0, true);
    view.setUint32(operation + layout.OPERATION_IMMEDIATE, 0, true);
    if (memory !== undefined) {
      const register = (number: number): number => (number < 0 ? vcpu.zero.offset : vcpu.gpr.offset + 8 * number);
      view.setUint16(operation + layout.OPERATION_BASE, register(memory.base), true);
      view.setUint16(operation + layout.OPERATION_INDEX, register(memory.index), true);
      view.setInt32(operation + layout.OPERATION_DISPLACEMENT, memory.displacement, true);
      if (memory.displacementHigh !== memory.displacement >> 31) {
        view.setInt32(operation + layout.OPERATION_WIDE_IMMEDIATE, memory.displacement, true);
        view.setInt32(operation + layout.OPERATION_WIDE_IMMEDIATE + 4, memory.displacementHigh, true);
      }
    }
    const places = operandPlaces(decoded);
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as number;
      if (place < 0) continue;
      const operand = decoded.operands[i] as Decoded['operands'][number];
      if (operand.register >= 0) {
        view.setUint16(operation + place, registerPlace(operand), true);
      } else if (operand.kind === 'far' || isWide(operand)) {
        view.setInt32(operation + layout.OPERATION_WIDE_IMMEDIATE, operand.immediate, true);
        view.setInt32(operation + layout.OPERATION_WIDE_IMMEDIATE + 4, operand.immediateHigh, true);
      } else {
        view.setInt32(operation + place, operand.immediate, true);
      }
    }
  }
}

/** Byte offset of a register in the vCPU block, or its number where definitions ask for that. */
function registerPlace(operand: Decoded['operands'][number]): number {
  const { kind, register, high } = operand;
  switch (kind) {
    case 'gpr':
      return vcpu.gpr.offset + 8 * register + (high ? 1 : 0);
    case 'xmm':
      return vcpu.xmm.offset + 16 * register;
    case 'mmx':
      return vcpu.stMantissa.offset + 8 * register;
    default:
      return register;
  }
}
