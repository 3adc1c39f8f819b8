/** How the operands of each kind of instruction are prepared, by the name in `Form.setup`. */
import type { CaseInputs } from './inputs.ts';
import { pickBranchTarget, pickInside, pickTarget, segmentBase } from './inputs-memory.ts';
import { fillStack, pickMxcsrOperand, type StackKind, writeEnvironment, writeFxImage } from './inputs-x87.ts';
import { DATA } from './layout.ts';
import { DIRECTION, ST_OFFSET, XMM_OFFSET } from './state.ts';

type Setup = (inputs: CaseInputs) => void;

const [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI] = [0, 1, 2, 3, 4, 5, 6, 7];
const LOW_BYTE = 0xffff_ffff_ffff_ff00n;

/** A memory operand somewhere, with data of the form's type; sometimes the value that a register holds. */
const plain: Setup = (inputs) => {
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
const shift: Setup = (inputs) => {
  const { random, state } = inputs;
  const count = random.chance(60) ? random.below(70) : random.u32() & 0xff;
  state.gpr[RCX] = (state.gpr[RCX] & LOW_BYTE) | BigInt(count);
  plain(inputs);
};

/** SHLD and SHRD of 16 bits with a count above 16 have an undefined result, so there are none. */
const doubleShift16: Setup = (inputs) => {
  const { random, state } = inputs;
  state.gpr[RCX] = (state.gpr[RCX] & LOW_BYTE) | BigInt(random.below(17) + 32 * random.below(8));
  inputs.aimOperand();
  // The address may have needed RCX.
  if ((state.gpr[RCX] & 31n) > 16n) state.gpr[RCX] &= ~31n;
  const address = inputs.operandAddress();
  if (address !== undefined) inputs.writeData(address, 2, 'int');
};

/** A dividend whose quotient often fits. */
const divide: Setup = (inputs) => {
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
const bitOffset: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  const offset = encoding.registers[encoding.registers.length - 1];
  if (random.chance(80)) state.gpr[offset] = BigInt.asUintN(64, BigInt(random.below(4000) - 2000));
  plain(inputs);
};

/** Control operands of BZHI, BEXTR and the like: small numbers in each byte. */
const control: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  const register = encoding.registers[encoding.registers.length - 1];
  if (random.chance(70)) state.gpr[register] = BigInt(random.below(72) | (random.below(72) << 8));
  plain(inputs);
};

/** RCX near its end for LOOP, JRCXZ and JECXZ, with and without a high half. */
const counter: Setup = (inputs) => {
  const { random, state } = inputs;
  if (random.chance(75))
    state.gpr[RCX] = BigInt(random.below(3)) | (random.chance(40) ? BigInt(random.u32()) << 32n : 0n);
};

/** RSP such that the slot below it lies somewhere in the window. */
const push: Setup = (inputs) => {
  const { random, state, form } = inputs;
  const slot = form.memoryBytes || 8;
  state.gpr[RSP] = pickTarget(random, slot) + BigInt(slot);
  plain(inputs);
};

/** RSP at a slot with data, and the memory operand, if any, elsewhere. */
const pop: Setup = (inputs) => {
  const { random, state, form } = inputs;
  const slot = form.memoryBytes || 8;
  state.gpr[RSP] = pickTarget(random, slot);
  inputs.writeData(state.gpr[RSP], slot, 'int');
  inputs.aimOperand();
};

/** A call or jump through a register or memory. */
const indirect: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  state.gpr[RSP] = pickTarget(random, 8) + 8n;
  const target = pickBranchTarget(random);
  const address = inputs.aimOperand();
  if (address === undefined) state.gpr[encoding.registers[0]] = target;
  else inputs.writeU64(address, target);
};

const ret: Setup = (inputs) => {
  const { random, state } = inputs;
  state.gpr[RSP] = pickTarget(random, 8);
  inputs.writeU64(state.gpr[RSP], pickBranchTarget(random));
};

const enter: Setup = (inputs) => {
  const { random, state } = inputs;
  state.gpr[RSP] = random.chance(60) ? pickInside(random, 0x600) : pickTarget(random, 8) + 8n;
  state.gpr[RBP] = random.chance(70) ? pickInside(random, 0x200) : pickTarget(random, 8);
};

const leave: Setup = (inputs) => {
  const { random, state } = inputs;
  state.gpr[RBP] = pickTarget(random, 8);
  inputs.writeData(state.gpr[RBP], 8, 'int');
};

/** RBX such that RBX + AL lies somewhere. */
const xlat: Setup = (inputs) => {
  const { random, state } = inputs;
  setPointer(inputs, RBX, pickTarget(random, 1) - (state.gpr[RAX] & 0xffn), true);
};

/** A pointer register as the implicit operand's segment and address size need it. */
function setPointer(inputs: CaseInputs, register: number, target: bigint, overridable: boolean): void {
  const { random, state, encoding } = inputs;
  const bits = encoding.memory?.addressBits ?? 64;
  const base = overridable ? segmentBase(encoding.memory?.segment ?? 'none') : 0n;
  const high = bits === 32 ? BigInt(random.u32()) << 32n : 0n;
  state.gpr[register] = BigInt.asUintN(bits, target - base) | high;
}

function pickCount(inputs: CaseInputs): bigint {
  const { random } = inputs;
  const kind = random.below(24);
  let count: bigint;
  if (kind < 2) count = 0n;
  else if (kind < 18) count = BigInt(random.below(20));
  else if (kind < 21) count = BigInt(random.below(150));
  else if (kind < 23) count = BigInt(random.below(1200));
  else count = random.u64() >> BigInt(random.below(32));
  return inputs.encoding.memory?.addressBits === 32 && random.chance(70)
    ? (count & 0xffff_ffffn) | (BigInt(random.u32()) << 32n)
    : count;
}

/** MOVS, CMPS, STOS, LODS, SCAS: pointers, direction, a count, and data in which the comparisons find something. */
function strings(repeated: boolean, compares: boolean): Setup {
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

/** The destination holds the accumulator's value in half of the cases. */
const compareExchange: Setup = (inputs) => {
  const { random, state, form, encoding } = inputs;
  plain(inputs);
  if (random.chance(50)) return;
  const address = inputs.operandAddress();
  if (address !== undefined)
    inputs.writeWith(address, form.memoryBytes, (view) => view.setBigUint64(0, state.gpr[RAX], true));
  else if (encoding.registers[0] !== RSP) state.gpr[encoding.registers[0]] = state.gpr[RAX];
};

const compareExchangeWide: Setup = (inputs) => {
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

/** MASKMOVQ and MASKMOVDQU: inside writable memory, some byte selected; faults of masked bytes depend on the model. */
const maskedMove: Setup = (inputs) => {
  const { random, encoding, form, state, stateView } = inputs;
  setPointer(inputs, RDI, BigInt(DATA + 16 + random.below(0x1f00)), true);
  const mask = encoding.registers[1];
  if (form.unit === 'sse') {
    const at = XMM_OFFSET + 16 * mask;
    stateView.setUint8(at, stateView.getUint8(at) | 0x80);
    return;
  }
  state.st[10 * mask] |= 0x80;
};

/** Counts of vector shifts by register or memory. */
const vectorShift: Setup = (inputs) => {
  const { random, encoding, form, stateView } = inputs;
  const address = inputs.aimOperand();
  const count = random.chance(80) ? BigInt(random.below(70)) : random.u64() >> BigInt(random.below(64));
  if (address !== undefined) {
    inputs.writeData(address, form.memoryBytes, 'int');
    inputs.writeU64(address, count);
  } else if (form.unit === 'sse') {
    stateView.setBigUint64(XMM_OFFSET + 16 * encoding.registers[1], count, true);
  } else {
    stateView.setBigUint64(ST_OFFSET + 10 * encoding.registers[1], count, true);
  }
};

/** Explicit lengths in EAX and EDX for PCMPESTRI and PCMPESTRM. */
const explicitLengths: Setup = (inputs) => {
  const { random, state } = inputs;
  for (const register of [RAX, RDX]) {
    if (random.chance(75)) state.gpr[register] = BigInt.asUintN(64, BigInt(random.below(44) - 22));
  }
  if (random.chance(40)) inputs.copyXmm();
  plain(inputs);
};

function stack(kind: StackKind): Setup {
  return (inputs) => {
    fillStack(inputs.random, inputs.state, inputs.stateView, ST_OFFSET, kind);
    plain(inputs);
  };
}

const mxcsr: Setup = (inputs) => {
  const address = inputs.aimOperand();
  if (address === undefined) return;
  const value = pickMxcsrOperand(inputs.random);
  inputs.writeWith(address, 4, (view) => view.setUint32(0, value, true));
};

const environment: Setup = (inputs) => {
  const { random, form } = inputs;
  const address = inputs.aimOperand();
  if (address === undefined) return;
  inputs.writeWith(address, form.memoryBytes, (view) => writeEnvironment(random, view, 0, form.memoryBytes));
};

/** FLDCW: reserved bits set in some. */
const controlWord: Setup = (inputs) => {
  const { random } = inputs;
  const address = inputs.aimOperand();
  if (address === undefined) return;
  inputs.writeWith(address, 2, (view) =>
    view.setUint16(0, random.chance(30) ? random.u32() : random.u32() & 0xf7f, true),
  );
};

const fxImage: Setup = (inputs) => {
  const address = inputs.aimOperand();
  if (address === undefined) return;
  inputs.writeWith(address, 512, (view) => writeFxImage(inputs.random, view, 0));
};

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
const selector: Setup = (inputs) => {
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
const absentSelector: Setup = (inputs) => {
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

const popSelector: Setup = (inputs) => {
  const { random, state, form } = inputs;
  state.gpr[RSP] = pickTarget(random, form.memoryBytes);
  const value = pickSelector(inputs) | (form.memoryBytes > 2 ? random.u32() << 16 : 0);
  inputs.writeWith(state.gpr[RSP], form.memoryBytes, (view) => view.setBigInt64(0, BigInt(value), true));
};

/** LSS, LFS, LGS: an offset and a selector. */
const farPointer: Setup = (inputs) => {
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
const farIndirect: Setup = (inputs) => {
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
function farReturn(interrupt: boolean): Setup {
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
const segmentBaseValue: Setup = (inputs) => {
  const { random, state, encoding } = inputs;
  const value = random.u64();
  state.gpr[encoding.registers[0]] = random.chance(70)
    ? BigInt.asUintN(64, BigInt.asIntN(47, value))
    : value | (1n << 62n);
};

/** Instructions whose memory operand is only an address: LEA, NOP, prefetches. */
const addressOnly: Setup = (inputs) => {
  if (inputs.random.chance(50)) inputs.aimOperand();
};

export const setups: Readonly<Record<string, Setup>> = {
  plain,
  shift,
  'double-shift-16': doubleShift16,
  divide,
  'bit-offset': bitOffset,
  control,
  counter,
  push,
  pop,
  indirect,
  ret,
  enter,
  leave,
  xlat,
  string: strings(false, false),
  'string-compare': strings(false, true),
  'string-rep': strings(true, false),
  'string-rep-compare': strings(true, true),
  'compare-exchange': compareExchange,
  'compare-exchange-wide': compareExchangeWide,
  'masked-move': maskedMove,
  'vector-shift': vectorShift,
  'explicit-lengths': explicitLengths,
  'x87-any': stack('any'),
  'x87-fraction': stack('fraction'),
  'x87-log1p': stack('log1p'),
  'x87-angle': stack('angle'),
  'x87-exponent': stack('exponent'),
  'x87-near': stack('near'),
  mxcsr,
  environment,
  'control-word': controlWord,
  'fx-image': fxImage,
  selector,
  'absent-selector': absentSelector,
  'pop-selector': popSelector,
  'far-pointer': farPointer,
  'far-indirect': farIndirect,
  'far-return': farReturn(false),
  'interrupt-return': farReturn(true),
  'segment-base': segmentBaseValue,
  'address-only': addressOnly,
};
