/** Operands of string instructions and XLAT: pointers in fixed registers. */
import { DIRECTION } from '../state.ts';
import type { CaseInputs } from './inputs.ts';
import { pickInside, pickTarget, segmentBase } from './memory.ts';
import { RAX, RBX, RCX, RDI, RSI, type Setup } from './setup.ts';

/** A pointer register as the implicit operand's segment and address size need it. */
export function setPointer(inputs: CaseInputs, register: number, target: bigint, overridable: boolean): void {
  const { random, state, encoding } = inputs;
  const bits = encoding.memory?.addressBits ?? 64;
  const fixed = inputs.mode === undefined ? 'none' : 'es';
  const base = segmentBase(overridable ? (encoding.memory?.segment ?? 'none') : fixed, state, inputs.mode);
  const high = bits === 64 ? 0n : BigInt(random.u32()) << BigInt(bits);
  state.gpr[register] = BigInt.asUintN(bits, target - base) | high;
}

/** RBX such that RBX + AL lies somewhere. */
export const xlat: Setup = (inputs) => {
  const { random, state } = inputs;
  setPointer(inputs, RBX, pickTarget(random, 1) - (state.gpr[RAX] & 0xffn), true);
};

function pickCount(inputs: CaseInputs): bigint {
  const { random } = inputs;
  const kind = random.below(24);
  let count: bigint;
  if (kind < 2) count = 0n;
  else if (kind < 18) count = BigInt(random.below(20));
  else if (kind < 21) count = BigInt(random.below(150));
  else if (kind < 23) count = BigInt(random.below(1200));
  else count = random.u64() >> BigInt(random.below(32));
  const bits = inputs.encoding.memory?.addressBits ?? 64;
  return bits < 64 && random.chance(70) ? BigInt.asUintN(bits, count) | (BigInt(random.u32()) << BigInt(bits)) : count;
}

/** MOVS, CMPS, STOS, LODS, SCAS: pointers, direction, a count, and data in which the comparisons find something. */
export function strings(repeated: boolean, compares: boolean): Setup {
  return (inputs) => {
    const { random, state, form } = inputs;
    const size = form.memoryBytes;
    state.rflags = (state.rflags & ~DIRECTION) | (random.chance(45) ? DIRECTION : 0);
    const near = () => (random.chance(70) ? pickInside(random, 0x100) : pickTarget(random, size));
    const source = near();
    const overlap = random.chance(20);
    const destination = overlap ? source + BigInt(random.below(64) - 32) : near();
    if (repeated) state.gpr[RCX] = pickCount(inputs);
    setPointer(inputs, RSI, source, true);
    setPointer(inputs, RDI, destination, false);
    if (!compares) return;
    const reach = BigInt(20 * size);
    const [below, above] = state.rflags & DIRECTION ? [reach, BigInt(size)] : [0n, reach];
    const equal = random.chance(60);
    for (let at = -below; at < above; at += BigInt(size)) {
      const same = random.chance(equal ? 92 : 12);
      for (let i = 0n; i < BigInt(size); i++) {
        const byte = Number((state.gpr[RAX] >> (8n * i)) & 0xffn);
        inputs.write(source + at + i, Uint8Array.of(byte));
        if (!overlap) inputs.write(destination + at + i, Uint8Array.of(same ? byte : random.u32() & 0xff));
      }
    }
  };
}
