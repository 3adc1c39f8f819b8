import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operation } from '../../wasm/operations.ts';
import type { Type } from '../algebra.ts';
import { MachineMemory } from '../machine-memory.ts';
import { CodeSpace } from './code-space.ts';
import { FunctionBuilder } from './function-builder.ts';
import type { FunctionRef, Linkage, Node } from './nodes.ts';

const memory = new MachineMemory(1 << 16);
const space = new CodeSpace(memory.memory, { maximumPages: 0xffff, shared: false, named: false });

/** Machine addresses of two words that functions here load and store. */
const A = 0x100;
const B = 0x108;

type Build = (b: FunctionBuilder, ...params: Node[]) => void;

function define(params: readonly Type[], results: readonly Type[], build: Build): FunctionRef {
  const ref = space.reserve(params, results);
  const module = space.module();
  module.define(ref, 'test', (b) => build(b, ...params.map((_, i) => b.param(i + 2))));
  module.instantiate();
  return ref;
}

/** Calls the function with the two parameters that all have. */
function call(ref: FunctionRef, ...args: (number | bigint)[]): unknown {
  return (space.table.get(ref.slot) as (...args: (number | bigint)[]) => unknown)(0, 0, ...args);
}

function run(build: Build, ...args: number[]): unknown {
  return call(
    define(
      args.map(() => 32 as const),
      [32],
      build,
    ),
    ...args,
  );
}

/** The code of a function by itself, and how many locals it has beyond its parameters. */
function code(build: Build, params: readonly Type[] = [32, 32]): { bytes: number[]; locals: number } {
  const linkage: Linkage = { direct: () => undefined, typeIndex: () => 0 };
  const b = new FunctionBuilder(params, linkage);
  build(b, ...params.map((_, i) => b.param(i)));
  const { locals, code: bytes } = b.finish();
  return { bytes: [...bytes], locals: locals.length };
}

const op = (b: FunctionBuilder, name: string, ...args: Node[]): Node => b.operation(operation(name), 32, args);
const i32 = (b: FunctionBuilder, value: number): Node => b.constant(32, value);
const poke = (address: number, value: number): void => memory.view.setUint32(address, value, true);
const peek = (address: number): number => memory.view.getUint32(address, true);
const load = (b: FunctionBuilder, address: number): Node => b.load(32, i32(b, 0), address);
const store = (b: FunctionBuilder, address: number, value: Node): void => b.store(32, i32(b, 0), address, value);

const LOCAL_SET = 0x21;
const I32_MUL = 0x6c;
const count = (bytes: readonly number[], byte: number): number => bytes.filter((other) => other === byte).length;

test('results that nobody uses leave no code, nor do those they alone were for', () => {
  const { bytes, locals } = code((b, x, y) => {
    const product = op(b, 'i32.mul', x as Node, y as Node);
    op(b, 'i32.add', product, b.load(32, product, 0));
    b.return([x as Node]);
  });
  // local.get 0, return, unreachable
  assert.deepEqual(bytes, [0x20, 0, 0x0f, 0]);
  assert.equal(locals, 0);
});

test('a value used once is computed where it is used, one used twice is computed once', () => {
  const once = code((b, x, y) => b.return([op(b, 'i32.mul', x as Node, y as Node)]));
  assert.equal(once.locals, 0);
  const twice = code((b, x, y) => {
    const product = op(b, 'i32.mul', x as Node, y as Node);
    b.return([op(b, 'i32.add', product, product)]);
  });
  assert.equal(twice.locals, 1);
  assert.equal(count(twice.bytes, I32_MUL), 1);
  assert.equal(count(twice.bytes, LOCAL_SET), 1);
  const result = run(
    (b, x, y) => {
      const product = op(b, 'i32.mul', x as Node, y as Node);
      b.return([op(b, 'i32.add', product, op(b, 'i32.sub', product, i32(b, 1)))]);
    },
    6,
    7,
  );
  assert.equal(result, 83);
});

test('constants of every type arrive whole', () => {
  assert.equal(
    run((b) => b.return([i32(b, 0xfffffffe)])),
    -2,
  );
  for (const value of [-1n, 0x8000_0000_0000_0000n, 0x7f_ffff_ffffn, 0n]) {
    const ref = define([], [64], (b) => b.return([b.constant(64, value)]));
    assert.equal(call(ref), BigInt.asIntN(64, value));
  }
  const double = define([], ['f64'], (b) => b.return([b.constant('f64', -0.1)]));
  assert.equal(call(double), -0.1);
  const single = define([], ['f32'], (b) => b.return([b.constant('f32', 0.1)]));
  assert.equal(call(single), Math.fround(0.1));
  const value = 0x0123456789abcdef_fedcba9876543210n;
  const vector = define([], [], (b) => {
    b.store(128, i32(b, 0), A, b.constant(128, value));
    b.return([]);
  });
  call(vector);
  const halves = [memory.view.getBigUint64(A, true), memory.view.getBigUint64(A + 8, true)];
  assert.deepEqual(halves, [value & 0xffff_ffff_ffff_ffffn, value >> 64n]);
});

test('a load before a store gets the old value, also where it is used after the store', () => {
  poke(A, 10);
  const result = run((b) => {
    const before = load(b, A);
    store(b, A, i32(b, 99));
    const after = load(b, A);
    b.return([op(b, 'i32.sub', op(b, 'i32.mul', before, i32(b, 1000)), after)]);
  });
  assert.equal(result, 10 * 1000 - 99);
});

test('a pure value of a load keeps the load before the effects that came after it', () => {
  poke(A, 5);
  const result = run((b) => {
    const doubled = op(b, 'i32.add', load(b, A), i32(b, 100));
    store(b, A, i32(b, 0));
    b.return([doubled]);
  });
  assert.equal(result, 105);
});

test('a store of what was loaded before another store swaps memory', () => {
  poke(A, 1);
  poke(B, 2);
  run((b) => {
    const [a, c] = [load(b, A), load(b, B)];
    store(b, A, c);
    store(b, B, a);
    b.return([i32(b, 0)]);
  });
  assert.deepEqual([peek(A), peek(B)], [2, 1]);
});

test('a variable read before an assignment keeps what it had', () => {
  const result = run((b, x) => {
    const variable = b.variable(32, x);
    const old = b.use(variable);
    b.assign(variable, op(b, 'i32.add', old, i32(b, 1)));
    b.return([op(b, 'i32.add', op(b, 'i32.mul', old, i32(b, 100)), b.use(variable))]);
  }, 4);
  assert.equal(result, 405);
});

test('a call is an effect: loads stay on their side of it', () => {
  const callee = define([], [32], (b) => {
    store(b, A, op(b, 'i32.add', load(b, A), i32(b, 1)));
    b.return([load(b, A)]);
  });
  poke(A, 7);
  const result = run((b) => {
    const before = load(b, A);
    const [returned] = b.call(callee, [b.param(0), b.param(1)]);
    const after = load(b, A);
    const high = op(b, 'i32.mul', before, i32(b, 10_000));
    b.return([op(b, 'i32.add', high, op(b, 'i32.add', op(b, 'i32.mul', returned as Node, i32(b, 100)), after))]);
  });
  assert.equal(result, 7_08_08);
});

test('a load inside a loop is made anew in every round, one before the loop once', () => {
  poke(A, 3);
  const result = run((b, rounds) => {
    const outside = load(b, A);
    const left = b.variable(32, rounds);
    const sum = b.variable(32, i32(b, 0));
    b.while(
      () => op(b, 'i32.ne', b.use(left), i32(b, 0)),
      () => {
        store(b, A, op(b, 'i32.add', load(b, A), i32(b, 1)));
        b.assign(sum, op(b, 'i32.add', b.use(sum), op(b, 'i32.mul', outside, load(b, A))));
        b.assign(left, op(b, 'i32.sub', b.use(left), i32(b, 1)));
      },
    );
    b.return([b.use(sum)]);
  }, 4);
  assert.equal(result, 3 * (4 + 5 + 6 + 7));
});

test('a value from before a loop that only the loop uses is not computed in every round', () => {
  const { bytes } = code((b, x, y) => {
    const product = op(b, 'i32.mul', x as Node, y as Node);
    const left = b.variable(32, x);
    b.while(
      () => b.use(left),
      () => b.assign(left, op(b, 'i32.sub', b.use(left), product)),
    );
    b.return([]);
  });
  const loop = bytes.indexOf(0x03);
  assert.ok(bytes.indexOf(I32_MUL) < loop && bytes.indexOf(I32_MUL) >= 0);
});

test('a test that calls and stores is run before every round and once more at the end', () => {
  poke(A, 0);
  const result = run((b, limit) => {
    const rounds = b.variable(32, i32(b, 0));
    b.while(
      () => {
        store(b, A, op(b, 'i32.add', load(b, A), i32(b, 1)));
        return op(b, 'i32.lt_u', b.use(rounds), limit as Node);
      },
      () => b.assign(rounds, op(b, 'i32.add', b.use(rounds), i32(b, 1))),
    );
    b.return([b.use(rounds)]);
  }, 5);
  assert.equal(result, 5);
  assert.equal(peek(A), 6);
});

test('nested branches take the way their conditions say, with outer values in reach', () => {
  const build: Build = (b, x, y) => {
    const sum = op(b, 'i32.add', x as Node, y as Node);
    const result = b.variable(32, i32(b, 1));
    b.if(
      x as Node,
      () =>
        b.if(
          y as Node,
          () => b.assign(result, sum),
          () => {
            b.if(op(b, 'i32.eq', sum, i32(b, 9)), () => b.return([i32(b, 999)]));
            b.assign(result, op(b, 'i32.mul', sum, i32(b, 10)));
          },
        ),
      () => b.if(y as Node, () => b.assign(result, op(b, 'i32.sub', i32(b, 0), sum))),
    );
    b.return([b.use(result)]);
  };
  for (const [x, y, expected] of [
    [3, 4, 7],
    [5, 0, 50],
    [9, 0, 999],
    [0, 6, -6],
    [0, 0, 1],
  ] as const) {
    assert.equal(run(build, x, y), expected, `${x}, ${y}`);
  }
});

test('a load made before a branch is not moved behind a store in the branch', () => {
  const build: Build = (b, condition) => {
    const before = load(b, A);
    b.if(condition as Node, () => store(b, A, i32(b, 77)));
    b.return([before]);
  };
  for (const condition of [0, 1]) {
    poke(A, 11);
    assert.equal(run(build, condition), 11);
    assert.equal(peek(A), condition === 1 ? 77 : 11);
  }
});

test('a load that only one branch uses has the value it had before the branch', () => {
  poke(A, 21);
  const result = run((b, condition) => {
    const before = load(b, A);
    const result = b.variable(32, i32(b, 0));
    b.if(condition as Node, () => {
      store(b, A, i32(b, 5));
      b.assign(result, before);
    });
    b.return([b.use(result)]);
  }, 1);
  assert.equal(result, 21);
});

test('loads and stores have the width of their type', () => {
  memory.view.setBigUint64(A, 0xf1f2f3f4_f5f6f7f8n, true);
  assert.equal(
    run((b) => b.return([b.load(8, i32(b, A), 0)])),
    0xf8,
  );
  assert.equal(
    run((b) => b.return([b.load(16, i32(b, A), 1)])),
    0xf6f7,
  );
  run((b) => {
    b.store(8, i32(b, A), 1, i32(b, 0x1234));
    b.store(16, i32(b, A), 4, i32(b, 0x55667788));
    b.return([i32(b, 0)]);
  });
  assert.equal(memory.view.getBigUint64(A, true), 0xf1f27788_f5f634f8n);
});

test('copy and fill move bytes, overlapping or not', () => {
  memory.u8.set([1, 2, 3, 4, 5, 6, 7, 8], A);
  run((b) => {
    b.copy(i32(b, A + 2), i32(b, A), i32(b, 4));
    b.fill(i32(b, A + 6), i32(b, 9), i32(b, 2));
    b.return([i32(b, 0)]);
  });
  assert.deepEqual([...memory.u8.subarray(A, A + 8)], [1, 2, 1, 2, 3, 4, 9, 9]);
});

test('functions call and tail-call each other within a module, across modules and by slot', () => {
  const elsewhere = define([32], [32], (b, x) => b.return([op(b, 'i32.mul', x as Node, i32(b, 3))]));
  const [odd, even, entry] = [space.reserve([32], [32]), space.reserve([32], [32]), space.reserve([32], [32])];
  const module = space.module();
  const alternate = (other: FunctionRef, result: number) => (b: FunctionBuilder) => {
    const n = b.param(2);
    b.if(op(b, 'i32.eqz', n), () => b.return([i32(b, result)]));
    b.tailCall(other, [b.param(0), b.param(1), op(b, 'i32.sub', n, i32(b, 1))]);
  };
  module.define(odd, 'odd', alternate(even, 0));
  module.define(even, 'even', alternate(odd, 1));
  module.define(entry, 'entry', (b) => {
    const [direct] = b.call(odd, [b.param(0), b.param(1), b.param(2)]);
    const [far] = b.call(elsewhere, [b.param(0), b.param(1), direct as Node]);
    b.tailCallAt(i32(b, elsewhere.slot), elsewhere, [b.param(0), b.param(1), far as Node]);
  });
  module.instantiate();
  // A million tail calls use no stack.
  assert.equal(call(entry, 1_000_001), 9);
  assert.equal(call(entry, 1_000_000), 0);
});

test('more functions than the table began with find their places', () => {
  const before = space.table.length;
  const refs = Array.from({ length: before + 10 }, () => space.reserve([], [32]));
  assert.ok(space.table.length > before);
  const last = refs.at(-1) as FunctionRef;
  const module = space.module();
  module.define(last, 'last', (b) => b.return([i32(b, 4321)]));
  module.instantiate();
  assert.equal(call(last), 4321);
  assert.equal(space.table.get((refs[0] as FunctionRef).slot), null);
});

test('loads near the end of memory are bounded by it', () => {
  const ref = define([32], [32], (b, address) => b.return([b.load(32, address as Node, 0)]));
  const end = memory.u8.length;
  memory.view.setUint32(end - 4, 0x01020304, true);
  assert.equal(call(ref, end - 4), 0x01020304);
  assert.throws(() => call(ref, end - 3), WebAssembly.RuntimeError);
});
