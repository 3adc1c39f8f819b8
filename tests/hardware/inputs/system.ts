/** Operands of segment loads, far transfers and the segment-base instructions. */
import {
  ABSENT_CODE,
  CODE16,
  CODE32,
  DATA_SELECTOR,
  descriptorOf,
  EXECUTE_ONLY,
  FIRST_BEYOND_LDT,
  FLAT,
  FLAT32,
  FLAT64,
  LDT,
  SEGMENT_NUMBERS,
} from '../segments.ts';
import type { CaseInputs } from './inputs.ts';
import { pickBranchTarget, pickInside, pickTarget } from './memory.ts';
import { RSP, type Setup } from './setup.ts';
import { pickLegacyTarget } from './stack.ts';

/** Null, flat user segments, kernel segments, beyond the tables, in the LDT (in 64-bit mode: which is null). */
function pickSelector(inputs: CaseInputs): number {
  const { random, mode } = inputs;
  if (mode !== undefined && random.chance(60)) return (8 * random.below(LDT.length) + 7) & ~(random.chance(10) ? 3 : 0);
  switch (random.below(6)) {
    case 0:
      return random.below(4);
    case 1:
      return random.pick([0x10, 0x18]) | random.below(4);
    case 2:
      return 0x800 | (random.u32() & 0xf7fb);
    case 3:
      return (random.u32() & 0x7f3) | 4;
    default:
      return random.pick([0x2b, 0x2b, 0x28, 0x33, 0x23]);
  }
}

/** MOV to a segment register, LAR, LSL, VERR, VERW. */
export const selector: Setup = (inputs) => {
  const { encoding, state } = inputs;
  const value = BigInt(pickSelector(inputs));
  const address = inputs.aimOperand();
  if (address !== undefined) {
    inputs.writeWith(address, 2, (view) => view.setUint16(0, Number(value), true));
    return;
  }
  const register = encoding.registers[encoding.registers.length - 1];
  state.gpr[register] = (state.gpr[register] & ~0xffffn) | value;
};

/** LAR, LSL, VERR and VERW see only selectors that fail whatever the GDT holds, and such as are in the LDT. */
export const absentSelector: Setup = (inputs) => {
  const { random, encoding, state, mode } = inputs;
  let selector: number;
  if (mode === undefined || random.chance(20)) {
    selector = random.chance(50) ? random.below(4) : 0x1000 | (random.u32() & 0xeffb);
  } else if (random.chance(10)) {
    selector = FIRST_BEYOND_LDT + 8 * random.below(0x1000);
  } else {
    selector = 8 * random.below(LDT.length) + (random.chance(80) ? 7 : 4);
  }
  const value = BigInt(selector);
  const address = inputs.aimOperand();
  if (address !== undefined) {
    inputs.writeWith(address, 2, (view) => view.setUint16(0, Number(value), true));
    return;
  }
  const register = encoding.registers[encoding.registers.length - 1];
  state.gpr[register] = (state.gpr[register] & ~0xffffn) | value;
};

export const popSelector: Setup = (inputs) => {
  const { random, form } = inputs;
  const slot = inputs.pointStack(RSP, pickTarget(random, form.memoryBytes));
  const value = pickSelector(inputs) | (form.memoryBytes > 2 ? random.u32() << 16 : 0);
  inputs.writeWith(slot, form.memoryBytes, (view) => view.setBigInt64(0, BigInt(value), true));
};

/** LSS, LFS, LGS: an offset and a selector. */
export const farPointer: Setup = (inputs) => {
  const { random, form } = inputs;
  const address = inputs.aimOperand();
  if (address === undefined) return;
  const value = pickSelector(inputs);
  inputs.writeWith(address, form.memoryBytes, (view) => {
    view.setUint32(0, random.u32(), true);
    view.setUint32(4, random.u32(), true);
    view.setUint16(form.memoryBytes - 2, value, true);
  });
};

/** Code segments of far transfers: the current one mostly. */
function pickCodeSelector(inputs: CaseInputs): number {
  return inputs.random.pick([0x33, 0x33, 0x33, 0x33, 0x33, 0, 3, 0x2b, 0x10, 0x30, 0x1003, 0x0807]);
}

interface FarTarget {
  readonly selector: number;
  /** In the segment of the selector, as far as it is one. */
  readonly offset: bigint;
}

/** The code segments outside 64-bit mode, which begin in different places. */
function pickFarTarget(inputs: CaseInputs): FarTarget {
  if (inputs.mode === undefined) {
    const offset = pickBranchTarget(inputs.random);
    return { selector: pickCodeSelector(inputs), offset };
  }
  // Processors go through other stacks as 64-bit mode would, in part, on the way there.
  const wide = inputs.state.selectors[SEGMENT_NUMBERS.ss] === FLAT ? [FLAT64] : [];
  const selector = inputs.random.chance(75)
    ? inputs.random.pick([CODE16, CODE32, FLAT32, EXECUTE_ONLY, ...wide])
    : inputs.random.pick([ABSENT_CODE, DATA_SELECTOR, 0, 3, 0x10, CODE32 & ~3, 0x20, FIRST_BEYOND_LDT]);
  const base = BigInt(descriptorOf(selector)?.base ?? 0);
  return { selector, offset: BigInt.asUintN(32, pickLegacyTarget(inputs) - base) };
}

/** CALL and JMP through an immediate, which is written over. */
export const farImmediate: Setup = (inputs) => {
  const { random, form } = inputs;
  const frame = 2 * form.memoryBytes;
  inputs.pointStack(RSP, random.chance(70) ? pickInside(random, 64) : pickTarget(random, frame) + BigInt(frame));
  const { selector, offset } = pickFarTarget(inputs);
  const immediate = new DataView(new ArrayBuffer(form.memoryBytes + 4));
  immediate.setUint32(0, Number(offset), true);
  immediate.setUint16(form.memoryBytes, selector, true);
  inputs.patchCode(new Uint8Array(immediate.buffer, 0, form.memoryBytes + 2));
};

/** BOUND: limits around the index, in either order, signed. */
export const bound: Setup = (inputs) => {
  const { random, state, form, encoding } = inputs;
  const address = inputs.aimOperand();
  if (address === undefined || random.chance(20)) return;
  const bytes = form.memoryBytes / 2;
  const index = BigInt.asIntN(8 * bytes, state.gpr[encoding.registers[0]]);
  const [lower, upper] = [index - BigInt(random.below(8)), index + BigInt(random.below(8))];
  const [first, second] = random.chance(20) ? [lower + 5n, upper - 5n] : [lower, upper];
  inputs.writeWith(address, form.memoryBytes, (view) => {
    view.setBigInt64(0, first, true);
    view.setBigInt64(bytes, second, true);
  });
};

/** CALL and JMP through m16:16, m16:32 and m16:64. */
export const farIndirect: Setup = (inputs) => {
  const { random, form } = inputs;
  const offsetBytes = form.memoryBytes - 2;
  const frame = 2 * offsetBytes;
  inputs.pointStack(RSP, random.chance(80) ? pickInside(random, 64) : pickTarget(random, frame) + BigInt(frame));
  const address = inputs.aimOperand();
  if (address === undefined) return;
  const { selector, offset } = pickFarTarget(inputs);
  inputs.writeWith(address, form.memoryBytes, (view) => {
    view.setBigUint64(0, offset, true);
    view.setUint16(offsetBytes, selector, true);
  });
};

/** RETF and IRET: a frame of slots on the stack. */
export function farReturn(interrupt: boolean): Setup {
  return (inputs) => {
    const { random, form, mode } = inputs;
    const slot = form.memoryBytes;
    const frame = (interrupt ? (mode === undefined ? 5 : 3) : 2) * slot;
    const start = inputs.pointStack(RSP, random.chance(70) ? pickInside(random, 64) : pickTarget(random, frame));
    // Without AC: it would already hold for the rest of the frame, and Linux takes that alignment check for its own.
    const flags = BigInt((random.u32() & 0x20_4fd5) | 0x202);
    const { selector, offset } = pickFarTarget(inputs);
    const values = [offset, BigInt(selector), flags, random.u64(), random.pick([0x2bn, 0x2bn, 0x2bn, 0n, 0x33n])];
    for (let i = 0; i * slot < frame; i++) {
      inputs.writeWith(start + BigInt(i * slot), slot, (view) => view.setBigUint64(0, values[i], true));
    }
  };
}

/** WRFSBASE and WRGSBASE: canonical or not, in either half. */
export const segmentBaseValue: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  const value = random.u64();
  state.gpr[encoding.registers[0]] = random.chance(70)
    ? BigInt.asUintN(64, BigInt.asIntN(47, value))
    : value | (1n << 62n);
};
