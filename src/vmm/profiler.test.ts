import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDLE, IN_KERNEL, IN_USER, Profiler, type SampledCpu } from './profiler.ts';

class FakeCpu implements SampledCpu {
  linearIp = 0n;
  inUserMode = false;
  syscallEntry = 0n;
}

/** Runs the time and the processor of a guest that is profiled. One instruction takes a nanosecond. */
class Run {
  readonly profiler: Profiler;
  readonly cpu = new FakeCpu();
  nowNs = 1_000_000;

  constructor(capacity?: number) {
    this.profiler = new Profiler(capacity);
    this.profiler.start(this.nowNs);
  }

  /** Runs until the next sample, at `address`. */
  sample(address: bigint, ns = this.profiler.due): void {
    this.cpu.linearIp = address;
    this.nowNs += ns;
    this.profiler.ran(this.profiler.due, this.nowNs, this.cpu);
  }

  idle(ns: number): void {
    this.nowNs += ns;
    this.profiler.idled(this.nowNs);
  }

  times(): Map<bigint, number> {
    const times = new Map<bigint, number>();
    for (const { address, ns } of this.profiler.samples()) times.set(address, (times.get(address) ?? 0) + ns);
    return times;
  }
}

const sum = (profiler: Profiler): number => [...profiler.samples()].reduce((total, { ns }) => total + ns, 0);

test('a sample has the time since the one before, and where the processor is when it is due', () => {
  const run = new Run();
  const { profiler, cpu } = run;
  const due = profiler.due;
  cpu.linearIp = 1n;
  profiler.ran(due - 10, run.nowNs + 500, cpu);
  assert.equal(profiler.due, 10);
  assert.deepEqual([...profiler.samples()], []);
  cpu.linearIp = 2n;
  cpu.inUserMode = true;
  profiler.ran(10, run.nowNs + 700, cpu);
  assert.deepEqual([...profiler.samples()], [{ activity: IN_USER, address: 2n, ns: 700 }]);
  assert.equal(profiler.startNs, run.nowNs);
});

test('where slices end says nothing: a guest that halts often is not sampled at its HLT', () => {
  const run = new Run();
  const { profiler, cpu } = run;
  for (let i = 0; i < 10_000; i++) {
    cpu.linearIp = 0xbadn;
    const instructions = Math.min(1000, profiler.due);
    if (instructions === profiler.due) cpu.linearIp = 0xbeefn;
    run.nowNs += instructions;
    profiler.ran(instructions, run.nowNs, cpu);
    run.idle(5000);
  }
  const times = run.times();
  assert.equal(times.has(0xbadn), false);
  assert.equal(times.get(0n), 50_000_000);
  assert(profiler.due > 0);
});

test('samples come at intervals that vary', () => {
  const run = new Run();
  const intervals = new Set<number>();
  for (let i = 0; i < 100; i++) {
    intervals.add(run.profiler.due);
    run.sample(1n);
  }
  assert(intervals.size > 90);
});

test('idle time has no address, and is one sample until the guest does something', () => {
  const run = new Run();
  run.idle(100);
  run.idle(200);
  run.sample(7n, 50);
  run.idle(400);
  assert.deepEqual(
    [...run.profiler.samples()],
    [
      { activity: IDLE, address: 0n, ns: 300 },
      { activity: IN_KERNEL, address: 7n, ns: 50 },
      { activity: IDLE, address: 0n, ns: 400 },
    ],
  );
});

test('what is left at the end goes to where the guest ends', () => {
  const { profiler, cpu, nowNs } = new Run();
  cpu.linearIp = 3n;
  cpu.syscallEntry = 99n;
  profiler.finish(nowNs + 20, cpu);
  assert.deepEqual([...profiler.samples()], [{ activity: IN_KERNEL, address: 3n, ns: 20 }]);
  assert.equal(profiler.syscallEntry, 99n);
});

test('however long the run, samples are bounded, no time is lost, and each has its share', () => {
  const run = new Run(1000);
  const startNs = run.nowNs;
  let idleNs = 0;
  let idles = 0;
  let nextIdleNs = 0;
  // Of each 4 microseconds function 1 takes three, function 2 one. Idle times, of which some are long, are in between.
  while (run.nowNs < 20e9) {
    const phase = (run.nowNs + run.profiler.due) % 4000;
    run.sample(phase < 3000 ? 1n : 2n);
    if (run.nowNs < nextIdleNs) continue;
    const ns = idles++ % 3 === 0 ? 10_000_000 : 100;
    run.idle(ns);
    idleNs += ns;
    nextIdleNs = run.nowNs + 100_000;
  }
  const samples = [...run.profiler.samples()];
  assert(samples.length > 300 && samples.length <= 1000, `${samples.length}`);
  assert.equal(sum(run.profiler), run.nowNs - startNs);
  const times = run.times();
  assert.equal(times.get(0n), idleNs);
  const share = (times.get(1n) ?? 0) / ((times.get(1n) ?? 0) + (times.get(2n) ?? 0));
  assert(share > 0.65 && share < 0.85, `${share}`);
});

test('after samples were put together they are due less often', () => {
  const run = new Run(4);
  for (let i = 0; i < 5; i++) run.sample(1n);
  for (let i = 0; i < 20; i++) {
    assert(run.profiler.due >= 20_000, `${run.profiler.due}`);
    run.profiler.ran(run.profiler.due, run.nowNs, run.cpu);
  }
});
