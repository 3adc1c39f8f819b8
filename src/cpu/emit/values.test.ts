import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operation } from '../../wasm/operations.ts';
import type { Type, Value } from '../algebra.ts';
import { FunctionBuilder } from './function-builder.ts';
import { type Linkage, LOCAL, Node } from './nodes.ts';
import * as opcodes from './opcodes.ts';
import { Values } from './values.ts';

/** That values are folded, and how far: two ways to write an expression must give the same code. */

const linkage: Linkage = { direct: () => undefined, typeIndex: () => 0 };

/** Opens what subclasses use. */
class TestValues extends Values {
  readonly x = this.b.param(0);
  readonly y = this.b.param(1);
  /** Type 64. */
  readonly wideX = this.b.param(2);
  readonly wideY = this.b.param(3);
  readonly condition = this.b.param(4);
  readonly double = this.b.param(5);
  readonly vector = this.b.param(6);

  /** A byte loaded from memory: its upper bits are clear. */
  byte(offset = 0): Node {
    return this.b.load(8, this.b.constant(32, 0), offset);
  }

  /** A byte with other bits above it. */
  lowByte(of: Value = this.x): Node {
    return this.trunc(of, 8);
  }

  branch(condition: Value): Node {
    return this.fold.test(condition as Node);
  }

  source(condition: Value): { readonly value: Node; readonly index: number } | undefined {
    return this.bitSources.get(condition);
  }
}

const PARAMS: readonly Type[] = [32, 32, 64, 64, 1, 'f64', 128];

function code(build: (m: TestValues) => Value): string {
  const builder = new FunctionBuilder(PARAMS, linkage);
  builder.return([build(new TestValues(builder)) as Node]);
  return Buffer.from(builder.finish().code).toString('hex');
}

type Build = (m: TestValues) => Value;

/** What the first makes is the code of the second. */
const equal: readonly (readonly [what: string, Build, Build])[] = [
  ['x + 0', (m) => m.add(m.x, m.const(32, 0)), (m) => m.x],
  ['x - 0', (m) => m.sub(m.wideX, m.const(64, 0)), (m) => m.wideX],
  ['x * 1', (m) => m.mul(m.const(32, 1), m.x), (m) => m.x],
  ['x * 0', (m) => m.mul(m.x, m.const(32, 0)), (m) => m.const(32, 0)],
  ['x & 0', (m) => m.and(m.x, m.const(32, 0)), (m) => m.const(32, 0)],
  ['x & -1', (m) => m.and(m.wideX, m.const(64, -1)), (m) => m.wideX],
  ['x | 0', (m) => m.or(m.x, m.const(32, 0)), (m) => m.x],
  ['x | -1', (m) => m.or(m.x, m.const(32, -1)), (m) => m.const(32, -1)],
  ['x ^ 0', (m) => m.xor(m.x, m.const(32, 0)), (m) => m.x],
  ['x ^ x', (m) => m.xor(m.wideX, m.wideX), (m) => m.const(64, 0)],
  ['x - x', (m) => m.sub(m.x, m.x), (m) => m.const(32, 0)],
  ['x & x', (m) => m.and(m.x, m.x), (m) => m.x],
  ['x | x', (m) => m.or(m.x, m.x), (m) => m.x],
  ['x << 0', (m) => m.shl(m.x, 0), (m) => m.x],
  ['x / 1', (m) => m.divU(m.x, m.const(32, 1)), (m) => m.x],
  ['not not x', (m) => m.not(m.not(m.x)), (m) => m.x],
  ['not not c', (m) => m.not(m.not(m.condition)), (m) => m.condition],
  ['(x + 5) + 7', (m) => m.add(m.add(m.x, m.const(32, 5)), m.const(32, 7)), (m) => m.add(m.x, m.const(32, 12))],
  [
    '(x - 8) - 8',
    (m) => m.sub(m.sub(m.wideX, m.const(64, 8)), m.const(64, 8)),
    (m) => m.add(m.wideX, m.const(64, -16)),
  ],
  ['7 - (x + 2)', (m) => m.sub(m.const(32, 7), m.add(m.x, m.const(32, 2))), (m) => m.sub(m.const(32, 5), m.x)],
  ['(x + 9) - x', (m) => m.sub(m.add(m.x, m.const(32, 9)), m.x), (m) => m.const(32, 9)],
  ['- - x', (m) => m.neg(m.neg(m.x)), (m) => m.x],
  ['masks', (m) => m.and(m.and(m.x, m.const(32, 0xff0)), m.const(32, 0xff)), (m) => m.and(m.x, m.const(32, 0xf0))],
  ['x << 3 << 4', (m) => m.shl(m.shl(m.x, 3), 4), (m) => m.shl(m.x, 7)],
  ['x << 20 << 20', (m) => m.shl(m.shl(m.x, 20), 20), (m) => m.const(32, 0)],
  ['sar by too much', (m) => m.sar(m.sar(m.x, 20), 20), (m) => m.sar(m.x, 31)],
  ['x >> 12 << 12', (m) => m.shl(m.shr(m.wideX, 12), 12), (m) => m.and(m.wideX, m.const(64, -4096))],
  ['a page number', (m) => m.shr(m.and(m.wideX, m.const(64, -4096)), 12), (m) => m.shr(m.wideX, 12)],
  [
    'constants, left to right',
    (m) => m.xor(m.mul(m.const(64, -3), m.const(64, 5)), m.const(64, 1n << 60n)),
    (m) => m.const(64, -15n ^ (1n << 60n)),
  ],
  ['a count masked', (m) => m.shl(m.x, m.and(m.y, m.const(32, 31))), (m) => m.shl(m.x, m.y)],
  ['a count masked, of a byte', (m) => m.shl(m.wideX, m.and(m.lowByte(), m.const(8, 63))), (m) => m.shl(m.wideX, m.x)],

  ['wrap of zext', (m) => m.trunc(m.zext(m.x, 64), 32), (m) => m.x],
  ['wrap of sext', (m) => m.trunc(m.sext(m.x, 64), 32), (m) => m.x],
  ['upper half cleared twice', (m) => m.and(m.zext(m.x, 64), m.const(64, 0xffffffffn)), (m) => m.zext(m.x, 64)],
  ['upper half cleared', (m) => m.and(m.wideX, m.const(64, 0xffffffffn)), (m) => m.zext(m.trunc(m.wideX, 32), 64)],
  ['zext of wrap of zext', (m) => m.zext(m.trunc(m.zext(m.x, 64), 32), 64), (m) => m.zext(m.x, 64)],
  ['a byte of memory is clean', (m) => m.zext(m.byte(), 32), (m) => m.byte()],
  ['a byte masked', (m) => m.and(m.zext(m.byte(), 32), m.const(32, 0xff)), (m) => m.byte()],
  [
    'zext of a masked byte',
    (m) => m.zext(m.trunc(m.and(m.x, m.const(32, 0x7f)), 8), 32),
    (m) => m.and(m.x, m.const(32, 0x7f)),
  ],
  [
    'sext of a clear sign',
    (m) => m.sext(m.trunc(m.and(m.x, m.const(32, 0x7f)), 8), 32),
    (m) => m.and(m.x, m.const(32, 0x7f)),
  ],
  [
    'sext of a masked byte',
    (m) => m.sext(m.trunc(m.and(m.x, m.const(32, 0xff)), 8), 32),
    (m) => m.sext(m.lowByte(), 32),
  ],
  ['sext of sext', (m) => m.sext(m.sext(m.lowByte(), 16), 32), (m) => m.sext(m.lowByte(), 32)],
  ['low byte of sext', (m) => m.zext(m.trunc(m.sext(m.lowByte(), 32), 8), 32), (m) => m.zext(m.lowByte(), 32)],
  ['AL of a register just written', (m) => m.zext(m.trunc(put(m, 0), 8), 32), (m) => m.byte()],
  ['AH of a register just written', (m) => m.zext(m.trunc(m.shr(put(m, 8), 8), 8), 32), (m) => m.byte()],
  ['AL of a register with AH written', (m) => m.zext(m.lowByte(put(m, 8)), 32), (m) => m.zext(m.lowByte(m.wideX), 32)],
  ['AL written twice', (m) => put(m, 0, put(m, 0)), (m) => put(m, 0)],
  ['high half of EDX:EAX', (m) => m.trunc(m.shr(halves(m), 32), 32), (m) => m.y],
  ['low half of EDX:EAX', (m) => m.trunc(halves(m), 32), (m) => m.x],

  ['x == x', (m) => m.eq(m.x, m.x), (m) => m.const(1, 1)],
  ['x < x', (m) => m.ltS(m.x, m.x), (m) => m.const(1, 0)],
  ['x == 0', (m) => m.eq(m.x, m.const(32, 0)), (m) => m.isZero(m.x)],
  ['not x == y', (m) => m.not(m.eq(m.x, m.y)), (m) => m.ne(m.x, m.y)],
  ['not x < y', (m) => m.not(m.ltS(m.wideX, m.wideY)), (m) => m.not(m.xor(m.ltS(m.wideX, m.wideY), m.const(1, 0)))],
  ['x - y == 0', (m) => m.isZero(m.sub(m.x, m.y)), (m) => m.eq(m.x, m.y)],
  ['x - 5 == 0', (m) => m.isZero(m.sub(m.wideX, m.const(64, 5))), (m) => m.eq(m.wideX, m.const(64, 5))],
  ['c != 0', (m) => m.ne(m.zext(m.condition, 32), m.const(32, 0)), (m) => m.condition],
  ['c == 0', (m) => m.eq(m.zext(m.condition, 64), m.const(64, 0)), (m) => m.not(m.condition)],
  ['x < 0, unsigned', (m) => m.ltU(m.x, m.const(32, 0)), (m) => m.const(1, 0)],
  ['x < 1, unsigned', (m) => m.ltU(m.x, m.const(32, 1)), (m) => m.isZero(m.x)],
  ['a byte against what it cannot be', (m) => m.eq(m.zext(m.byte(), 32), m.const(32, 256)), (m) => m.const(1, 0)],
  ['bytes', (m) => m.isZero(m.sub(m.byte(0), m.byte(1))), (m) => m.eq(m.byte(0), m.byte(1))],
  [
    'bytes as wide results',
    (m) => m.isZero(m.sext(m.sub(m.byte(0), m.byte(1)), 64)),
    (m) => m.eq(m.byte(0), m.byte(1)),
  ],
  ['extended and compared', (m) => m.ltS(m.sext(m.x, 64), m.sext(m.y, 64)), (m) => m.ltS(m.x, m.y)],
  ['zero-extended and compared', (m) => m.ltS(m.zext(m.x, 64), m.zext(m.y, 64)), (m) => m.ltU(m.x, m.y)],
  ['the sign of a wide result', (m) => m.msb(m.sext(m.x, 64)), (m) => m.msb(m.x)],
  ['the sign', (m) => m.msb(m.wideX), (m) => m.ltS(m.wideX, m.const(64, 0))],
  ['a bit of a shifted value', (m) => m.bit(m.shr(m.x, 3), 4), (m) => m.bit(m.x, 7)],
  [
    'a bit of a flag word',
    (m) => m.bit(m.or(m.shl(m.zext(m.condition, 64), 63), m.const(64, 1)), 63),
    (m) => m.condition,
  ],

  ['select of equals', (m) => m.select(m.condition, m.x, m.x), (m) => m.x],
  ['select by a constant', (m) => m.select(m.const(1, 0), m.x, m.y), (m) => m.y],
  ['select 1, 0', (m) => m.select(m.condition, m.const(64, 1), m.const(64, 0)), (m) => m.zext(m.condition, 64)],
  ['select 0, 1', (m) => m.select(m.condition, m.const(32, 0), m.const(32, 1)), (m) => m.zext(m.not(m.condition), 32)],
  ['select by the opposite', (m) => m.select(m.not(m.condition), m.x, m.y), (m) => m.select(m.condition, m.y, m.x)],

  ['a branch on x != 0', (m) => m.branch(m.ne(m.x, m.const(32, 0))), (m) => m.x],
  ['a branch on a bit', (m) => m.branch(m.bit(m.x, 5)), (m) => m.and(m.x, m.const(32, 32))],

  [
    'the scalar in a vector',
    (m) => m.op('f64x2.extract_lane', [m.op('f64x2.replace_lane', [m.vector, m.double], [0])], [0]),
    (m) => m.double,
  ],
  ['halves joined', (m) => m.op('i64x2.extract_lane', [m.join(m.wideX, m.wideY)], [1]), (m) => m.wideY],
  ['low half joined', (m) => m.trunc(m.zext(m.x, 128), 32), (m) => m.x],
  [
    'a double as an integer',
    (m) => m.op('i64x2.extract_lane', [m.op('f64x2.splat', [m.double])], [1]),
    (m) => m.op('i64.reinterpret_f64', [m.double]),
  ],
  [
    'a lane written twice',
    (m) => lane(m, lane(m, m.vector, m.wideX, 0), m.wideY, 0),
    (m) => lane(m, m.vector, m.wideY, 0),
  ],
  ['both lanes written', (m) => lane(m, lane(m, m.vector, m.wideX, 0), m.wideY, 1), (m) => m.join(m.wideX, m.wideY)],
  ['a register against itself', (m) => m.op('v128.xor', [m.vector, m.vector]), (m) => m.const(128, 0n)],
  ['all lanes equal', (m) => m.op('i32x4.eq', [m.vector, m.vector]), (m) => m.const(128, (1n << 128n) - 1n)],
];

function put(m: TestValues, low: 0 | 8, into: Value = m.wideX): Value {
  const kept = m.and(into, m.const(64, low === 0 ? ~0xffn : ~0xff00n));
  return m.or(kept, m.shl(m.zext(m.byte(), 64), low));
}

function halves(m: TestValues): Value {
  return m.or(m.shl(m.zext(m.y, 64), 32), m.zext(m.x, 64));
}

function lane(m: TestValues, vector: Value, value: Value, number: number): Value {
  return m.op('i64x2.replace_lane', [vector, value], [number]);
}

for (const [what, one, other] of equal) {
  test(`folded: ${what}`, () => assert.equal(code(one), code(other)));
}

test('two reads of one local are the same value', () => {
  const read = ({ x }: TestValues): Node => new Node(32, LOCAL, [], x.list, 0, 0, undefined, undefined, false);
  assert.equal(
    code((m) => m.xor(read(m), read(m))),
    code((m) => m.const(32, 0)),
  );
  assert.notEqual(
    code((m) => m.xor(m.x, m.y)),
    code((m) => m.const(32, 0)),
  );
});

test('a bit is known to be one, wherever it was shifted', () => {
  code((m) => {
    const sources: [Value, Node, number][] = [
      [m.msb(m.x), m.x, 31],
      [m.msb(m.wideX), m.wideX, 63],
      [m.msb(m.lowByte()), m.x, 7],
      [m.bit(m.wideX, 40), m.wideX, 40],
      [m.bit(m.x, 0), m.x, 0],
      [m.bit(m.shl(m.wideX, 3), 63), m.wideX, 60],
      [m.bit(m.sext(m.x, 64), 50), m.x, 31],
      [m.trunc(m.shr(m.x, 31), 1), m.x, 31],
    ];
    for (const [condition, value, index] of sources) assert.deepEqual(m.source(condition), { value, index });
    assert.equal(m.source(m.ltS(m.x, m.y)), undefined);
    assert.equal(m.source(m.not(m.msb(m.x))), undefined);
    assert.equal(m.source(m.isZero(m.x)), undefined);
    return m.x;
  });
});

test('floating-point arithmetic is left alone', () => {
  const sum = (m: TestValues): Value => m.op('f64.add', [m.double, m.const('f64', 0)]);
  assert.notEqual(
    code(sum),
    code((m) => m.double),
  );
  const constant = code((m) => m.op('f64.mul', [m.const('f64', 2), m.const('f64', 3)]));
  assert.notEqual(
    constant,
    code((m) => m.const('f64', 6)),
  );
  const compared = code((m) => m.op('f64.eq', [m.double, m.double]));
  assert.notEqual(
    compared,
    code((m) => m.const(32, 1)),
  );
});

test('values of different types are refused', () => {
  code((m) => {
    assert.throws(() => m.add(m.x, m.wideX), /types differ/);
    assert.throws(() => m.eq(m.x, m.lowByte()), /types differ/);
    assert.throws(() => m.add(m.double, m.double), /integer operation/);
    assert.throws(() => m.op('i32.add', [m.x, m.wideX]), /argument 1/);
    return m.x;
  });
});

test('opcodes are those of the operations with their names', () => {
  const apart = ['WIDE_COMPARISON', 'WIDE_ARITHMETIC', 'SELECT', 'WRAP', 'EXTEND_S', 'EXTEND_U'];
  for (const [name, opcode] of Object.entries(opcodes)) {
    if (apart.includes(name)) continue;
    const full = /REINTERPRET/.test(name) ? undefined : `i32.${name.toLowerCase()}`;
    if (full !== undefined) assert.equal(opcode, operation(full).code, full);
  }
  const { WIDE_ARITHMETIC, WIDE_COMPARISON } = opcodes;
  for (const name of ['eqz', 'eq', 'ge_u']) {
    assert.equal(operation(`i64.${name}`).code, operation(`i32.${name}`).code + WIDE_COMPARISON);
  }
  for (const name of ['clz', 'add', 'rotr']) {
    assert.equal(operation(`i64.${name}`).code, operation(`i32.${name}`).code + WIDE_ARITHMETIC);
  }
  const { WRAP, EXTEND_S, EXTEND_U, I32_REINTERPRET, I64_REINTERPRET, F32_REINTERPRET, F64_REINTERPRET } = opcodes;
  const conversions = [WRAP, EXTEND_S, EXTEND_U, I32_REINTERPRET, I64_REINTERPRET, F32_REINTERPRET, F64_REINTERPRET];
  const names = ['i32.wrap_i64', 'i64.extend_i32_s', 'i64.extend_i32_u', 'i32.reinterpret_f32', 'i64.reinterpret_f64'];
  const all = [...names, 'f32.reinterpret_i32', 'f64.reinterpret_i64'];
  assert.deepEqual(
    conversions,
    all.map((name) => operation(name).code),
  );
});
