/** Operands of stack instructions and near branches. */

import { CODE } from '../layout.ts';
import type { CaseInputs } from './inputs.ts';
import { plain } from './integer.ts';
import { pickBranchTarget, pickInside, pickTarget } from './memory.ts';
import { RBP, RSP, type Setup } from './setup.ts';

/** A linear address to branch to, outside 64-bit mode: not into the instruction itself. */
export function pickLegacyTarget(inputs: CaseInputs): bigint {
  const { random, state, encoding } = inputs;
  const target = pickBranchTarget(random);
  const within = target - inputs.codeBase - state.rip;
  return within >= 0n && within < BigInt(encoding.code.length) ? BigInt(CODE) : target;
}

/** The offset in the code segment of an address to branch to. */
export function pickOffset(inputs: CaseInputs): bigint {
  if (inputs.mode === undefined) return pickBranchTarget(inputs.random);
  return BigInt.asUintN(32, pickLegacyTarget(inputs) - inputs.codeBase);
}

/** Bytes of a near return address or of a saved frame pointer. */
function slotOf({ mode, form }: CaseInputs): number {
  return mode === undefined ? 8 : form.memoryBytes;
}

/** RSP such that the slot below it lies somewhere in the window. */
export const push: Setup = (inputs) => {
  const { random, form } = inputs;
  const slot = form.memoryBytes || 8;
  inputs.pointStack(RSP, pickTarget(random, slot) + BigInt(slot));
  plain(inputs);
};

/** RSP at a slot with data, and the memory operand, if any, elsewhere. */
export const pop: Setup = (inputs) => {
  const { random, form } = inputs;
  const slot = form.memoryBytes || 8;
  inputs.writeData(inputs.pointStack(RSP, pickTarget(random, slot)), slot, 'int');
  inputs.aimOperand();
};

/** A call or jump through a register or memory. */
export const indirect: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  const slot = slotOf(inputs);
  inputs.pointStack(RSP, pickTarget(random, slot) + BigInt(slot));
  const target = pickOffset(inputs);
  const address = inputs.aimOperand();
  if (address === undefined) state.gpr[encoding.registers[0]] = target;
  else inputs.writeU64(address, target);
};

export const ret: Setup = (inputs) => {
  const slot = inputs.pointStack(RSP, pickTarget(inputs.random, slotOf(inputs)));
  inputs.writeU64(slot, pickOffset(inputs));
};

export const enter: Setup = (inputs) => {
  const { random } = inputs;
  const slot = slotOf(inputs);
  inputs.pointStack(RSP, random.chance(60) ? pickInside(random, 0x600) : pickTarget(random, slot) + BigInt(slot));
  inputs.pointStack(RBP, random.chance(70) ? pickInside(random, 0x200) : pickTarget(random, slot));
};

export const leave: Setup = (inputs) => {
  const slot = slotOf(inputs);
  inputs.writeData(inputs.pointStack(RBP, pickTarget(inputs.random, slot)), slot, 'int');
};
