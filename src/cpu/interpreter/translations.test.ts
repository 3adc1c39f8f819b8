import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RAX, RBX, RCX, RDX, vcpu } from '../state.ts';
import { CODE, DATA, LongModeMachine } from './test-long-mode.ts';
import { ACCESSED, DIRTY, LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE } from './test-machine.ts';

const LINEAR = 0x70_0000;
const FIRST = 0x21000;
const SECOND = 0x22000;
const PAGE = 0x1000;
const PAGE_FAULT = 14;
const CR4_PCIDE = 1n << 17n;
const CR4_PGE = 1n << 7n;
const KEEP = 1n << 63n;
const GLOBAL = 0x100n;

/** LINEAR mapped to a page that begins with 1, and a page that begins with 2 to map it to instead. */
function makeMachine(): LongModeMachine {
  const machine = new LongModeMachine();
  machine.map(BigInt(LINEAR), FIRST, PRESENT | WRITABLE);
  machine.write64(FIRST, 1n);
  machine.write64(SECOND, 2n);
  machine.setGpr(RBX, LINEAR);
  return machine;
}

/** Runs code and gives RAX. */
function run(machine: LongModeMachine, code: string): number {
  machine.code(code);
  machine.run(100);
  assert.equal(machine.exception, undefined);
  return machine.gpr(RAX);
}

const READ = '8b 03 f4'; // mov eax, [rbx]; hlt
const INVLPG_READ = '0f 01 3b 8b 03 f4';

describe('a remembered translation', () => {
  it('is used until INVLPG', () => {
    const machine = makeMachine();
    assert.equal(run(machine, READ), 1);
    machine.map(BigInt(LINEAR), SECOND, PRESENT | WRITABLE);
    assert.equal(run(machine, READ), 1);
    assert.equal(run(machine, INVLPG_READ), 2);
  });

  it('of a large page goes with any of its addresses', () => {
    const machine = makeMachine();
    const large = 0x80_0000;
    machine.map(BigInt(large), 0, PRESENT | WRITABLE | LARGE);
    machine.setGpr(RBX, large + FIRST);
    machine.setGpr(RCX, large + 0x1000);
    assert.equal(run(machine, READ), 1);
    machine.write64(machine.entryOf(BigInt(large), true), 0n);
    machine.map(BigInt(large + FIRST), SECOND, PRESENT | WRITABLE);
    assert.equal(run(machine, '0f 01 39 8b 03 f4'), 2); // invlpg [rcx]
  });

  it('is dropped by MOV to CR3, but not where it is global', () => {
    const machine = makeMachine();
    machine.cpu.set(vcpu.cr4, machine.cpu.get(vcpu.cr4) | CR4_PGE);
    const other = LINEAR + PAGE;
    machine.map(BigInt(other), FIRST, PRESENT | WRITABLE | GLOBAL);
    machine.setGpr(RCX, other);
    run(machine, '0f 20 d8 0f 22 d8 8b 03 8b 01 f4');
    machine.map(BigInt(LINEAR), SECOND, PRESENT | WRITABLE);
    // mov rax, cr3; mov cr3, rax; mov eax, [rbx]; hlt
    assert.equal(run(machine, '0f 20 d8 0f 22 d8 8b 03 f4'), 2);
    // SDM Vol. 3A §4.10.2.4: software that wants to be rid of it uses INVLPG.
    machine.map(BigInt(other), SECOND, PRESENT | WRITABLE | GLOBAL);
    assert.equal(run(machine, '0f 20 d8 0f 22 d8 8b 01 f4'), 1);
    assert.equal(run(machine, '0f 01 39 8b 01 f4'), 2);
  });

  it('is dropped by MOV to CR3 also where many are', () => {
    const machine = makeMachine();
    machine.cpu.set(vcpu.cr4, machine.cpu.get(vcpu.cr4) | CR4_PGE);
    const pages = Array.from({ length: 600 }, (_, i) => LINEAR + i * PAGE);
    const reads = (physical: number): number[] =>
      pages.map((page) => {
        machine.map(BigInt(page), physical, PRESENT | WRITABLE);
        machine.setGpr(RBX, page);
        return run(machine, READ);
      });
    run(machine, '0f 20 d8 0f 22 d8 f4');
    assert.deepEqual(new Set(reads(FIRST)), new Set([1]));
    run(machine, '0f 20 d8 0f 22 d8 f4');
    assert.deepEqual(new Set(reads(SECOND)), new Set([2]));
  });

  it('belongs to its PCID and outlives others', () => {
    const machine = makeMachine();
    machine.cpu.set(vcpu.cr4, machine.cpu.get(vcpu.cr4) | CR4_PCIDE);
    const root = BigInt(machine.root);
    machine.setGpr(RCX, root | 1n);
    machine.setGpr(RDX, root | 2n | KEEP);
    // mov cr3, rcx; mov eax, [rbx]; hlt
    assert.equal(run(machine, '0f 22 d9 8b 03 f4'), 1);
    machine.map(BigInt(LINEAR), SECOND, PRESENT | WRITABLE);
    // PCID 2 knows nothing of what PCID 1 remembers.
    assert.equal(run(machine, '0f 22 da 8b 03 f4'), 2);
    // By way of PCID 1 and back to 2, which may still use what it remembered, and does.
    machine.map(BigInt(LINEAR), FIRST, PRESENT | WRITABLE);
    machine.setGpr(RCX, root | 1n | KEEP);
    assert.equal(run(machine, '0f 22 d9 0f 22 da 8b 03 f4'), 2);
    machine.map(BigInt(LINEAR), SECOND, PRESENT | WRITABLE);
    // Without bit 63 all of a PCID is forgotten.
    machine.setGpr(RCX, root | 1n);
    assert.equal(run(machine, '0f 22 d9 8b 03 f4'), 2);
  });

  it('is not confused by more address spaces than there are tags', () => {
    const machine = makeMachine();
    for (let i = 0; i < 2100; i++) {
      const page = i % 2 === 0 ? SECOND : FIRST;
      machine.map(BigInt(LINEAR), page, PRESENT | WRITABLE);
      assert.equal(run(machine, '0f 20 d8 0f 22 d8 8b 03 f4'), i % 2 === 0 ? 2 : 1);
    }
  });

  it('of a read is no permission to write', () => {
    const machine = makeMachine();
    machine.map(BigInt(LINEAR), FIRST, PRESENT);
    machine.code('8b 03 89 03 f4');
    machine.run(100);
    assert.equal(machine.exception, PAGE_FAULT);
    assert.equal(machine.read64(0x31000 - 0x100 - 48), 3n);
  });

  it('of a supervisor page is no permission for CPL 3', () => {
    const machine = makeMachine();
    assert.equal(run(machine, READ), 1);
    machine.setPrivilege(3);
    machine.code(READ);
    machine.run(1);
    assert.equal(machine.exception, PAGE_FAULT);
    assert.equal(machine.cpu.get(vcpu.cr2), BigInt(LINEAR));
  });

  it('is made with accessed and dirty bits set', () => {
    const machine = makeMachine();
    const entry = machine.entryOf(BigInt(LINEAR));
    run(machine, READ);
    assert.equal(machine.read64(entry) & (ACCESSED | DIRTY), ACCESSED);
    run(machine, '89 03 f4');
    assert.equal(machine.read64(entry) & (ACCESSED | DIRTY), ACCESSED | DIRTY);
  });
});

describe('remembered code', () => {
  const INC_EAX = 'ff c0 f4';
  const DEC_EAX = 'ff c8 f4';

  it('is that of the new page after INVLPG', () => {
    const machine = makeMachine();
    machine.poke(FIRST, INC_EAX);
    machine.poke(SECOND, DEC_EAX);
    const go = (code: string): number => {
      machine.code(code);
      machine.run(100);
      return machine.gpr(RAX);
    };
    assert.equal(go('ff e3'), 1); // jmp rbx
    machine.map(BigInt(LINEAR), SECOND, PRESENT);
    assert.equal(go('0f 01 3b ff e3'), 0);
  });

  for (const [pages, cr4] of [
    ['without', 0n],
    ['with', CR4_PGE],
  ] as const) {
    it(`is that of the address space ${pages} global pages`, () => switchSpaces(cr4));
  }

  function switchSpaces(cr4: bigint): void {
    const machine = makeMachine();
    machine.cpu.set(vcpu.cr4, machine.cpu.get(vcpu.cr4) | cr4);
    machine.poke(FIRST, INC_EAX);
    machine.poke(SECOND, DEC_EAX);
    const other = machine.addRoot();
    for (const page of [CODE, 0x40000, 0x30000, 0x41000, 0x42000])
      machine.map(BigInt(page), page, PRESENT | WRITABLE, other);
    machine.map(BigInt(LINEAR), SECOND, PRESENT, other);
    const go = (root: number): number => {
      machine.setGpr(RCX, root);
      machine.code('0f 22 d9 ff e3'); // mov cr3, rcx; jmp rbx
      machine.run(100);
      return machine.gpr(RAX);
    };
    assert.equal(go(machine.root), 1);
    assert.equal(go(other), 0);
    assert.equal(go(machine.root), 1);
    assert.equal(go(machine.root), 2);
  }

  it('that crosses pages is that of both pages', () => {
    const machine = makeMachine();
    const start = LINEAR + PAGE - 2;
    machine.map(BigInt(LINEAR + PAGE), FIRST, PRESENT);
    machine.map(BigInt(LINEAR), 0x23000, PRESENT);
    machine.poke(0x23ffe, 'b8 11');
    machine.poke(FIRST, '00 00 00 f4');
    machine.poke(SECOND, '22 00 00 f4');
    machine.setGpr(RBX, start);
    machine.setGpr(RCX, LINEAR + PAGE);
    assert.equal(run(machine, 'ff e3'), 0x11);
    machine.map(BigInt(LINEAR + PAGE), SECOND, PRESENT);
    assert.equal(run(machine, '0f 01 39 ff e3'), 0x2211);
  });

  it('whose second page is gone faults there', () => {
    const machine = makeMachine();
    machine.poke(FIRST + PAGE - 2, 'b8 11');
    machine.setGpr(RBX, LINEAR + PAGE - 2);
    machine.code('ff e3');
    machine.run(2);
    assert.equal(machine.exception, PAGE_FAULT);
    assert.equal(machine.cpu.get(vcpu.cr2), BigInt(LINEAR + PAGE));
  });

  it('cannot be run once it is not executable', () => {
    const machine = makeMachine();
    machine.poke(FIRST, INC_EAX);
    run(machine, 'ff e3');
    machine.map(BigInt(LINEAR), FIRST, PRESENT | NO_EXECUTE);
    machine.code('0f 01 3b ff e3');
    machine.run(3);
    assert.equal(machine.exception, PAGE_FAULT);
    // Present, a fetch.
    assert.equal(machine.read64(0x31000 - 0x100 - 48), 0x11n);
  });

  it('of CPL 0 is not that of CPL 3', () => {
    const machine = makeMachine();
    machine.poke(FIRST, INC_EAX);
    run(machine, 'ff e3');
    machine.setPrivilege(3);
    machine.code('ff e3');
    machine.run(2);
    assert.equal(machine.exception, PAGE_FAULT);
    machine.map(BigInt(LINEAR), FIRST, PRESENT | USER);
  });
});

describe('data', () => {
  it('across two pages goes to both', () => {
    const machine = makeMachine();
    machine.map(BigInt(LINEAR + PAGE), 0x25000, PRESENT | WRITABLE);
    machine.setGpr(RBX, LINEAR + PAGE - 3);
    machine.setGpr(RAX, 0x0807060504030201n);
    machine.code('48 89 03 48 8b 0b f4'); // mov [rbx], rax; mov rcx, [rbx]
    machine.run(100);
    assert.equal(machine.cpu.get(vcpu.gpr, RCX), 0x0807060504030201n);
    assert.deepEqual([...machine.page(FIRST).subarray(PAGE - 3)], [1, 2, 3]);
    assert.deepEqual([...machine.page(0x25000).subarray(0, 5)], [4, 5, 6, 7, 8]);
  });

  it('across a page that is not there is not written at all', () => {
    const machine = makeMachine();
    machine.setGpr(RBX, LINEAR + PAGE - 3);
    machine.code('48 c7 03 ff ff ff ff f4');
    machine.run(1);
    assert.equal(machine.exception, PAGE_FAULT);
    assert.equal(machine.cpu.get(vcpu.cr2), BigInt(LINEAR + PAGE));
    assert.deepEqual([...machine.page(FIRST).subarray(PAGE - 3)], [0, 0, 0]);
    assert.equal(machine.read64(DATA), 0n);
  });
});
