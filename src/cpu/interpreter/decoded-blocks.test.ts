/** Blocks that are taken over decoded, from an engine in which they ended earlier than they would here. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RAX, RCX } from '../state.ts';
import type { EngineChoice } from '../translator/statistics.ts';
import { CODE, LongModeMachine } from './test-long-mode.ts';

const TURNS = 100;
/** add eax, 1; add eax, 2; add eax, 3; dec ecx; jnz; hlt. The third instruction is at offset 6. */
const LOOP = '83 c0 01  83 c0 02  83 c0 03  ff c9  75 f3  f4';

function turn(machine: LongModeMachine): void {
  machine.rip = CODE;
  machine.setGpr(RAX, 0);
  machine.setGpr(RCX, TURNS);
  // Regions that are given up call for it.
  machine.cpu.attention = false;
  assert.equal(machine.run(10 * TURNS), 'halt');
  assert.equal(machine.gpr(RAX), 6 * TURNS);
}

for (const tiers of ['interpreter', 'translator'] satisfies EngineChoice[]) {
  test(`a block that is shorter than its code counts its own instructions (${tiers})`, () => {
    const machine = new LongModeMachine(undefined, { tiers });
    const { blocks } = machine.engine;
    blocks.countdown = 20;
    machine.code(LOOP);
    blocks.split(machine.machine(CODE + 3));
    turn(machine);
    const [images = []] = blocks.images(() => 0, Number.POSITIVE_INFINITY).values();
    assert(
      images.some(({ key, code }) => key >> 6 === 0 && code.length === 6),
      'the block ends where it was split',
    );

    // What is known of the frame goes, where the block was split included.
    const before = machine.cpu.instructions;
    blocks.dropFrame(machine.machine(CODE));
    const taken: number[] = [];
    blocks.decodedBefore = {
      find(_frame: number, key: number) {
        taken.push(key >> 6);
        return images.find((image) => image.key === key);
      },
    };
    turn(machine);
    assert(taken.includes(0), 'the block was taken over');
    assert.equal(machine.cpu.instructions - before, 5 * TURNS + 1);
    if (tiers === 'translator') assert(machine.engine.translatorStats.translations > 1, 'it was translated again');
    turn(machine);
    assert.equal(machine.cpu.instructions - before, 2 * (5 * TURNS + 1));
  });
}
