import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RAX, RBX, RCX, RDI, RSP, vcpu } from '../state.ts';
import { CODE, DATA, HANDLERS, LongModeMachine, STACK_TOP } from './test-long-mode.ts';
import { NO_EXECUTE, PRESENT, WRITABLE } from './test-machine.ts';

const PAGE = 0x1000;
const UD = 6;

describe('written code', () => {
  it('takes effect on the next instruction of the same block', () => {
    const machine = new LongModeMachine();
    // mov byte [rip+1], 7; mov al, 1; hlt
    machine.code('c6 05 01 00 00 00 07  b0 01  f4');
    assert.equal(machine.run(10), 'halt');
    assert.equal(machine.gpr(RAX), 7);
    assert.equal(machine.cpu.instructions, 3);
  });

  it('takes effect in a loop that is linked to itself', () => {
    const machine = new LongModeMachine();
    // again: add eax, 1; inc byte [rip-7+..] (the immediate); dec ecx; jnz again; hlt
    machine.code('83 c0 01  fe 05 f9 ff ff ff  ff c9  75 f3  f4');
    machine.setGpr(RCX, 5);
    assert.equal(machine.run(100), 'halt');
    assert.equal(machine.gpr(RAX), 1 + 2 + 3 + 4 + 5);
    assert.equal(machine.cpu.instructions, 5 * 4 + 1);
  });

  it('takes effect through another mapping of the same memory', () => {
    const machine = new LongModeMachine();
    const alias = 0x90000;
    machine.map(BigInt(alias), CODE, PRESENT | WRITABLE | NO_EXECUTE);
    machine.code('b0 01 f4');
    machine.run(10);
    // mov byte [0x90001], 9; jmp to it
    machine.code('c6 04 25 01 00 09 00 09  e9 f3 ff fe ff', DATA);
    machine.run(10);
    assert.equal(machine.gpr(RAX), 9);
  });

  it('takes effect in the second page of an instruction that crosses', () => {
    const machine = new LongModeMachine();
    const crossing = CODE + PAGE - 3;
    // mov eax, imm32 with its last two bytes in the next page; hlt
    machine.code('b8 01 00 00 00 f4', crossing);
    machine.run(10);
    assert.equal(machine.gpr(RAX), 1);
    // mov byte [CODE + 0x1000], 2; jmp
    machine.code('c6 04 25 00 10 01 00 02  b9 fd 0f 01 00  ff e1', DATA);
    machine.run(10);
    assert.equal(machine.gpr(RAX), 0x20001);
  });

  it('takes effect when a device writes it', () => {
    const machine = new LongModeMachine();
    machine.code('b0 01 f4');
    machine.run(10);
    machine.poke(CODE + 1, '05');
    machine.rip = CODE;
    machine.run(10);
    assert.equal(machine.gpr(RAX), 5);
  });

  it('takes effect where an undefined opcode was', () => {
    const machine = new LongModeMachine();
    machine.code('0f 04 f4');
    machine.run(10);
    assert.equal(machine.exception, UD);
    machine.poke(CODE + 1, 'c8'); // bswap eax
    machine.rip = CODE;
    machine.setGpr(RAX, 0x01020304);
    machine.run(2);
    assert.equal(machine.gpr(RAX), 0x04030201);
  });

  it('takes effect where an undefined opcode crossed into the next page', () => {
    const machine = new LongModeMachine();
    machine.code('0f 04 f4', CODE + PAGE - 1);
    machine.run(10);
    assert.equal(machine.exception, UD);
    machine.poke(CODE + PAGE, 'c8');
    machine.rip = CODE + PAGE - 1;
    machine.setGpr(RAX, 0x01020304);
    machine.run(2);
    assert.equal(machine.gpr(RAX), 0x04030201);
  });

  it('takes effect when a repeated string instruction writes it', () => {
    const machine = new LongModeMachine();
    machine.code('b0 01 b0 02 f4', DATA);
    machine.run(10);
    assert.equal(machine.gpr(RAX), 2);
    // mov al, 0x90; rep stosb; jmp rbx
    machine.code('b0 90 f3 aa ff e3');
    machine.setGpr(RDI, DATA);
    machine.setGpr(RCX, 4);
    machine.setGpr(RBX, DATA);
    machine.run(100);
    assert.equal(machine.rip, DATA + 5);
    assert.equal(machine.gpr(RAX), 0x90);
  });

  it('takes effect when an exception pushes over it', () => {
    const machine = new LongModeMachine();
    // Something to run where the frame will be: it ends at STACK_TOP - 0x100.
    const place = STACK_TOP - 0x108;
    machine.code('b0 01 b0 02 b0 03 f4 f4', place);
    machine.run(10);
    assert.equal(machine.gpr(RAX), 3);
    machine.code('b0 05 0f 0b b0 06'); // ud2 in the middle of a block
    machine.run(10);
    assert.equal(machine.exception, UD);
    assert.equal(machine.gpr(RSP), STACK_TOP - 0x100 - 40);
    // SS is what lies there now.
    assert.equal(machine.read64(place), 0x10n);
    machine.rip = place;
    machine.run(1);
    assert.equal(machine.rip, place + 2);
    assert.equal(machine.gpr(RAX), 5);
  });

  it('takes effect when an interrupt pushes over it', () => {
    const machine = new LongModeMachine();
    const place = STACK_TOP - 0x108;
    machine.code('b0 01 b0 02 b0 03 f4 f4', place);
    machine.run(10);
    machine.code('90 90 90');
    machine.run(1);
    assert.equal(machine.cpu.interrupt(0x20), true);
    assert.equal(machine.rip, HANDLERS + 0x200);
    assert.equal(machine.read64(place), 0x10n);
  });

  it('is forgotten with its frame', () => {
    const machine = new LongModeMachine();
    machine.code('b0 01 f4');
    machine.run(10);
    machine.page(CODE)[1] = 8;
    machine.engine.blocks.dropFrame(machine.machine(CODE));
    machine.rip = CODE;
    machine.run(10);
    assert.equal(machine.gpr(RAX), 8);
  });
});

describe('links between blocks', () => {
  it('are made again after their target was rewritten, without the run loop', () => {
    const machine = new LongModeMachine();
    // top: jmp body; body: inc eax; dec ecx; jnz top; hlt
    const loop = 'eb 00  ff c0  ff c9  75 f8  f4';
    machine.code(loop);
    machine.setGpr(RCX, 100);
    machine.run(1000);
    machine.poke(CODE + 2, 'ff c3'); // inc ebx
    machine.rip = CODE;
    machine.setGpr(RCX, 100);
    machine.run(40);
    const { decodedInstructions } = machine.engine.blocks;
    let lookups = 0;
    const { find } = machine.engine.blocks;
    machine.engine.blocks.find = (request) => {
      lookups++;
      return find.call(machine.engine.blocks, request);
    };
    machine.run(40);
    assert.equal(lookups, 0);
    assert.equal(machine.engine.blocks.decodedInstructions, decodedInstructions);
    machine.run(1000);
    assert.equal(machine.gpr(RBX), 100);
  });

  it('through registers find rewritten code without the run loop', () => {
    const machine = new LongModeMachine();
    // top: inc eax; dec ecx; jz end; jmp rbx; end: hlt
    machine.code('ff c0  ff c9  74 02  ff e3  f4');
    machine.setGpr(RBX, CODE);
    machine.setGpr(RCX, 50);
    machine.run(1000);
    machine.poke(CODE + 1, 'c2'); // inc edx
    machine.rip = CODE;
    machine.setGpr(RCX, 50);
    machine.run(40);
    let lookups = 0;
    const { find } = machine.engine.blocks;
    machine.engine.blocks.find = (request) => {
      lookups++;
      return find.call(machine.engine.blocks, request);
    };
    machine.run(40);
    assert.equal(lookups, 0);
    machine.run(1000);
    assert.equal(machine.cpu.get(vcpu.gpr, 2), 50n);
  });
});
