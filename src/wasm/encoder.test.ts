import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter, F64, I32, I64, ModuleWriter, V128 } from './encoder.ts';
import { MISC_PREFIX, type Operation, operations, SIMD_PREFIX } from './operations.ts';

const I32_RESULT = { params: [], results: [I32] } as const;

function written(write: (w: ByteWriter) => void): number[] {
  const writer = new ByteWriter();
  write(writer);
  return [...writer.finish()];
}

/** LEB128 read back by its definition: groups of seven bits, the last sign-extended where asked for. */
function decodeLeb(bytes: readonly number[], signed: boolean): bigint {
  let value = 0n;
  bytes.forEach((byte, i) => {
    assert.equal(byte >= 0x80, i < bytes.length - 1, 'only the last byte ends the number');
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
  });
  return signed ? BigInt.asIntN(7 * bytes.length, value) : value;
}

test('unsigned numbers take as few bytes as LEB128 allows', () => {
  for (const [value, bytes] of [
    [0, [0]],
    [0x7f, [0x7f]],
    [0x80, [0x80, 1]],
    [624485, [0xe5, 0x8e, 0x26]],
    [0xffffffff, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ] as const) {
    assert.deepEqual(
      written((w) => w.u32(value)),
      bytes,
    );
  }
});

test('signed numbers keep their sign at every edge of a byte count', () => {
  for (let bit = 0; bit < 63; bit++) {
    for (const near of [-1n, 0n, 1n]) {
      for (const value of [(1n << BigInt(bit)) + near, -(1n << BigInt(bit)) + near]) {
        const wide = written((w) => w.s64(value));
        assert.equal(decodeLeb(wide, true), value);
        if (BigInt.asIntN(32, value) !== value) continue;
        const narrow = written((w) => w.s32(Number(value)));
        assert.equal(decodeLeb(narrow, true), value);
        assert.deepEqual(wide, narrow);
      }
    }
  }
  assert.deepEqual(
    written((w) => w.s32(-123456)),
    [0xc0, 0xbb, 0x78],
  );
  assert.deepEqual(
    written((w) => w.s32(64)),
    [0xc0, 0],
  );
});

test('64-bit numbers wrap at 2^64', () => {
  const bytes = written((w) => w.s64(0xffff_ffff_ffff_fff0n));
  assert.equal(decodeLeb(bytes, true), -16n);
  assert.equal(
    decodeLeb(
      written((w) => w.s64(1n << 63n)),
      true,
    ),
    -(1n << 63n),
  );
});

test('a writer keeps what it has when it grows', () => {
  const writer = new ByteWriter();
  for (let i = 0; i < 1000; i++) writer.u8(i & 0xff);
  writer.append(new Uint8Array(5000).fill(7));
  const bytes = writer.finish();
  assert.equal(bytes.length, 6000);
  assert.ok(bytes.subarray(0, 1000).every((byte, i) => byte === (i & 0xff)));
  assert.ok(bytes.subarray(1000).every((byte) => byte === 7));
});

test('raw values are little endian, negative ones in two’s complement', () => {
  assert.deepEqual(
    written((w) => w.raw(0x0102n, 4)),
    [2, 1, 0, 0],
  );
  assert.deepEqual(
    written((w) => w.raw(-2n, 3)),
    [0xfe, 0xff, 0xff],
  );
});

test('a module with imports, locals, an element and names does what its code says', () => {
  const writer = new ModuleWriter();
  writer.importMemory('e', 'memory', 2, false);
  writer.importTable('e', 'table');
  const unary = { params: [I32], results: [I32] } as const;
  const twice = writer.importFunction('e', 'twice', unary);
  const first = writer.declareFunction();
  const second = writer.declareFunction();
  // Locals of three types, in two runs of i64: the last one holds twice(param) + 1, kept in memory on the way.
  const code = written((w) => {
    for (const byte of [0x41, 16, 0x20, 0, 0x10, twice, 0x36, 2, 0]) w.u8(byte);
    for (const byte of [0x41, 16, 0x28, 2, 0, 0x41, 1, 0x6a, 0xac, 0x21, 5, 0x20, 5, 0xa7]) w.u8(byte);
  });
  writer.defineFunction(second, unary, { locals: [I64, F64, V128, I64, I64], code: Uint8Array.from(code) });
  writer.defineFunction(first, unary, { locals: [], code: Uint8Array.of(0x20, 0, 0x10, second) });
  writer.exportFunction('run', first);
  writer.element(3, second);
  writer.nameFunction(first, 'first');
  const module = new WebAssembly.Module(writer.finish());
  assert.equal(WebAssembly.Module.customSections(module, 'name').length, 1);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 4 });
  const instance = new WebAssembly.Instance(module, { e: { memory, table, twice: (x: number) => 2 * x } });
  const run = instance.exports.run as (x: number) => number;
  assert.equal(run(20), 41);
  assert.equal(new DataView(memory.buffer).getInt32(16, true), 40);
  assert.equal(table.get(3)(5), 11);
  assert.equal(table.get(2), null);
});

test('equal function types share an index', () => {
  const writer = new ModuleWriter();
  const first = writer.type({ params: [I32, I64], results: [] });
  assert.notEqual(writer.type({ params: [I32], results: [I64] }), first);
  assert.equal(writer.type({ params: [I32, I64], results: [] }), first);
});

test('a module with more than 128 functions, and a body beyond 16 KiB, is valid', () => {
  const writer = new ModuleWriter();
  const indices = Array.from({ length: 300 }, () => writer.declareFunction());
  const nops = new Uint8Array(20_000).fill(0x01);
  for (const index of indices) {
    const body = written((w) => {
      if (index === 299) w.append(nops);
      w.u8(0x41);
      w.s32(index);
    });
    writer.defineFunction(index, I32_RESULT, { locals: [], code: Uint8Array.from(body) });
    writer.exportFunction(`f${index}`, index);
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(writer.finish()));
  for (const index of indices) assert.equal((exports[`f${index}`] as () => number)(), index);
});

test('a function that was declared and never defined is refused', () => {
  const writer = new ModuleWriter();
  writer.declareFunction();
  assert.throws(() => writer.finish(), /never defined/);
});

/** A function that applies the operation to its parameters: valid only if opcode and signature agree. */
function moduleOf(operation: Operation): Uint8Array<ArrayBuffer> {
  const writer = new ModuleWriter();
  const index = writer.declareFunction();
  const code = written((w) => {
    operation.params.forEach((_, i) => {
      w.u8(0x20);
      w.u32(i);
    });
    if (operation.code >= SIMD_PREFIX) {
      w.u8(0xfd);
      w.u32(operation.code - SIMD_PREFIX);
    } else if (operation.code >= MISC_PREFIX) {
      w.u8(0xfc);
      w.u32(operation.code - MISC_PREFIX);
    } else {
      w.u8(operation.code);
    }
    for (let lane = 0; lane < operation.lanes; lane++) w.u8(0);
  });
  const type = { params: operation.params, results: [operation.result] };
  writer.defineFunction(index, type, { locals: [], code: Uint8Array.from(code) });
  return writer.finish();
}

test('every operation has the signature that the engine knows it by', () => {
  for (const operation of operations.values()) {
    assert.ok(WebAssembly.validate(moduleOf(operation)), operation.name);
    const wrong: Operation = { ...operation, result: operation.result === I32 ? I64 : I32 };
    assert.ok(!WebAssembly.validate(moduleOf(wrong)), `${operation.name} with another result`);
  }
});

test('operations that only their opcode tells apart are told apart', () => {
  const run = (name: string, ...args: (number | bigint)[]): unknown => {
    const operation = operations.get(name) as Operation;
    const writer = new ModuleWriter();
    const index = writer.declareFunction();
    const code = written((w) => {
      for (const i of operation.params.keys()) w.append(Uint8Array.of(0x20, i));
      if (operation.code >= MISC_PREFIX) w.append(Uint8Array.of(0xfc, operation.code - MISC_PREFIX));
      else w.u8(operation.code);
    });
    writer.defineFunction(
      index,
      { params: operation.params, results: [operation.result] },
      { locals: [], code: Uint8Array.from(code) },
    );
    writer.exportFunction('f', index);
    const { f } = new WebAssembly.Instance(new WebAssembly.Module(writer.finish())).exports;
    return (f as (...args: unknown[]) => unknown)(...args);
  };
  assert.equal(run('i32.div_s', -7, 2), -3);
  assert.equal(run('i32.div_u', -7, 2), 0x7ffffffc);
  assert.equal(run('i32.rem_s', -7, 2), -1);
  assert.equal(run('i32.sub', 5, 7), -2);
  assert.equal(run('i32.shl', 1, 4), 16);
  assert.equal(run('i32.shr_s', -16, 2), -4);
  assert.equal(run('i32.shr_u', -16, 28), 15);
  assert.equal(run('i32.rotl', 0x40000001, 1), -0x7ffffffe);
  assert.equal(run('i32.rotr', 1, 1), -0x80000000);
  assert.equal(run('i32.lt_s', -1, 0), 1);
  assert.equal(run('i32.lt_u', -1, 0), 0);
  assert.equal(run('i32.ge_u', -1, 0), 1);
  assert.equal(run('i32.le_s', 1, 0), 0);
  assert.equal(run('i32.clz', 1), 31);
  assert.equal(run('i32.ctz', 8), 3);
  assert.equal(run('i32.popcnt', 0xff), 8);
  assert.equal(run('i32.extend8_s', 0x80), -128);
  assert.equal(run('i32.extend16_s', 0x8000), -32768);
  assert.equal(run('i64.extend_i32_u', -1), 0xffffffffn);
  assert.equal(run('i64.extend_i32_s', -1), -1n);
  assert.equal(run('i64.extend32_s', 0x80000000n), -0x80000000n);
  assert.equal(run('i64.rotr', 1n, 1n), -(1n << 63n));
  assert.equal(run('f64.nearest', 2.5), 2);
  assert.equal(run('f64.trunc', -2.5), -2);
  assert.equal(run('f64.floor', -2.5), -3);
  assert.equal(run('f64.ceil', -2.5), -2);
  assert.equal(run('f64.copysign', 1, -2), -1);
  assert.equal(run('i32.trunc_sat_f64_s', 1e10), 0x7fffffff);
  assert.equal(run('i32.trunc_sat_f64_u', 1e10), -1);
  assert.equal(run('i64.trunc_sat_f64_s', Number.NaN), 0n);
  assert.equal(run('f64.convert_i64_u', -1n), 2 ** 64);
  assert.equal(run('f64.convert_i64_s', -1n), -1);
});
