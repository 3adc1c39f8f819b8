import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AC, type Algebra, CS, DS, defineRoutine, FS, GP, PF, SS, SS_FAULT, UD, type Value } from '../algebra.ts';
import { RAX, RBX, RSP, vcpu } from '../state.ts';
import { CODE, DATA, machine, READ_ONLY } from './test-machine.ts';
import { bitsOf, DefinitionError } from './values.ts';

/** Outcome of `body` as an instruction: the fault's vector, error code and address, or 'done'. */
function outcome(
  body: (m: Algebra) => void,
  mode: 16 | 32 | 64 = 64,
  setUp?: (t: ReturnType<typeof machine>) => void,
): unknown {
  const t = machine(body, [0x90], { mode });
  setUp?.(t);
  const { fault } = t.engine.step();
  if (fault === undefined) return 'done';
  return fault.linear === undefined ? [fault.vector, fault.errorCode] : [fault.vector, fault.errorCode, fault.linear];
}

const load =
  (offset: bigint, segment: 0 | 1 | 2 | 3 | 4 | 5 = DS, bits: 16 | 32 | 64 = 64) =>
  (m: Algebra) =>
    void m.load(32, m.at(segment, m.const(bits, offset)));
const store =
  (offset: bigint, segment: 0 | 1 | 2 | 3 | 4 | 5 = DS, bits: 16 | 32 | 64 = 64) =>
  (m: Algebra) =>
    m.store(m.at(segment, m.const(bits, offset)), m.const(32, 0x1234_5678));

test('loads and stores are little endian and cross pages', () => {
  const t = machine(
    (m) => {
      m.store(m.at(DS, m.const(64, DATA + 0xffen)), m.const(32, 0x1234_5678));
      m.setGpr(RAX, m.load(64, m.at(DS, m.const(64, DATA + 0xffcn))));
    },
    [0x90],
  );
  assert.equal(t.engine.step().fault, undefined);
  assert.deepEqual([...t.data.subarray(0xffe, 0x1002)], [0x78, 0x56, 0x34, 0x12]);
  assert.equal(t.state.get(vcpu.gpr, RAX), 0x1234_5678_0000n);
  assert.equal(t.state.get(vcpu.rip), CODE + 1n);
});

test('pages give faults with error code and address', () => {
  assert.equal(outcome(load(READ_ONLY)), 'done');
  assert.deepEqual(outcome(store(READ_ONLY)), [PF, 7, READ_ONLY]);
  assert.deepEqual(outcome(load(0x9000n)), [PF, 4, 0x9000n]);
  assert.deepEqual(outcome(store(0x9000n)), [PF, 6, 0x9000n]);
  assert.deepEqual(outcome(store(READ_ONLY - 2n)), [PF, 7, READ_ONLY]);
  assert.deepEqual(
    outcome((m) => m.probeWrite(m.at(DS, m.const(64, READ_ONLY - 1n)), 2)),
    [PF, 7, READ_ONLY],
  );
  const supervisor = (t: ReturnType<typeof machine>) => t.state.set(vcpu.cpl, 0n);
  assert.deepEqual(outcome(store(0x9000n), 64, supervisor), [PF, 2, 0x9000n]);
});

test('a store that faults leaves memory alone', () => {
  const t = machine(store(READ_ONLY - 2n), [0x90]);
  t.engine.step();
  assert.deepEqual([...t.data.subarray(0x1ffe)], [0, 0]);
  assert.equal(t.state.get(vcpu.rip), CODE);
  assert.equal(t.state.number(vcpu.faultVector), PF);
  assert.equal(t.state.get(vcpu.faultLinear), READ_ONLY);
});

test('user code cannot reach supervisor pages, but system accesses can', () => {
  const map = (t: ReturnType<typeof machine>) =>
    t.memory.map(0x9000n, { bytes: new Uint8Array(4096), user: false, writable: true, executable: false });
  assert.deepEqual(outcome(load(0x9000n), 64, map), [PF, 5, 0x9000n]);
  assert.equal(
    outcome((m) => m.storeSystem(m.const(64, 0x9000n), m.const(64, 1n)), 64, map),
    'done',
  );
});

test('addresses that are not canonical are #GP, or #SS through SS', () => {
  assert.deepEqual(outcome(load(1n << 47n)), [GP, 0]);
  assert.deepEqual(outcome(load(1n << 47n, SS)), [SS_FAULT, 0]);
  assert.deepEqual(outcome(load((1n << 47n) - 2n)), [GP, 0]);
  const fs = (t: ReturnType<typeof machine>) => t.state.set(vcpu.segmentBase, DATA - 0x10n, FS);
  assert.equal(outcome(load(0x10n, FS), 64, fs), 'done');
  assert.deepEqual(outcome(load(0xffn, FS), 64), [PF, 4, 0xffn]);
});

test('segments outside 64-bit mode have base, limit and type', () => {
  const limited = (t: ReturnType<typeof machine>) => {
    t.state.set(vcpu.segmentBase, DATA, DS);
    t.state.set(vcpu.segmentLimit, 0xfffn, DS);
    t.state.set(vcpu.segmentLimit, 0x1fffn, SS);
  };
  assert.equal(outcome(load(0xffcn, DS, 32), 32, limited), 'done');
  assert.deepEqual(outcome(load(0xffdn, DS, 32), 32, limited), [GP, 0]);
  assert.deepEqual(outcome(load(0x1ffdn, SS, 32), 32, limited), [SS_FAULT, 0]);
  assert.deepEqual(outcome(load(0xffffn, DS, 16), 16), [GP, 0]);
  assert.equal(outcome(load(CODE, CS, 32), 32), 'done');
  assert.deepEqual(outcome(store(CODE, CS, 32), 32), [GP, 0]);
  const access = (bits: bigint) => (t: ReturnType<typeof machine>) => t.state.set(vcpu.segmentAccess, bits, DS);
  assert.deepEqual(outcome(store(DATA, DS, 32), 32, access(0x40f1n)), [GP, 0]); // read-only data
  assert.deepEqual(outcome(load(DATA, DS, 32), 32, access(0x40f9n)), [GP, 0]); // execute-only code
  assert.deepEqual(outcome(load(DATA, DS, 32), 32, access(0x1_0000n)), [GP, 0]); // null
});

test('expand-down segments begin behind their limit', () => {
  const down = (t: ReturnType<typeof machine>) => {
    t.state.set(vcpu.segmentAccess, 0x40f7n, DS);
    t.state.set(vcpu.segmentLimit, DATA + 3n, DS);
  };
  assert.deepEqual(outcome(load(DATA + 3n, DS, 32), 32, down), [GP, 0]);
  assert.equal(outcome(load(DATA + 4n, DS, 32), 32, down), 'done');
});

test('real mode checks limits but no types', () => {
  const real = (t: ReturnType<typeof machine>) => {
    t.state.set(vcpu.cr0, 0n);
    t.state.set(vcpu.cpl, 0n);
    t.memory.map(CODE, { bytes: new Uint8Array(4096).fill(0x90), user: true, writable: true, executable: true });
  };
  assert.equal(outcome(store(CODE, CS, 16), 16, real), 'done');
  assert.deepEqual(outcome(store(0xfffen, DS, 16), 16, real), [GP, 0]);
});

test('alignment is checked where CR0.AM and RFLAGS.AC ask for it', () => {
  const checked = (t: ReturnType<typeof machine>) => {
    t.state.set(vcpu.cr0, 0x8004_0001n);
    t.state.set(vcpu.rflags, 1n << 18n);
  };
  assert.deepEqual(outcome(load(DATA + 2n), 64, checked), [AC, 0]);
  assert.equal(outcome(load(DATA + 4n), 64, checked), 'done');
  assert.equal(outcome(load(DATA + 2n)), 'done');
});

test('pushes and pops move the stack pointer by the stack address size', () => {
  const t = machine((m) => m.push(m.const(32, 7)), [0x90], { mode: 32 });
  t.state.set(vcpu.gpr, 0xffff_ffff_0000_2008n, RSP);
  t.engine.step();
  assert.equal(t.state.get(vcpu.gpr, RSP), 0x2004n);
  assert.equal(t.data[4], 7);
  const small = machine((m) => m.setGpr(RBX, m.pop(16)), [0x90], { mode: 16 });
  small.state.set(vcpu.gpr, 0x1234_3ffen, RSP);
  small.data[0x1ffe] = 9;
  small.engine.step();
  assert.equal(small.state.get(vcpu.gpr, RSP), 0x1234_4000n);
  assert.equal(small.state.get(vcpu.gpr, RBX), 9n);
});

test('instructions are fetched as far as they reach', () => {
  const at = (offset: bigint, code: number[]) => {
    const t = machine(() => {}, []);
    const bytes = new Uint8Array(4096);
    bytes.set(code, Number(offset));
    t.memory.map(CODE, { bytes, user: true, writable: false, executable: true });
    t.state.set(vcpu.rip, CODE + offset);
    const { fault } = t.engine.step();
    return fault && [fault.vector, fault.errorCode, fault.linear];
  };
  assert.equal(at(0xfffn, [0x90]), undefined);
  assert.deepEqual(at(0xfffn, [0x66]), [PF, 0x15, DATA]); // not executable
  assert.deepEqual(at(0xffen, [0x0f, 0x05]), [UD, undefined, undefined]);
  assert.deepEqual(at(0n, new Array(15).fill(0x66)), [GP, 0, undefined]);
});

test('fetching stops at the limit of CS', () => {
  const t = machine(() => {}, [0x66, 0x90], { mode: 32 });
  t.state.set(vcpu.segmentLimit, CODE, CS);
  assert.deepEqual(t.engine.step().fault?.vector, GP);
  t.state.set(vcpu.segmentLimit, CODE + 1n, CS);
  assert.equal(t.engine.step().fault, undefined);
});

test('jumps must reach code', () => {
  assert.deepEqual(
    outcome((m) => m.jump(m.const(64, 1n << 60n))),
    [GP, 0],
  );
  const limit = (t: ReturnType<typeof machine>) => t.state.set(vcpu.segmentLimit, 0x1fffn, CS);
  assert.equal(
    outcome((m) => m.jump(m.const(64, 0x1fffn)), 32, limit),
    'done',
  );
  assert.deepEqual(
    outcome((m) => m.jump(m.const(64, 0x2000n)), 32, limit),
    [GP, 0],
  );
});

test('relative branches wrap at the operand size', () => {
  const t = machine((m, target) => m.branch(undefined, target), [0x66, 0xe8, 0x00, 0x80], {
    mode: 32,
    form: 'E8 Jz ends',
  });
  assert.equal(t.engine.step().fault, undefined);
  assert.equal(t.state.get(vcpu.rip), 0x9004n);
});

test('again leaves the instruction where it is', () => {
  const t = machine((m) => m.again(), [0x90]);
  assert.equal(t.engine.step().again, true);
  assert.equal(t.state.get(vcpu.rip), CODE);
});

test('cpl0 forms are #GP outside ring 0', () => {
  const t = machine(() => assert.fail('must not run'), [0x90], { form: '90 cpl0' });
  assert.deepEqual(t.engine.step().fault?.vector, GP);
});

test('high byte registers', () => {
  const t = machine((m, a, b) => m.write(a, m.read(b)), [0x88, 0xe7], { form: '88 /r Eb,Gb' }); // mov bh, ah
  t.state.set(vcpu.gpr, 0x1234n, RAX);
  t.state.set(vcpu.gpr, 0xffff_ffffn, RBX);
  t.engine.step();
  assert.equal(t.state.get(vcpu.gpr, RBX), 0xffff_12ffn);
});

const faulting = { name: 'faulting', params: [32], results: [32] } as const;

test('routines may fault only if they say so, and attempt turns their faults into values', () => {
  const raise = (m: Algebra, ...results: Value[]): Value[] => {
    m.raise(GP, 8);
    return results;
  };
  const honest = defineRoutine({ ...faulting, name: 'honest', results: [], faults: true, body: (m) => raise(m) });
  const silent = defineRoutine({ ...faulting, name: 'silent', faults: false, body: raise });
  const loading = defineRoutine({
    ...faulting,
    name: 'loading',
    faults: false,
    body: (m) => [m.load(32, m.at(DS, m.const(64, DATA)))],
  });
  const curious = defineRoutine({
    ...faulting,
    name: 'curious',
    faults: true,
    body: (m) => [m.const(m.operandSize, 0)],
  });
  assert.deepEqual(
    outcome((m) => void m.call(honest, m.const(32, 0))),
    [GP, 8],
  );
  for (const routine of [silent, loading, curious]) {
    assert.throws(() => outcome((m) => void m.call(routine, m.const(32, 0))), DefinitionError);
  }
  assert.throws(() => outcome((m) => void m.call(honest, m.const(64, 0))), DefinitionError);
  const t = machine((m) => m.setGpr(RAX, m.zext(m.attempt(honest, m.const(32, 0)), 64)), [0x90]);
  assert.equal(t.engine.step().fault, undefined);
  assert.equal(t.state.get(vcpu.gpr, RAX), 1n);
  assert.deepEqual([t.state.number(vcpu.faultVector), t.state.number(vcpu.faultCode)], [GP, 8]);
});

test('control flow follows guest values', () => {
  const t = machine(
    (m) => {
      const count = m.variable(m.const(32, 5));
      const sum = m.variable(m.const(32, 0));
      m.while(
        () => m.not(m.isZero(m.use(count))),
        () => {
          m.assign(sum, m.add(m.use(sum), m.use(count)));
          m.assign(count, m.sub(m.use(count), m.const(32, 1)));
        },
      );
      m.if(
        m.eq(m.use(sum), m.const(32, 15)),
        () => m.setGpr(RAX, m.use(sum)),
        () => assert.fail('the sum is 15'),
      );
      assert.throws(() => m.assign(sum, m.const(64, 0)), DefinitionError);
      assert.equal(bitsOf(m.machineAddress(m.const(64, DATA), 'read')), 0n);
    },
    [0x90],
  );
  assert.equal(t.engine.step().fault, undefined);
  assert.equal(t.state.get(vcpu.gpr, RAX), 15n);
});
