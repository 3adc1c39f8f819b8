/**
 * Compares an engine's result with the processor's, under the masks of `undefined.ts`. Everything is compared exactly
 * but the results of transcendental x87 instructions and of the SSE approximations.
 *
 * Transcendental: the processor's error is below one unit in the last place when rounding to nearest, and below one and
 * a half otherwise (SDM Vol. 1 §8.3.10). A correctly rounded result thus differs from it by one unit at most, or by two.
 * Approximations: twice the documented bound, since both sides may use all of it.
 */
import { PAGE, PAGES } from './layout.ts';
import type { MachineState } from './state.ts';
import { APPROXIMATE, TRANSCENDENTAL, undefinedFlags, undefinedMemory, undefinedStatus } from './undefined.ts';
import type { Fault, VectorCase, VectorOutput } from './vectors.ts';

export interface Mismatch {
  /** What differs: `RAX`, `RFLAGS`, `XMM3`, `memory 0x600010`, `fault`. */
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
}

const GPR = [
  'RAX',
  'RCX',
  'RDX',
  'RBX',
  'RSP',
  'RBP',
  'RSI',
  'RDI',
  'R8',
  'R9',
  'R10',
  'R11',
  'R12',
  'R13',
  'R14',
  'R15',
];
const SELECTORS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
/** RFLAGS.RF, which is set in the image that a fault pushes, not in the register. */
const RESUME = 0x1_0000;

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** Bytes as one number, most significant first, as the manual prints registers. */
function hexBytes(bytes: Uint8Array): string {
  return `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .reverse()
    .join('')}`;
}

function describeFault(fault: Fault | undefined): string {
  if (fault === undefined) return 'none';
  const address = fault.vector === 14 ? ` at ${hex(fault.cr2 ?? 0n)}` : '';
  return `vector ${fault.vector}, error code ${hex(fault.errorCode)}${address}`;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Position of a double-extended number among all of its sign; neighbours differ by one. */
function ordinal(bytes: Uint8Array): { sign: number; position: bigint } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
  const exponent = view.getUint16(8, true);
  const significand = view.getBigUint64(0, true);
  return { sign: exponent >> 15, position: (BigInt(exponent & 0x7fff) << 63n) + BigInt.asUintN(63, significand) };
}

function withinUnits(expected: Uint8Array, actual: Uint8Array, units: bigint): boolean {
  const [a, b] = [ordinal(expected), ordinal(actual)];
  const distance = a.position - b.position;
  return a.sign === b.sign && distance >= -units && distance <= units;
}

/** Whether x87 register Ri is ST(0) or ST(1), which transcendental instructions write. */
function isTop(state: MachineState, i: number): boolean {
  return ((i - (state.status >> 11)) & 7) < 2;
}

/** The RC field of the x87 control word; zero is to nearest. */
const ROUNDING_CONTROL = 0x0c00;

const APPROXIMATION_ERROR = 1.5 * 2 ** -12;

function withinApproximation(expected: Uint8Array, actual: Uint8Array): boolean {
  const [a, b] = [expected, actual].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, 16));
  for (let lane = 0; lane < 16; lane += 4) {
    if (a.getUint32(lane, true) === b.getUint32(lane, true)) continue;
    const [x, y] = [a.getFloat32(lane, true), b.getFloat32(lane, true)];
    if (!(Math.abs(x - y) <= 2 * APPROXIMATION_ERROR * Math.abs(x))) return false;
  }
  return true;
}

function compareState(
  vector: VectorCase,
  actual: MachineState,
  note: (what: string, e: string, a: string) => void,
): void {
  const { form, code, input, output } = vector;
  const expected = output.state;
  if (equalBytes(expected.bytes, actual.bytes)) return;
  const numbers = (what: string, e: number | bigint, a: number | bigint): void => {
    if (e !== a) note(what, hex(e), hex(a));
  };
  // Outside 64-bit mode the upper halves of registers are undefined (SDM Vol. 1 §3.4.1.1).
  const bits = form.mode === undefined ? 64 : 32;
  for (let i = 0; i < (bits === 64 ? 16 : 8); i++) {
    numbers(GPR[i], BigInt.asUintN(bits, expected.gpr[i]), BigInt.asUintN(bits, actual.gpr[i]));
  }
  numbers('RIP', expected.rip, actual.rip);
  const flags = ~(undefinedFlags(form, code, input.state) | RESUME);
  numbers('RFLAGS', (expected.rflags & flags) >>> 0, (actual.rflags & flags) >>> 0);
  numbers('FS base', expected.fsBase, actual.fsBase);
  numbers('GS base', expected.gsBase, actual.gsBase);
  for (let i = 0; i < 6; i++) numbers(SELECTORS[i], expected.selectors[i], actual.selectors[i]);
  numbers('x87 control', expected.control, actual.control);
  const status = ~undefinedStatus(form, expected);
  numbers('x87 status', expected.status & status & 0xffff, actual.status & status & 0xffff);
  numbers('x87 tag', expected.tag, actual.tag);
  numbers('MXCSR', expected.mxcsr, actual.mxcsr);
  const units = input.state.control & ROUNDING_CONTROL ? 2n : 1n;
  for (let i = 0; i < 8; i++) {
    const [e, a] = [expected, actual].map((state) => state.st.subarray(10 * i, 10 * i + 10));
    if (equalBytes(e, a) || (TRANSCENDENTAL.has(form.mnemonic) && isTop(expected, i) && withinUnits(e, a, units)))
      continue;
    note(`x87 R${i}`, hexBytes(e), hexBytes(a));
  }
  for (let i = 0; i < 16; i++) {
    const [e, a] = [expected, actual].map((state) => state.xmm.subarray(16 * i, 16 * i + 16));
    if (equalBytes(e, a) || (APPROXIMATE.has(form.mnemonic) && withinApproximation(e, a))) continue;
    note(`XMM${i}`, hexBytes(e), hexBytes(a));
  }
}

function isMasked(vector: VectorCase, address: bigint): boolean {
  const { operandAddress, form } = vector;
  if (operandAddress === undefined) return false;
  return undefinedMemory(form).some(([offset, length]) => {
    const at = address - operandAddress - BigInt(offset);
    return at >= 0n && at < BigInt(length);
  });
}

/** One mismatch for each run of differing bytes. */
function comparePage(
  vector: VectorCase,
  page: number,
  actual: Uint8Array,
  note: (what: string, e: string, a: string) => void,
): void {
  const expected = vector.output.pages[page];
  if (Buffer.compare(expected, actual) === 0) return;
  const differs = (i: number): boolean =>
    expected[i] !== actual[i] && !isMasked(vector, BigInt(PAGES[page].address + i));
  for (let i = 0; i < PAGE; i++) {
    if (!differs(i)) continue;
    const start = i;
    while (i < PAGE && differs(i)) i++;
    note(
      `memory ${hex(PAGES[page].address + start)}`,
      hexBytes(expected.subarray(start, i)),
      hexBytes(actual.subarray(start, i)),
    );
  }
}

export function compare(vector: VectorCase, fault: Fault | undefined, actual: VectorOutput): Mismatch[] {
  const mismatches: Mismatch[] = [];
  const note = (what: string, expected: string, found: string): void => {
    mismatches.push({ what, expected, actual: found });
  };
  const [expectedFault, actualFault] = [describeFault(vector.fault), describeFault(fault)];
  if (expectedFault !== actualFault) note('fault', expectedFault, actualFault);
  compareState(vector, actual.state, note);
  for (let i = 0; i < PAGES.length; i++) comparePage(vector, i, actual.pages[i], note);
  return mismatches;
}
