/** Operands of general-purpose instructions. */
import { RAX, RCX, RDX, RSP, type Setup } from './setup.ts';

const LOW_BYTE = 0xffff_ffff_ffff_ff00n;

/** A memory operand somewhere, with data of the form's type; sometimes the value that a register holds. */
export const plain: Setup = (inputs) => {
  const { random, state, form } = inputs;
  const address = inputs.aimOperand();
  if (address === undefined || form.memoryBytes === 0) return;
  if (form.data === 'int' && form.memoryBytes <= 8 && random.chance(10)) {
    inputs.writeU64(address, state.gpr[random.below(16)]);
  } else {
    inputs.writeData(address, form.memoryBytes, form.data);
  }
};

/** A count in CL around the operand sizes. */
export const shift: Setup = (inputs) => {
  const { random, state } = inputs;
  const count = random.chance(60) ? random.below(70) : random.u32() & 0xff;
  state.gpr[RCX] = (state.gpr[RCX] & LOW_BYTE) | BigInt(count);
  plain(inputs);
};

/** SHLD and SHRD of 16 bits with a count above 16 have an undefined result, so there are none. */
export const doubleShift16: Setup = (inputs) => {
  const { random, state } = inputs;
  state.gpr[RCX] = (state.gpr[RCX] & LOW_BYTE) | BigInt(random.below(17) + 32 * random.below(8));
  inputs.aimOperand();
  // The address may have needed RCX.
  if ((state.gpr[RCX] & 31n) > 16n) state.gpr[RCX] &= ~31n;
  const address = inputs.operandAddress();
  if (address !== undefined) inputs.writeData(address, 2, 'int');
};

/** A dividend whose quotient often fits. */
export const divide: Setup = (inputs) => {
  const { random, state, form } = inputs;
  if (form.memoryBytes === 1) {
    const dividend = (random.u32() & 0xffff) >> random.below(12);
    state.gpr[RAX] = (state.gpr[RAX] & ~0xffffn) | BigInt(random.chance(25) ? -dividend & 0xffff : dividend);
  } else {
    const bits = form.memoryBytes * 8;
    const sign = BigInt.asIntN(bits, state.gpr[RAX]) < 0n ? 2n ** 64n - 1n : 0n;
    switch (random.below(10)) {
      case 0:
      case 1:
      case 2:
        state.gpr[RDX] = 0n;
        break;
      case 3:
      case 4:
      case 5:
        state.gpr[RDX] = sign;
        break;
      case 6:
      case 7:
        state.gpr[RDX] = BigInt(random.below(16));
        break;
    }
  }
  plain(inputs);
};

/** Bit offsets in registers reach outside the operand; mostly not far. */
export const bitOffset: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  const offset = encoding.registers[encoding.registers.length - 1];
  if (random.chance(80)) state.gpr[offset] = BigInt.asUintN(64, BigInt(random.below(4000) - 2000));
  plain(inputs);
};

/** Control operands of BZHI, BEXTR and the like: small numbers in each byte. */
export const control: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  const register = encoding.registers[encoding.registers.length - 1];
  if (random.chance(70)) state.gpr[register] = BigInt(random.below(72) | (random.below(72) << 8));
  plain(inputs);
};

/** RCX near its end for LOOP, JRCXZ and JECXZ, with and without a high half. */
export const counter: Setup = (inputs) => {
  const { random, state } = inputs;
  if (random.chance(75))
    state.gpr[RCX] = BigInt(random.below(3)) | (random.chance(40) ? BigInt(random.u32()) << 32n : 0n);
};

/** The destination holds the accumulator's value in half of the cases. */
export const compareExchange: Setup = (inputs) => {
  const { random, state, form, encoding } = inputs;
  plain(inputs);
  if (random.chance(50)) return;
  const address = inputs.operandAddress();
  if (address !== undefined)
    inputs.writeWith(address, form.memoryBytes, (view) => view.setBigUint64(0, state.gpr[RAX], true));
  else if (encoding.registers[0] !== RSP) state.gpr[encoding.registers[0]] = state.gpr[RAX];
};

export const compareExchangeWide: Setup = (inputs) => {
  const { random, state, form } = inputs;
  plain(inputs);
  const address = inputs.operandAddress();
  if (address === undefined || random.chance(40)) return;
  const half = form.memoryBytes / 2;
  inputs.writeWith(address, form.memoryBytes, (view) => {
    view.setBigUint64(0, state.gpr[RAX], true);
    view.setBigUint64(half, state.gpr[RDX], true);
  });
};

/** Instructions whose memory operand is only an address: LEA, NOP, prefetches. */
export const addressOnly: Setup = (inputs) => {
  if (inputs.random.chance(50)) inputs.aimOperand();
};
