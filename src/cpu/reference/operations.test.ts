import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter, F32, F64, I32, I64, ModuleWriter, V128, type ValueType } from '../../wasm/encoder.ts';
import { MISC_PREFIX, type Operation, operations, SIMD_PREFIX } from '../../wasm/operations.ts';
import { bitsOf, make, ReferenceValues, widthOf } from './values.ts';

/** Every operation on hard and random values, against the WebAssembly engine that runs this test. */

const LOADS: Record<ValueType, number> = { [I32]: 0x28, [I64]: 0x29, [F32]: 0x2a, [F64]: 0x2b, [V128]: SIMD_PREFIX };
const STORES: Record<ValueType, number> = {
  [I32]: 0x36,
  [I64]: 0x37,
  [F32]: 0x38,
  [F64]: 0x39,
  [V128]: SIMD_PREFIX + 0x0b,
};
const TYPES = { [I32]: 32, [I64]: 64, [F32]: 'f32', [F64]: 'f64', [V128]: 128 } as const;

function opcode(out: ByteWriter, code: number): void {
  if (code >= SIMD_PREFIX) {
    out.u8(0xfd);
    out.u32(code - SIMD_PREFIX);
  } else if (code >= MISC_PREFIX) {
    out.u8(0xfc);
    out.u32(code - MISC_PREFIX);
  } else out.u8(code);
}

function access(out: ByteWriter, code: number, offset: number): void {
  opcode(out, code);
  out.u32(0);
  out.u32(offset);
}

/** A function that takes its arguments from addresses 16, 32 and 48 and leaves its result at 0. */
function compile(operation: Operation, lanes: readonly number[]): { run: () => void; view: DataView } {
  const module = new ModuleWriter();
  module.importMemory('host', 'memory', 1, false);
  const code = new ByteWriter();
  code.u8(0x41);
  code.s32(0);
  operation.params.forEach((type, i) => {
    code.u8(0x41);
    code.s32(0);
    access(code, LOADS[type], 16 * (i + 1));
  });
  opcode(code, operation.code);
  for (const lane of lanes) code.u8(lane);
  access(code, STORES[operation.result], 0);
  const index = module.declareFunction();
  module.defineFunction(index, { params: [], results: [] }, { locals: [], code: code.finish() });
  module.exportFunction('run', index);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { host: { memory } });
  return { run: instance.exports.run as () => void, view: new DataView(memory.buffer) };
}

let seed = 1;
function random32(): bigint {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return BigInt(((seed ^ (seed >>> 15)) >>> 0) % 0x1_0000_0000);
}

const HARD: readonly bigint[] = [
  ...[0n, 1n, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000n, 0xffff_ffffn].map(BigInt),
  // f32: 1, -1, 0.5, 1.5, 2.5, -0.5, infinities, NaNs, least and greatest, 2^31, 2^32, 2^63
  ...[0x3f80_0000, 0xbf80_0000, 0x3f00_0000, 0x3fc0_0000, 0x4020_0000, 0xbf00_0000, 0x7f80_0000, 0xff80_0000].map(
    BigInt,
  ),
  ...[0x7fc0_0000, 0xffc0_1234, 0x0000_0001, 0x7f7f_ffff, 0x4f00_0000, 0x4f80_0000, 0x5f00_0000].map(BigInt),
];

const HARD_64: readonly bigint[] = [
  0n,
  1n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
  0x0020_0000_0000_0001n,
  0x0000_0080_0000_4000_0001n & 0xffff_ffff_ffff_ffffn,
  ...[1, -1, 0.5, 1.5, 2.5, -0.5, Infinity, -Infinity, NaN, 5e-324, 1.7e308, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64].map(
    (value) => {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, value);
      return view.getBigUint64(0);
    },
  ),
];

const pick = (from: readonly bigint[]): bigint => from[Number(random32() % BigInt(from.length))];

function sample(width: number): bigint {
  const kind = random32() % 4n;
  if (width === 32) return kind < 2n ? pick(HARD) : random32();
  if (width === 64)
    return kind === 0n
      ? (pick(HARD) << 32n) | pick(HARD)
      : kind === 1n
        ? pick(HARD_64)
        : (random32() << 32n) | random32();
  if (kind === 0n) return paste4(() => pick([0n, 0x0102_0304n, 0x1f0f_1000n, 0xff80_7f01n]));
  return (sample(64) << 64n) | sample(64);
}

function paste4(lane: () => bigint): bigint {
  return (lane() << 96n) | (lane() << 64n) | (lane() << 32n) | lane();
}

/** NaNs replaced by one of them, lane by lane, where the result is floating point. */
function canonical(name: string, bits: bigint, width: number): bigint {
  const [shape] = name.split('.');
  if (shape[0] !== 'f') return bits;
  const lane = shape.startsWith('f32') ? 32 : 64;
  const [exponent, quiet] = lane === 32 ? [0x7f80_0000n, 0x7fc0_0000n] : [0x7ff0n << 48n, 0x7ff8n << 48n];
  let result = 0n;
  for (let at = 0; at < width; at += lane) {
    const value = BigInt.asUintN(lane, bits >> BigInt(at));
    const notNumber = BigInt.asUintN(lane - 1, value) > exponent;
    result |= (notNumber ? quiet : value) << BigInt(at);
  }
  return result;
}

function read(view: DataView, offset: number, width: number): bigint {
  if (width === 32) return BigInt(view.getUint32(offset, true));
  const low = view.getBigUint64(offset, true);
  return width === 64 ? low : (view.getBigUint64(offset + 8, true) << 64n) | low;
}

function immediatesOf(operation: Operation): number[] {
  if (operation.lanes === 0) return [];
  const count = operation.lanes === 16 ? 32 : Number(operation.name.split('.')[0].split('x')[1]);
  return Array.from({ length: operation.lanes }, () => Number(random32() % BigInt(count)));
}

const reference = new ReferenceValues();
const TRAPS = /^i(32|64)\.(div|rem)_/;

test('every WebAssembly operation agrees with WebAssembly', () => {
  assert.ok(operations.size > 300);
  for (const operation of operations.values()) {
    const { name } = operation;
    const immediates = immediatesOf(operation);
    const { run, view } = compile(operation, immediates);
    const width = widthOf(TYPES[operation.result]);
    for (let i = 0; i < 60; i++) {
      const args = operation.params.map((type) => make(TYPES[type], sample(widthOf(TYPES[type]))));
      if (TRAPS.test(name) && (bitsOf(args[1]) === 0n || /_s$/.test(name))) args[1] = make(args[1].type, 7n);
      args.forEach((arg, j) => {
        view.setBigUint64(16 * (j + 1), BigInt.asUintN(64, bitsOf(arg)), true);
        view.setBigUint64(16 * (j + 1) + 8, bitsOf(arg) >> 64n, true);
      });
      run();
      const expected = canonical(name, read(view, 0, width), width);
      const actual = canonical(name, bitsOf(reference.op(name, args, immediates)), width);
      assert.equal(actual, expected, `${name}(${args.map((arg) => arg.bits.toString(16))}) [${immediates}]`);
    }
  }
});

test('wrong names, types and counts are mistakes', () => {
  const [word, double] = [make(32, 1n), make('f64', 1n)];
  assert.throws(() => reference.op('i32.nothing', [word]), /is called/);
  assert.throws(() => reference.op('i32.add', [word]), /arguments/);
  assert.throws(() => reference.op('i32.add', [word, double]), /type f64/);
  assert.throws(() => reference.op('i32x4.extract_lane', [make(128, 0n)]), /immediates/);
});
