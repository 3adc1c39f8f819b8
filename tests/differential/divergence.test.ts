import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vcpu } from '../../src/cpu/state.ts';
import type { Guest } from '../../src/vmm/guest.ts';
import { boot, countingClock } from '../boot/booted.ts';
import { tinyKernel } from '../tiny-kernel.ts';
import { type Boot, findDivergence } from './divergence.ts';
import { differingFields } from './registers.ts';

/** 1,200,001 instructions, some slices long. */
const LOOP = [
  ...[0xb9, 0x80, 0x1a, 0x06, 0x00], // mov ecx, 400000
  ...[0xff, 0xc3], // again: inc ebx
  ...[0xff, 0xc9], // dec ecx
  ...[0x75, 0xfa], // jnz again
  ...[0xb0, 0x2a, 0xe6, 0xf4], // mov al, 42; out 0xf4, al
];
const PLACE = 777_777;
const ESI = 6;
const DATA = 0x10_1234;

/** Boots the loop; `spoil` is called once, between the instruction with that number and the next. */
function loop(spoil?: (guest: Guest) => void): Boot {
  return async (prepare) => {
    const { end } = await boot(
      {
        kernel: { image: tinyKernel(LOOP), commandLine: '' },
        time: 'deterministic',
        memoryBytes: 16 << 20,
        optionalDevices: ['isa-debug-exit'],
        host: countingClock(),
      },
      (guest) => {
        const { cpu } = guest.debug;
        const run = cpu.run.bind(cpu);
        cpu.run = (budget) => {
          const left = PLACE - cpu.instructions;
          const reason = run(left > 0 ? Math.min(budget, left) : budget);
          if (left > 0 && cpu.instructions === PLACE) spoil?.(guest);
          return reason;
        };
        prepare(guest);
      },
    );
    await end;
  };
}

test('equal runs have no divergence', async () => {
  assert.equal(await findDivergence([loop(), loop()]), undefined);
});

test('a register that changes in one run is found at the instruction', async () => {
  const spoilt = loop(({ debug: { cpu } }) => cpu.set(vcpu.gpr, 1n, ESI));
  const found = await findDivergence([loop(), spoilt]);
  assert(found !== undefined);
  assert.deepEqual([found.where, found.alike, found.apart], ['vcpu', PLACE - 1, PLACE]);
  const [a, b] = found.after.map(({ state }) => state) as [Uint8Array, Uint8Array];
  assert.deepEqual(differingFields(a, b), ['gpr[6]: 0000000000000000, 0000000000000001']);
});

test('memory that changes in one run, and is not looked at, is found at the instruction', async () => {
  const spoilt = loop(({ debug: { frames } }) => frames.write(DATA, Uint8Array.of(1)));
  const found = await findDivergence([loop(), spoilt], { from: 700_000 });
  assert(found !== undefined);
  assert.deepEqual([found.where, found.alike, found.apart], ['memory', PLACE - 1, PLACE]);
  assert.deepEqual(found.memory, [DATA]);
});

test('a run that ends early is found', async () => {
  const stopped = loop((guest) => guest.stop());
  const found = await findDivergence([loop(), stopped]);
  assert(found !== undefined);
  assert.deepEqual([found.where, found.alike], ['vcpu', PLACE]);
});
