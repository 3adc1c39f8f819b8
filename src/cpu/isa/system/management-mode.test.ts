import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UD } from '../../algebra.ts';
import { RAX, RBX, vcpu } from '../../state.ts';
import * as on from './test-machine.ts';
import { TestMachine } from './test-machine.ts';

const SMBASE = 0x20000;
const HANDLER = SMBASE + 0x8000;
const AREA = SMBASE + 0xfe00;
const RSM = '0faa';

/** Runs `handler` (hexadecimal, 16-bit code) by an SMI in front of `code`; gives how it went. */
function interrupted(machine: TestMachine, handler: string, code = 'f4') {
  machine.set(vcpu.smbase, SMBASE);
  machine.set(vcpu.rip, machine.mode === 'real' ? 0 : on.CODE);
  machine.place(on.CODE, code);
  machine.place(HANDLER, handler);
  machine.cpu.requestManagement();
  machine.cpu.takeManagementInterrupt();
  return machine.resume();
}

/** mov dword cs:[area + offset], value */
function patch(offset: number, value: number): string {
  return `2e67 66 c705 ${on.hex(0xfe00 + offset, 4)} ${on.hex(value, 4)}`;
}

for (const mode of ['real', 'protected', 'long'] as const) {
  test(`an SMI in ${mode} mode comes back as if it had not been`, () => {
    const machine = new TestMachine(mode);
    machine.setGpr(RBX, 0xb0b);
    const before = machine.cpu.stateBytes();
    // mov eax, 1234h; xor bx, bx; mov dr7, eax; rsm
    interrupted(machine, `66b834120000 33db 0f23f8 ${RSM}`, 'f4');
    assert.equal(machine.get(vcpu.managementMode), 0);
    // But for the instructions counted, and that HLT has been executed.
    const blank = (bytes: Uint8Array): Uint8Array => {
      for (const field of [vcpu.instructions, vcpu.rip, vcpu.smbase]) {
        bytes.fill(0, field.offset, field.offset + field.type / 8);
      }
      return bytes;
    };
    assert.deepEqual(blank(machine.cpu.stateBytes()), blank(before));
  });
}

test('an SMI waits while another is handled, and in the shadow of MOV SS', () => {
  const machine = new TestMachine('protected');
  machine.set(vcpu.smbase, SMBASE);
  machine.set(vcpu.managementMode, 1);
  machine.cpu.requestManagement();
  machine.cpu.takeManagementInterrupt();
  assert.deepEqual([machine.get(vcpu.smiPending), machine.cpu.managementHeld], [1, false]);
  machine.set(vcpu.managementMode, 0);
  machine.set(vcpu.interruptShadow, 2);
  machine.set(vcpu.shadowBudget, 0xffffffff);
  assert.equal(machine.cpu.managementHeld, true);
  machine.cpu.takeManagementInterrupt();
  assert.equal(machine.get(vcpu.managementMode), 0);
  machine.set(vcpu.interruptShadow, 0);
  machine.cpu.takeManagementInterrupt();
  assert.deepEqual([machine.get(vcpu.managementMode), machine.get(vcpu.smiPending)], [1, 0]);
});

test('RSM is undefined outside of system-management mode', () => {
  assert.equal(new TestMachine('protected').run(`${RSM} f4`).vector, UD);
});

test('RSM restores what the handler has left in the state-save area', () => {
  const machine = new TestMachine('protected');
  interrupted(machine, `${patch(0x1f8, 0x5eed)} ${patch(0x100, 0x30000)} ${RSM}`, '90f4');
  assert.equal(machine.gpr(RAX), 0x5eed);
  assert.equal(machine.get(vcpu.smbase), 0x30000);
});

test('an absent segment of the state-save area cannot be used', () => {
  const machine = new TestMachine('protected');
  // The attributes of DS without P; mov eax, [0]; hlt
  const word = `2e67 66 8125 ${on.hex(0xfe30, 4)} ${on.hex(0xff7fffff, 4)}`;
  assert.notEqual(interrupted(machine, `${word} ${RSM}`, 'a100000000 f4').vector, undefined);
});

test('RSM shuts down where the state cannot be', () => {
  const wrong: readonly (readonly [what: string, offset: number, value: number])[] = [
    ['CR0.PG without PE', 0x158, 0x8000_0010],
    ['CR0.NW without CD', 0x158, 0x2000_0011],
    ['upper half of CR0', 0x15c, 1],
    ['reserved bit of CR4', 0x148, 1 << 12],
    ['CR4.PCIDE outside of IA-32e mode', 0x148, 1 << 17],
    ['reserved bit of EFER', 0x0d0, 2],
  ];
  for (const [what, offset, value] of wrong) {
    const machine = new TestMachine('protected');
    assert.throws(() => interrupted(machine, `${patch(offset, value)} ${RSM}`), /triple fault/, what);
  }
  const long = new TestMachine('long');
  assert.throws(() => interrupted(long, `${patch(0x148, 0)} ${RSM}`), /triple fault/, 'IA-32e mode without PAE');
  const pae = new TestMachine('protected');
  pae.write32(on.CODE + 0x800, 3);
  const bad = [patch(0x148, 0x20), patch(0x150, on.CODE + 0x800), patch(0x158, 0x8000_0011)];
  assert.throws(() => interrupted(pae, `${bad.join('')} ${RSM}`), /triple fault/, 'pointers of PAE paging');
});

test('the state-save area is where SMBASE says', () => {
  const machine = new TestMachine('long');
  machine.setGpr(RAX, 0x1234_5678_9abc);
  interrupted(machine, RSM);
  assert.equal(machine.read(AREA + 0x1f8, 8), 0x1234_5678_9abc);
  assert.equal(machine.read(AREA + 0xfc, 4), 0x20064);
  assert.equal(machine.read(AREA + 0x100, 4), SMBASE);
  assert.equal(machine.read(AREA + 0xd0, 4), 0x501);
});

test('whatever is in the state-save area, the host goes on', () => {
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed >>> 8;
  };
  const modes = [
    { cr0: 0x10, cr4: 0, efer: 0 },
    { cr0: 0x11, cr4: 0, efer: 0 },
    { cr0: 0x8000_0011, cr4: 0x10, efer: 0 },
    { cr0: 0x8000_0011, cr4: 0x20, efer: 0 },
    { cr0: 0x8000_0011, cr4: 0x20, efer: 0x500 },
  ];
  const reasons = new Set<string>();
  for (let i = 0; i < 150; i++) {
    const machine = new TestMachine(i % 2 === 0 ? 'protected' : 'long');
    const { cr0, cr4, efer } = modes[random() % modes.length] as (typeof modes)[0];
    machine.write(
      AREA,
      Array.from({ length: 0x200 }, random).map((word) => word & 0xff),
    );
    for (const [offset, value] of [
      [0x158, cr0],
      [0x148, cr4],
      [0x0d0, efer],
    ] as const) {
      machine.write32(AREA + offset, value);
      machine.write32(AREA + offset + 4, 0);
    }
    machine.set(vcpu.smbase, SMBASE);
    machine.set(vcpu.managementMode, 1);
    machine.place(on.CODE, RSM);
    reasons.add(machine.cpu.run(1));
    machine.cpu.attention = false;
    reasons.add(machine.cpu.run(20));
  }
  assert(reasons.has('shutdown') && reasons.has('event'), [...reasons].join());
});
