import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DS, GP, NP, SS_FAULT, UD } from '../../algebra.ts';
import { RAX, RBX, RCX, RDX, RSP, vcpu } from '../../state.ts';
import * as on from './test-machine.ts';
import { TestMachine } from './test-machine.ts';

const IOPL_3 = 0x3002;

test('privileged instructions give #GP(0) at level 3', () => {
  const codes = {
    HLT: 'f4',
    'MOV CR0': '0f20c0',
    'MOV to CR3': '0f22d8',
    'MOV DR7': '0f21f8',
    CLTS: '0f06',
    LMSW: '0f01f0',
    LGDT: '0f0110',
    LIDT: '0f0118',
    LLDT: '0f00d0',
    LTR: '0f00d8',
    RDMSR: '0f32',
    WRMSR: '0f30',
    INVD: '0f08',
    WBINVD: '0f09',
    INVLPG: '0f0138',
    CLI: 'fa',
    STI: 'fb',
    'IN AL,DX': 'ec',
  };
  for (const [name, code] of Object.entries(codes)) {
    const machine = new TestMachine('protected');
    machine.enterUser(code);
    assert.equal(machine.resume().vector, GP, name);
    assert.equal(machine.stack(0, 4), 0, `${name}: error code`);
    assert.equal(machine.stack(1, 4), on.USER_CODE, `${name}: return address`);
    assert.equal(machine.stack(2, 4), on.CODE_3, `${name}: CS`);
    assert.equal(machine.stack(5, 4), on.DATA_3, `${name}: SS`);
  }
});

test('CLAC and STAC are undefined at level 3', () => {
  for (const code of ['0f01ca', '0f01cb']) {
    const machine = new TestMachine('long');
    machine.enterUser(code);
    assert.equal(machine.resume().vector, UD);
  }
});

test('UMIP takes SGDT, SIDT, SLDT, STR and SMSW away from level 3', () => {
  for (const code of ['0f0100', '0f0108', '0f00c0', '0f00c8', '0f01e0']) {
    const machine = new TestMachine('protected');
    machine.setGpr(RAX, 0x20000);
    machine.enterUser(`${code} 0f0b`);
    assert.equal(machine.resume().vector, UD, `${code} without UMIP`);
    const guarded = new TestMachine('protected');
    guarded.set(vcpu.cr4, 1 << 11);
    guarded.enterUser(`${code} 0f0b`);
    assert.equal(guarded.resume().vector, GP, code);
  }
});

test('POPF changes IF from level 3 only with IOPL 3, and IOPL never', () => {
  // push 3202; popf; pushf; pop eax; ud2
  const code = '68 02320000 9d 9c 58 0f0b';
  for (const [rflags, expected] of [
    [2, 0x2],
    [IOPL_3, 0x3202],
  ] as const) {
    const machine = new TestMachine('protected');
    machine.enterUser(code, rflags);
    assert.equal(machine.resume().vector, UD);
    assert.equal(machine.gpr(RAX), expected);
  }
});

test('CLI and STI work at level 3 with IOPL 3', () => {
  const machine = new TestMachine('protected');
  machine.enterUser('fb 9c 58 fa 9c 5b 0f0b', IOPL_3);
  assert.equal(machine.resume().vector, UD);
  assert.equal(machine.gpr(RAX) & 0x200, 0x200);
  assert.equal(machine.gpr(RBX) & 0x200, 0);
});

test('with PVI, CLI and STI at level 3 move the virtual interrupt flag', () => {
  const VIF = 1 << 19;
  const VIP = 1 << 20;
  const machine = new TestMachine('protected');
  machine.set(vcpu.cr4, 2);
  machine.enterUser('fb 0f0b', 2);
  assert.equal(machine.resume().vector, UD);
  assert.equal(machine.stack(2, 4) & (VIF | 0x200), VIF);
  const pending = new TestMachine('protected');
  pending.set(vcpu.cr4, 2);
  pending.enterUser('fb', 2 | VIP);
  assert.equal(pending.resume().vector, GP);
});

test('the I/O permission map opens single ports to level 3', () => {
  const machine = new TestMachine('protected');
  // Port 0x10 and 0x11 of the map at 0x68.
  machine.write(on.TSS + 0x68 + 2, [0xfc]);
  machine.setGpr(RDX, 0x10);
  machine.setGpr(RAX, 0x1234);
  // out dx, ax; in al, dx; out dx, eax
  machine.enterUser('66ef ec ef');
  assert.equal(machine.resume().vector, GP);
  assert.equal(machine.stack(1, 4), on.USER_CODE + 3);
  assert.deepEqual(machine.portWrites, [{ port: 0x10, value: 0x1234, bytes: 2 }]);
  assert.equal(machine.gpr(RAX) & 0xff, 0x10);
});

test('a map beyond the TSS denies every port', () => {
  const machine = new TestMachine('protected');
  machine.write16(on.TSS + 0x66, 0xffff);
  machine.enterUser('ec');
  assert.equal(machine.resume().vector, GP);
});

test('repeated INS and OUTS move one element after the other', () => {
  const machine = new TestMachine('protected');
  machine.setGpr(RDX, 0x42);
  machine.setGpr(RCX, 5);
  machine.setGpr(7, 0x40000);
  machine.setGpr(6, 0x40000);
  // rep insb; mov ecx, 5; rep outsb; hlt
  assert.equal(machine.run('f36c b905000000 f36e f4').vector, undefined);
  assert.equal(machine.gpr(RCX), 0);
  assert.equal(machine.gpr(7), 0x40005);
  assert.equal(machine.gpr(6), 0x40005);
  assert.deepEqual(
    machine.portWrites.map(({ value }) => value),
    [0x42, 0x42, 0x42, 0x42, 0x42],
  );
});

test('loading a data segment checks its descriptor', () => {
  const cases: [name: string, access: number, rpl: number, cpl: number, vector: number | undefined][] = [
    ['data', 0x93, 0, 0, undefined],
    ['readable code', 0x9b, 0, 0, undefined],
    ['execute-only code', 0x99, 0, 0, GP],
    ['a system segment', 0x89, 0, 0, GP],
    ['not present', 0x13, 0, 0, NP],
    ['data of level 0 with RPL 3', 0x93, 3, 0, GP],
    ['data of level 0 from level 3', 0x93, 0, 3, GP],
    ['conforming code of level 0 from level 3', 0x9f, 3, 3, undefined],
    ['data of level 3 from level 3', 0xf3, 3, 3, undefined],
  ];
  for (const [name, access, rpl, cpl, vector] of cases) {
    const machine = new TestMachine('protected');
    machine.descriptor(on.FREE, 0x1234, 0xff, access, 0);
    machine.setGpr(RAX, on.FREE | rpl);
    // mov fs, ax; ud2
    if (cpl === 3) machine.enterUser('8ee0 0f0b');
    else machine.place(on.CODE, '8ee0 0f0b');
    const ending = machine.resume();
    assert.equal(ending.vector, vector ?? UD, name);
    if (vector === undefined) assert.equal(machine.get(vcpu.segmentBase, 4), 0x1234, name);
    else assert.equal(machine.stack(0, 4), on.FREE, `${name}: error code`);
  }
});

test('loading SS checks its descriptor', () => {
  const cases: [name: string, selector: number, access: number, vector: number | undefined, error: number][] = [
    ['data', on.FREE, 0x93, undefined, 0],
    ['null', 0, 0x93, GP, 0],
    ['read-only data', on.FREE, 0x91, GP, on.FREE],
    ['code', on.FREE, 0x9b, GP, on.FREE],
    ['another RPL', on.FREE | 3, 0x93, GP, on.FREE],
    ['another DPL', on.FREE, 0xf3, GP, on.FREE],
    ['not present', on.FREE, 0x13, SS_FAULT, on.FREE],
    ['beyond the table', 0x400, 0x93, GP, 0x400],
    ['of a local table that there is not', on.FREE | 4, 0x93, GP, on.FREE | 4],
  ];
  for (const [name, selector, access, vector, error] of cases) {
    const machine = new TestMachine('protected');
    machine.descriptor(on.FREE, 0, 0xfffff, access, on.FLAGS_32);
    machine.set(vcpu.segmentAccess, 0x10000, 6);
    machine.setGpr(RAX, selector);
    assert.equal(machine.run('8ed0 0f0b').vector, vector ?? UD, name);
    if (vector !== undefined) assert.equal(machine.stack(0, 4), error, `${name}: error code`);
  }
});

test('loading a segment sets the accessed bit in its descriptor', () => {
  const machine = new TestMachine('protected');
  machine.descriptor(on.FREE, 0, 0xff, 0x92, 0);
  machine.setGpr(RAX, on.FREE);
  machine.run('8ee8 f4');
  assert.equal(machine.read(on.GDT + on.FREE + 5, 1), 0x93);
});

test('a null selector makes accesses through its segment fault', () => {
  const machine = new TestMachine('protected');
  // xor eax, eax; mov ds, ax; mov eax, [0]
  assert.equal(machine.run('31c0 8ed8 a100000000').vector, GP);
  assert.equal(machine.stack(1, 4), on.CODE + 4);
});

test('LDS loads both halves or nothing', () => {
  const machine = new TestMachine('protected');
  machine.write32(0x40000, 0xcafe);
  machine.write16(0x40004, on.FREE);
  machine.descriptor(on.FREE, 0, 0xff, 0x93, 0);
  // lds eax, [0x40000]; hlt
  machine.run('c50500000400 f4');
  assert.equal(machine.gpr(RAX), 0xcafe);
  assert.equal(machine.selector(DS), on.FREE);
  const refused = new TestMachine('protected');
  refused.write32(0x40000, 0xcafe);
  refused.write16(0x40004, on.FREE);
  assert.equal(refused.run('c50500000400 f4').vector, GP);
  assert.equal(refused.gpr(RAX), 0);
  assert.equal(refused.selector(DS), on.DATA_0);
});

test('LAR, LSL, VERR and VERW look without loading', () => {
  const machine = new TestMachine('protected');
  machine.descriptor(on.FREE, 0, 0x12, 0xf3, 0x8);
  machine.setGpr(RAX, on.FREE | 3);
  // lar ecx, ax; lsl edx, ax; hlt
  machine.run('0f02c8 0f03d0 f4');
  assert.equal(machine.gpr(RCX), 0x80f300);
  assert.equal(machine.gpr(RDX), 0x12fff);
  const flag = (code: string, selector: number): boolean => {
    const m = new TestMachine('protected');
    m.descriptor(on.FREE, 0, 0x12, 0x91, 0);
    m.setGpr(RAX, selector);
    // setz bl
    m.run(`${code} 0f94c3 f4`);
    return m.gpr(RBX) === 1;
  };
  assert.equal(flag('0f00e0', on.FREE), true, 'VERR of read-only data');
  assert.equal(flag('0f00e8', on.FREE), false, 'VERW of read-only data');
  assert.equal(flag('0f00e0', on.FREE | 3), false, 'VERR of level 0 with RPL 3');
  assert.equal(flag('0f00e0', 0), false, 'VERR of null');
  assert.equal(flag('0f02c8', on.CODE_0), true, 'LAR of code');
  assert.equal(flag('0f02c8', 0x3f8), false, 'LAR of an empty entry');
});

test('ARPL raises the RPL of its operand', () => {
  const machine = new TestMachine('protected');
  machine.setGpr(RAX, 0x10);
  machine.setGpr(RCX, 3);
  // arpl ax, cx; setz bl; arpl ax, cx; setz dl; hlt
  machine.run('63c8 0f94c3 63c8 0f94c2 f4');
  assert.deepEqual([machine.gpr(RAX), machine.gpr(RBX), machine.gpr(RDX)], [0x13, 1, 0]);
});

test('combinations of CR0 and CR4 that cannot be give #GP(0)', () => {
  const cases: [name: string, code: string, value: number][] = [
    ['PG without PE', '0f22c0', 0x80000010],
    ['NW without CD', '0f22c0', 0x20000011],
    ['a reserved bit of CR4', '0f22e0', 1 << 12],
    ['PCIDE outside IA-32e mode', '0f22e0', 1 << 17],
  ];
  for (const [name, code, value] of cases) {
    const machine = new TestMachine('protected');
    machine.setGpr(RAX, value);
    assert.equal(machine.run(`${code} f4`).vector, GP, name);
  }
  const longCases: [name: string, code: string, value: bigint][] = [
    ['upper half of CR0', '0f22c0', 0x1_80000011n],
    ['clearing PG in 64-bit mode', '0f22c0', 0x11n],
    ['clearing PAE', '0f22e0', 0n],
    ['CR3 beyond the physical address', '0f22d8', 1n << 40n],
    ['bit 63 of CR3 without PCIDE', '0f22d8', (1n << 63n) | 0x4000n],
    ['upper half of DR7', '0f23f8', 1n << 32n],
  ];
  for (const [name, code, value] of longCases) {
    const machine = new TestMachine('long');
    machine.setGpr(RAX, value);
    assert.equal(machine.run(`${code} f4`).vector, GP, name);
  }
});

test('DR4 and DR5 stand for DR6 and DR7, unless CR4.DE makes them undefined', () => {
  const machine = new TestMachine('protected');
  machine.setGpr(RAX, 0xffffffff);
  // mov dr6, eax; mov ebx, dr4; mov ecx, dr5; hlt
  machine.run('0f23f0 0f21e3 0f21e9 f4');
  assert.equal(machine.gpr(RBX), 0xffffefff);
  assert.equal(machine.gpr(RCX), 0x400);
  const extended = new TestMachine('protected');
  extended.set(vcpu.cr4, 8);
  assert.equal(extended.run('0f21e0').vector, UD);
});

test('general detection gives #DB before a debug register is touched, once', () => {
  const machine = new TestMachine('protected');
  machine.set(vcpu.dr, 0x2400, 7);
  assert.equal(machine.run('0f21c0').vector, 1);
  assert.equal(machine.stack(0, 4), on.CODE);
  assert.equal(machine.get(vcpu.dr, 7), 0x400);
  assert.equal(machine.get(vcpu.dr, 6) & 0x2000, 0x2000);
});

test('LMSW sets PE but does not clear it', () => {
  const machine = new TestMachine('protected');
  machine.setGpr(RAX, 0x8);
  machine.run('0f01f0 f4');
  assert.equal(machine.get(vcpu.cr0), 0x19);
});

test('SGDT and SIDT store what LGDT and LIDT loaded', () => {
  const machine = new TestMachine('protected');
  machine.write16(0x40000, 0x1ff);
  machine.write32(0x40002, 0x00abc000);
  machine.setGpr(RAX, 0x40000);
  machine.setGpr(RBX, 0x40010);
  // lidt [eax]; sidt [ebx]; hlt
  machine.run('0f0118 0f010b f4');
  assert.equal(machine.read(0x40010, 2), 0x1ff);
  assert.equal(machine.read(0x40012, 4), 0x00abc000);
});

test('LTR marks its descriptor busy and refuses a busy one', () => {
  const machine = new TestMachine('protected');
  machine.descriptor(on.FREE, 0x5000, 0x67, on.ACCESS_TSS_32, 0);
  machine.setGpr(RAX, on.FREE);
  // ltr ax; str ebx; ltr ax
  assert.equal(machine.run('0f00d8 0f00cb 0f00d8').vector, GP);
  assert.equal(machine.gpr(RBX), on.FREE);
  assert.equal(machine.read(on.GDT + on.FREE + 5, 1), on.ACCESS_TSS_32 | 2);
});

test('RSP is as before after an instruction that faults in the middle', () => {
  const machine = new TestMachine('protected');
  machine.setGpr(RAX, 0x999);
  // push eax; pop fs
  assert.equal(machine.run('50 0fa1').vector, GP);
  assert.equal(machine.gpr(RSP), on.STACK - 4 - 16);
});
