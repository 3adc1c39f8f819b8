import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RAX, RBX, RCX, vcpu } from '../state.ts';
import { CODE, DATA, DEVICE, DEVICE_PHYSICAL, HANDLERS, IST1, LongModeMachine, TSS } from './test-long-mode.ts';
import { PRESENT, WRITABLE } from './test-machine.ts';

const PAGE_FAULT = 14;

interface Seen {
  readonly what: string;
  /** Instructions retired, this one included, when the device was asked. */
  readonly at: number;
}

/** A machine whose device holds 0x11 and notes what it is asked. */
function makeMachine(): { machine: LongModeMachine; seen: Seen[] } {
  const machine = new LongModeMachine();
  const seen: Seen[] = [];
  const note = (what: string): void => void seen.push({ what, at: machine.cpu.instructions });
  machine.devices = {
    deviceRead: (physical, bytes) => {
      note(`read ${bytes} at ${physical - DEVICE_PHYSICAL}`);
      return 0x11n;
    },
    deviceWrite: (physical, bytes, value) => note(`write ${bytes} at ${physical - DEVICE_PHYSICAL}: ${value}`),
    portRead: (port, bytes) => {
      note(`in ${bytes} from ${port}`);
      return 0x22;
    },
    portWrite: (port, bytes, value) => note(`out ${bytes} to ${port}: ${value}`),
  };
  machine.setGpr(RBX, DEVICE);
  return { machine, seen };
}

describe('a device access', () => {
  it('in the middle of a block happens once, at its instruction', () => {
    for (const slices of [[20], [1], [3], [2, 5]]) {
      const { machine, seen } = makeMachine();
      // inc eax; inc eax; mov ecx, [rbx+8]; inc eax; mov [rbx+16], ax; inc eax; in al, 0x60; out 0x61, al; hlt
      machine.code('ff c0 ff c0 8b 4b 08 ff c0 66 89 43 10 ff c0 e4 60 e6 61 f4');
      for (let i = 0, left = 20; left > 0 && machine.rip < CODE + 20; i++) {
        const count = slices[i % slices.length] as number;
        machine.run(count);
        left -= count;
      }
      assert.deepEqual(
        seen,
        [
          { what: 'read 4 at 8', at: 3 },
          { what: 'write 2 at 16: 3', at: 5 },
          { what: 'in 1 from 96', at: 7 },
          { what: 'out 1 to 97: 34', at: 8 },
        ],
        `slices of ${slices}`,
      );
      assert.equal(machine.gpr(RCX), 0x11);
      assert.equal(machine.cpu.instructions, 9);
    }
  });

  it('that reads and writes does each once', () => {
    const { machine, seen } = makeMachine();
    machine.code('90 83 03 05 90 f4'); // add dword [rbx], 5
    machine.run(20);
    assert.deepEqual(
      seen.map(({ what }) => what),
      ['read 4 at 0', 'write 4 at 0: 22'],
    );
  });

  it('gets no more bits than it is wide', () => {
    const { machine, seen } = makeMachine();
    machine.code('88 03 66 89 03 89 03 00 03 e6 60 f4'); // mov [rbx], al, ax, eax; add [rbx], al; out 0x60, al
    machine.setGpr(RAX, 0x0102_0304_0506_0708n);
    machine.run(20);
    assert.deepEqual(
      seen.map(({ what }) => what),
      [
        'write 1 at 0: 8',
        `write 2 at 0: ${0x0708}`,
        `write 4 at 0: ${0x0506_0708}`,
        'read 1 at 0',
        `write 1 at 0: ${0x11 + 8}`,
        'out 1 to 96: 8',
      ],
    );
  });

  it('of 16 bytes is two of 8', () => {
    const { machine, seen } = makeMachine();
    machine.code('90 0f 10 03 90 0f 11 43 20 f4'); // movups xmm0, [rbx]; movups [rbx+32], xmm0
    machine.cpu.set(vcpu.cr4, machine.cpu.get(vcpu.cr4) | 0x200n);
    machine.cpu.contextChanged();
    machine.run(20);
    assert.deepEqual(
      seen.map(({ what }) => what),
      ['read 8 at 0', 'read 8 at 8', 'write 8 at 32: 17', 'write 8 at 40: 17'],
    );
  });

  it('by a call pushes to the device', () => {
    const { machine, seen } = makeMachine();
    machine.setGpr(4, DEVICE + 0x100);
    machine.code('90 90 e8 00 00 00 00 f4');
    machine.run(20);
    assert.deepEqual(seen, [{ what: `write 8 at 248: ${CODE + 7}`, at: 3 }]);
  });

  it('is split off its block from then on', () => {
    const { machine, seen } = makeMachine();
    machine.code('ff c0 8b 0b ff ca 75 f8 f4'); // top: inc eax; mov ecx, [rbx]; dec edx; jnz top
    machine.setGpr(2, 10);
    machine.run(1000);
    assert.equal(machine.gpr(RAX), 10);
    assert.equal(seen.length, 10);
    assert.deepEqual(
      seen.map(({ at }) => at),
      [2, 6, 10, 14, 18, 22, 26, 30, 34, 38],
    );
    assert.equal(machine.cpu.replays, 1);
  });

  it('that asks for the run loop ends the slice there', () => {
    const { machine } = makeMachine();
    machine.devices = {
      deviceWrite: () => {
        machine.cpu.attention = true;
      },
    };
    machine.code('ff c0 89 03 ff c0 ff c0 f4');
    assert.equal(machine.run(100), 'event');
    assert.equal(machine.gpr(RAX), 1);
    assert.equal(machine.cpu.instructions, 2);
    assert.equal(machine.rip, CODE + 4);
  });

  it('across a page boundary is made byte by byte, after both pages were found', () => {
    const { machine, seen } = makeMachine();
    machine.map(BigInt(DEVICE + 0x1000), DEVICE_PHYSICAL + 0x5000, PRESENT | WRITABLE);
    machine.cpu.translations.flushAll();
    machine.code('90 89 83 fe 0f 00 00 90 f4'); // mov [rbx+0xffe], eax
    machine.setGpr(RAX, 0x04030201);
    machine.run(20);
    assert.deepEqual(
      seen.map(({ what }) => what),
      ['write 1 at 4094: 1', 'write 1 at 4095: 2', 'write 1 at 20480: 3', 'write 1 at 20481: 4'],
    );
  });

  it('is not made by an instruction that faults on its other operand', () => {
    const { machine, seen } = makeMachine();
    machine.code('90 ff b3 00 00 00 00 f4'); // push qword [rbx], onto a stack that is not there
    machine.setGpr(4, 0x60_0000);
    machine.setGate(PAGE_FAULT, HANDLERS + 16 * PAGE_FAULT, 1);
    machine.write64(TSS + IST1, BigInt(DATA + 0x800));
    machine.run(2);
    assert.equal(machine.exception, PAGE_FAULT);
    assert.ok(seen.length <= 1);
  });
});
