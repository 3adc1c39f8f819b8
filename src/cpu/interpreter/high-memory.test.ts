import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineMemory } from '../machine-memory.ts';
import { RAX, RBX, RCX, RDI, RSI, vcpu } from '../state.ts';
import { CODE, DATA, DEVICE, LongModeMachine } from './test-long-mode.ts';

/** Machine addresses from 2 GiB on, negative as 32-bit numbers: of frames, blocks, and the vCPU itself. */

const HALF = 2 ** 31;
const PAGE = 0x1000;
const UD = 6;

/** Everything above 2 GiB; the pages up there are never touched, so they cost nothing. */
function makeMachine(): LongModeMachine {
  const memory = new MachineMemory(1 << 20);
  memory.region(HALF);
  const machine = new LongModeMachine(memory);
  assert.ok(machine.cpu.base > HALF && machine.machine(CODE) > HALF);
  return machine;
}

/** Runs code that ends in HLT. */
function run(machine: LongModeMachine, code: string): void {
  machine.code(code);
  assert.equal(machine.run(100_000), 'halt');
  assert.equal(machine.exception, undefined);
}

test('loads, stores and read-modify-writes find their bytes, the second time as well as the first', () => {
  const machine = makeMachine();
  machine.setGpr(RBX, DATA);
  machine.setGpr(RAX, 0x1122334455667788n);
  for (let round = 1; round <= 2; round++) {
    // mov [rbx], rax; add byte [rbx], 1; lock inc dword [rbx+4]; mov rcx, [rbx]; hlt
    run(machine, '48 89 03  80 03 01  f0 ff 43 04  48 8b 0b  f4');
    assert.equal(machine.read64(DATA), 0x1122334555667789n);
    assert.equal(machine.cpu.get(vcpu.gpr, RCX), 0x1122334555667789n);
  }
});

test('an access over a page boundary meets both frames', () => {
  const machine = makeMachine();
  machine.setGpr(RBX, DATA + PAGE - 3);
  machine.setGpr(RAX, 0x0102030405060708n);
  run(machine, '48 89 03  48 8b 0b  f4');
  assert.equal(machine.cpu.get(vcpu.gpr, RCX), 0x0102030405060708n);
  assert.deepEqual([...machine.page(DATA).subarray(PAGE - 3)], [8, 7, 6]);
  assert.deepEqual([...machine.page(DATA + PAGE).subarray(0, 5)], [5, 4, 3, 2, 1]);
});

test('string instructions copy and fill, over pages', () => {
  const machine = makeMachine();
  const bytes = Uint8Array.from({ length: 0x1800 }, (_, i) => (i * 13) & 0xff);
  machine.write(DATA + 0x100, bytes);
  machine.setGpr(RSI, DATA + 0x100);
  machine.setGpr(RDI, DATA + 0x5003);
  machine.setGpr(RCX, bytes.length);
  run(machine, 'f3 a4 f4');
  for (let i = 0; i < bytes.length; i++) {
    const at = DATA + 0x5003 + i;
    assert.equal(machine.page(at)[0], bytes[i]);
  }
  machine.setGpr(RDI, DATA + 0x5003);
  machine.setGpr(RCX, bytes.length);
  machine.setGpr(RAX, 0x77);
  run(machine, 'f3 aa f4');
  assert.ok(
    machine
      .page(DATA + 0x6000)
      .subarray(0, 0x803)
      .every((byte) => byte === 0x77),
  );
  assert.equal(machine.page(DATA + 0x6000)[0x803], 0);
});

test('branches are linked, within a page and between pages', () => {
  const machine = makeMachine();
  machine.setGpr(RCX, 0xffff_fff0);
  // jmp to the next page; there: inc ecx; jnz back; jmp to the HLT here
  machine.poke(CODE + PAGE, 'ff c1 75 fc  e9 00 f0 ff ff');
  machine.poke(CODE + 9, 'f4');
  machine.code('e9 fb 0f 00 00');
  assert.equal(machine.run(1000), 'halt');
  assert.equal(machine.gpr(RCX), 0);
  assert.equal(machine.cpu.instructions, 1 + 2 * 16 + 1 + 1);
});

test('code written over by the guest or a device runs as written', () => {
  const machine = makeMachine();
  machine.setGpr(RBX, CODE);
  // mov eax, 1; inc byte [rbx+1]; hlt: each run makes the next one's number greater by one.
  for (let expected = 1; expected <= 4; expected++) {
    if (expected === 1) machine.code('b8 01 00 00 00  fe 43 01  f4');
    machine.rip = CODE;
    assert.equal(machine.run(100), 'halt');
    assert.equal(machine.gpr(RAX), expected);
  }
  machine.poke(CODE + 1, '63');
  machine.rip = CODE;
  machine.run(100);
  assert.equal(machine.gpr(RAX), 0x63);
});

test('a page written to before it was run is watched from then on', () => {
  const machine = makeMachine();
  machine.poke(DATA, 'b8 00 00 00 00 c3'); // mov eax, 0; ret
  machine.setGpr(RBX, DATA);
  // mov byte [rbx+1], 5; call rbx; mov byte [rbx+1], 6; call rbx; hlt
  run(machine, 'c6 43 01 05  ff d3  c6 43 01 06  ff d3  f4');
  assert.equal(machine.gpr(RAX), 6);
});

test('an instruction across two frames is fetched from both', () => {
  const machine = makeMachine();
  machine.poke(CODE + PAGE - 2, 'b8 78 56 34 12 f4');
  for (let round = 0; round < 2; round++) {
    machine.setGpr(RAX, 0);
    machine.rip = CODE + PAGE - 2;
    assert.equal(machine.run(10), 'halt');
    assert.equal(machine.gpr(RAX), 0x12345678);
  }
});

test('exceptions are delivered, and devices reached', () => {
  const machine = makeMachine();
  machine.devices = { deviceRead: (physical, bytes) => BigInt(physical) * 16n + BigInt(bytes) };
  machine.setGpr(RBX, DEVICE);
  machine.code('90 8b 43 20 90 0f 0b');
  assert.equal(machine.run(100), 'halt');
  assert.equal(machine.gpr(RAX), 0x10_0020 * 16 + 4);
  assert.equal(machine.exception, UD);
});
