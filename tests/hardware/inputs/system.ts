/** Operands of segment loads, far transfers and the segment-base instructions. */
import type { CaseInputs } from './inputs.ts';
import { pickBranchTarget, pickInside, pickTarget } from './memory.ts';
import { RSP, type Setup } from './setup.ts';

/** Null, flat user segments, kernel segments, beyond the table, in the (null) LDT. */
function pickSelector(inputs: CaseInputs): number {
  const { random } = inputs;
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

/** LAR, LSL, VERR and VERW see only selectors that fail whatever the table holds. */
export const absentSelector: Setup = (inputs) => {
  const { random, encoding, state } = inputs;
  const value = BigInt(random.chance(50) ? random.below(4) : 0x1000 | (random.u32() & 0xeffb));
  const address = inputs.aimOperand();
  if (address !== undefined) {
    inputs.writeWith(address, 2, (view) => view.setUint16(0, Number(value), true));
    return;
  }
  const register = encoding.registers[encoding.registers.length - 1];
  state.gpr[register] = (state.gpr[register] & ~0xffffn) | value;
};

export const popSelector: Setup = (inputs) => {
  const { random, state, form } = inputs;
  state.gpr[RSP] = pickTarget(random, form.memoryBytes);
  const value = pickSelector(inputs) | (form.memoryBytes > 2 ? random.u32() << 16 : 0);
  inputs.writeWith(state.gpr[RSP], form.memoryBytes, (view) => view.setBigInt64(0, BigInt(value), true));
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

/** CALL and JMP through m16:16, m16:32 and m16:64. */
export const farIndirect: Setup = (inputs) => {
  const { random, state, form } = inputs;
  const offsetBytes = form.memoryBytes - 2;
  state.gpr[RSP] = random.chance(80)
    ? pickInside(random, 64)
    : pickTarget(random, 2 * offsetBytes) + BigInt(2 * offsetBytes);
  const address = inputs.aimOperand();
  if (address === undefined) return;
  const target = pickBranchTarget(random);
  const code = pickCodeSelector(inputs);
  inputs.writeWith(address, form.memoryBytes, (view) => {
    view.setBigUint64(0, target, true);
    view.setUint16(offsetBytes, code, true);
  });
};

/** RETF and IRET: a frame of slots on the stack. */
export function farReturn(interrupt: boolean): Setup {
  return (inputs) => {
    const { random, state, form } = inputs;
    const slot = form.memoryBytes;
    const frame = interrupt ? 5 * slot : 2 * slot;
    state.gpr[RSP] = random.chance(70) ? pickInside(random, 64) : pickTarget(random, frame);
    // Without AC: it would already hold for the rest of the frame, and Linux takes that alignment check for its own.
    const flags = BigInt((random.u32() & 0x20_4fd5) | 0x202);
    const values = [
      pickBranchTarget(random),
      BigInt(pickCodeSelector(inputs)),
      flags,
      random.u64(),
      random.pick([0x2bn, 0x2bn, 0x2bn, 0n, 0x33n]),
    ];
    for (let i = 0; i * slot < frame; i++) {
      inputs.writeWith(state.gpr[RSP] + BigInt(i * slot), slot, (view) => view.setBigUint64(0, values[i], true));
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
