/** Operands of x87, MMX and SSE instructions, and the images that restore their state. */
import { DATA } from '../layout.ts';
import { DATA_SELECTOR, SEGMENT_NUMBERS } from '../segments.ts';
import { ST_OFFSET, XMM_OFFSET } from '../state.ts';
import { plain } from './integer.ts';
import { RAX, RDI, RDX, type Setup } from './setup.ts';
import { setPointer } from './strings.ts';
import {
  fillStack,
  pickMxcsrOperand,
  type StackKind,
  writeEnvironment,
  writeFxImage,
  writeXsaveHeader,
} from './x87.ts';

/** MASKMOVQ and MASKMOVDQU: inside writable memory, some byte selected; faults of masked bytes depend on the model. */
export const maskedMove: Setup = (inputs) => {
  const { random, encoding, form, state, stateView, mode } = inputs;
  const segment = encoding.memory?.segment;
  if (mode !== undefined && segment !== undefined) state.selectors[SEGMENT_NUMBERS[segment]] = DATA_SELECTOR;
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
export const vectorShift: Setup = (inputs) => {
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
export const explicitLengths: Setup = (inputs) => {
  const { random, state } = inputs;
  for (const register of [RAX, RDX]) {
    if (random.chance(75)) state.gpr[register] = BigInt.asUintN(64, BigInt(random.below(44) - 22));
  }
  if (random.chance(40)) inputs.copyXmm();
  plain(inputs);
};

export function stack(kind: StackKind): Setup {
  return (inputs) => {
    fillStack(inputs.random, inputs.state, inputs.stateView, ST_OFFSET, kind);
    plain(inputs);
  };
}

export const mxcsr: Setup = (inputs) => {
  const address = inputs.aimOperand();
  if (address === undefined) return;
  const value = pickMxcsrOperand(inputs.random);
  inputs.writeWith(address, 4, (view) => view.setUint32(0, value, true));
};

export const environment: Setup = (inputs) => {
  const { random, form } = inputs;
  const address = inputs.aimOperand();
  if (address === undefined) return;
  inputs.writeWith(address, form.memoryBytes, (view) => writeEnvironment(random, view, 0, form.memoryBytes));
};

/** FLDCW: reserved bits set in some. */
export const controlWord: Setup = (inputs) => {
  const { random } = inputs;
  const address = inputs.aimOperand();
  if (address === undefined) return;
  inputs.writeWith(address, 2, (view) =>
    view.setUint16(0, random.chance(30) ? random.u32() : random.u32() & 0xf7f, true),
  );
};

export const fxImage: Setup = (inputs) => {
  const address = inputs.aimOperand();
  if (address === undefined) return;
  inputs.writeWith(address, 512, (view) => writeFxImage(inputs.random, view, 0));
};

/** EDX:EAX asks for x87, SSE, both or none: what else XCR0 holds depends on the processor. */
function requestComponents({ random, state }: Parameters<Setup>[0]): void {
  state.gpr[RAX] = (BigInt(random.u32()) << 32n) | BigInt(random.below(4));
  state.gpr[RDX] = BigInt(random.u32()) << 32n;
}

/** XSAVE: the bits of the header that it does not write are kept. */
export const xsave: Setup = (inputs) => {
  inputs.aimOperand();
  requestComponents(inputs);
  const address = inputs.operandAddress();
  if (address !== undefined) inputs.writeWith(address + 512n, 64, (view) => writeXsaveHeader(inputs.random, view, 0));
};

/** XRSTOR: an FXSAVE image and a header, in some cases with bits that must give #GP(0). */
export const xrstor: Setup = (inputs) => {
  inputs.aimOperand();
  requestComponents(inputs);
  const address = inputs.operandAddress();
  if (address === undefined) return;
  inputs.writeWith(address, 576, (view) => {
    writeFxImage(inputs.random, view, 0);
    writeXsaveHeader(inputs.random, view, 512);
  });
};
