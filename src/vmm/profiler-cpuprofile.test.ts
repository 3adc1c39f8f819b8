import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertConsistent, timesOf } from '../../tests/cli/cpuprofile.ts';
import { Profiler } from './profiler.ts';
import { cpuProfile } from './profiler-cpuprofile.ts';
import { SymbolTable } from './symbols.ts';

const KERNEL = 0xffffffff_81000000n;
const ENTRY = KERNEL + 0x40n;
const symbol = (name: string, address: bigint) => ({ name, address, end: address + 0x40n, rank: 0 });
const SYMBOLS = new SymbolTable([
  symbol('start', KERNEL),
  symbol('entry_SYSCALL_64', ENTRY),
  symbol('main', 0x401000n),
]);

type Step = readonly [address: bigint | 'idle', ns: number, inUserMode?: boolean];

function profiled(steps: readonly Step[], syscallEntry = 0n): Profiler {
  const profiler = new Profiler();
  let now = 1_000_499;
  profiler.start(now);
  for (const [address, ns, inUserMode = false] of steps) {
    now += ns;
    if (address === 'idle') profiler.idled(now);
    else profiler.ran(profiler.due, now, { linearIp: address, inUserMode, syscallEntry });
  }
  profiler.finish(now, { linearIp: 0n, inUserMode: false, syscallEntry });
  return profiler;
}

test('time is told by level and function, and by page where no symbol is known', () => {
  const profile = cpuProfile(
    profiled([
      [KERNEL + 4n, 5000],
      [KERNEL + 0x1234n, 6000],
      ['idle', 70_000],
      [0x55d0_c0a3_f123n, 8000, true],
      [0x401002n, 1000, true],
      [KERNEL + 5n, 5000],
    ]),
    SYMBOLS,
  );
  assertConsistent(profile);
  assert.deepEqual(timesOf(profile), {
    '(kernel) start': 10,
    '(kernel) kernel 0xffffffff81001000': 6,
    '(idle)': 70,
    '(user) user 0x55d0c0a3f000': 8,
    '(user) main': 1,
  });
  assert.equal(profile.startTime, 1000);
  assert.equal(profile.endTime, 1095);
});

test('without symbols there are pages', () => {
  const profile = cpuProfile(profiled([[KERNEL + 0x1234n, 6000]]), undefined);
  assert.deepEqual(timesOf(profile), { '(kernel) kernel 0xffffffff81001000': 6 });
});

test('a function met in both modes is two nodes', () => {
  const profile = cpuProfile(
    profiled([
      [0x401002n, 1000, true],
      [0x401002n, 2000],
    ]),
    SYMBOLS,
  );
  assertConsistent(profile);
  assert.deepEqual(timesOf(profile), { '(user) main': 1, '(kernel) main': 2 });
});

test('rounding to microseconds loses no time', () => {
  const profile = cpuProfile(
    profiled(Array.from({ length: 3000 }, (_, i) => [KERNEL + BigInt(i) * 0x1000n, 333] as const)),
    undefined,
  );
  assertConsistent(profile);
  assert.equal(profile.endTime - profile.startTime, 999);
});

test('a kernel that runs elsewhere than linked has its names, by where it takes system calls', () => {
  const moved = 0x1a400000n;
  const steps: Step[] = [
    [KERNEL + moved, 1000],
    [0x401002n, 2000, true],
  ];
  const profile = cpuProfile(profiled(steps, ENTRY + moved), SYMBOLS);
  assert.deepEqual(timesOf(profile), { '(kernel) start': 1, '(user) main': 2 });
});

test('an entry for system calls that no kernel can have moves nothing', () => {
  for (const entry of [0n, 0xdeadn, ENTRY + 0x1000n, ENTRY + (1n << 30n), ENTRY - (1n << 30n), 2n ** 64n - 1n]) {
    const profile = cpuProfile(profiled([[KERNEL, 1000]], entry), SYMBOLS);
    assert.deepEqual(timesOf(profile), { '(kernel) start': 1 }, entry.toString(16));
  }
});

test('a profile of nothing is a profile', () => {
  const profile = cpuProfile(new Profiler(), undefined);
  assertConsistent(profile);
  assert.equal(profile.endTime, profile.startTime);
  assert(profile.samples.length > 0);
});
