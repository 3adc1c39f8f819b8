/** Operands of stack instructions and near branches. */

import { plain } from './integer.ts';
import { pickBranchTarget, pickInside, pickTarget } from './memory.ts';
import { RBP, RSP, type Setup } from './setup.ts';

/** RSP such that the slot below it lies somewhere in the window. */
export const push: Setup = (inputs) => {
  const { random, state, form } = inputs;
  const slot = form.memoryBytes || 8;
  state.gpr[RSP] = pickTarget(random, slot) + BigInt(slot);
  plain(inputs);
};

/** RSP at a slot with data, and the memory operand, if any, elsewhere. */
export const pop: Setup = (inputs) => {
  const { random, state, form } = inputs;
  const slot = form.memoryBytes || 8;
  state.gpr[RSP] = pickTarget(random, slot);
  inputs.writeData(state.gpr[RSP], slot, 'int');
  inputs.aimOperand();
};

/** A call or jump through a register or memory. */
export const indirect: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  state.gpr[RSP] = pickTarget(random, 8) + 8n;
  const target = pickBranchTarget(random);
  const address = inputs.aimOperand();
  if (address === undefined) state.gpr[encoding.registers[0]] = target;
  else inputs.writeU64(address, target);
};

export const ret: Setup = (inputs) => {
  const { random, state } = inputs;
  state.gpr[RSP] = pickTarget(random, 8);
  inputs.writeU64(state.gpr[RSP], pickBranchTarget(random));
};

export const enter: Setup = (inputs) => {
  const { random, state } = inputs;
  state.gpr[RSP] = random.chance(60) ? pickInside(random, 0x600) : pickTarget(random, 8) + 8n;
  state.gpr[RBP] = random.chance(70) ? pickInside(random, 0x200) : pickTarget(random, 8);
};

export const leave: Setup = (inputs) => {
  const { random, state } = inputs;
  state.gpr[RBP] = pickTarget(random, 8);
  inputs.writeData(state.gpr[RBP], 8, 'int');
};
