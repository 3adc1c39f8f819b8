/**
 * Where a guest's time goes: samples of its instruction pointer, each standing for the virtual time since the one
 * before. (In real-time mode that is the host's time without pauses.) Idle time is kept apart.
 *
 * A sample is due after a number of instructions, whatever slices there are: slices also end where a guest halts, sets
 * a timer or meets a device, and samples taken there would show little else. That number varies, so that no loop of
 * the guest keeps step with it. Sampling only reads the processor: it changes no deterministic run.
 *
 * Memory is bounded. When there is no room for a sample, each two become one, and from then on samples are due half as
 * often. Of two, the one that stays has its time as the odds and both their times as its own: what a function took is
 * right on average, and the sum of all is exact.
 */

import { Random } from './random.ts';

/** Instructions from sample to sample at first, on average: a few thousand samples a second. */
const FIRST_INTERVAL = 20_000;
const CAPACITY = 1 << 17;

export const IN_KERNEL = 0;
export const IN_USER = 1;
export const IDLE = 2;
export type Activity = typeof IN_KERNEL | typeof IN_USER | typeof IDLE;

export interface Sample {
  readonly activity: Activity;
  /** Linear address of the instruction; 0 when idle. */
  readonly address: bigint;
  readonly ns: number;
}

/** What is read of a processor between two slices. */
export interface SampledCpu {
  /** Linear address of the instruction it is at. */
  readonly linearIp: bigint;
  /** At privilege level 3. */
  readonly inUserMode: boolean;
  /** Where SYSCALL goes (IA32_LSTAR), 0 if that was never set. */
  readonly syscallEntry: bigint;
}

export class Profiler {
  readonly #addresses: BigUint64Array<ArrayBuffer>;
  readonly #activities: Uint8Array<ArrayBuffer>;
  readonly #times: Float64Array<ArrayBuffer>;
  readonly #random = new Random(0);
  #length = 0;
  #interval = FIRST_INTERVAL;
  #due: number;
  /** Time at the last call, and time since the last sample that the guest was not idle. */
  #nowNs = 0;
  #busyNs = 0;
  #startNs = 0;
  #syscallEntry = 0n;

  constructor(capacity = CAPACITY) {
    this.#addresses = new BigUint64Array(capacity);
    this.#activities = new Uint8Array(capacity);
    this.#times = new Float64Array(capacity);
    this.#due = this.#nextDue();
  }

  /** Instructions until the next sample is due; a slice should end there. */
  get due(): number {
    return this.#due;
  }

  /** When the run began, in virtual nanoseconds. */
  get startNs(): number {
    return this.#startNs;
  }

  /** SampledCpu's, at the end of the run. */
  get syscallEntry(): bigint {
    return this.#syscallEntry;
  }

  *samples(): Generator<Sample> {
    for (let i = 0; i < this.#length; i++) {
      yield { activity: this.#activities[i] as Activity, address: this.#addresses[i], ns: this.#times[i] };
    }
  }

  // ---- For the run loop --------------------------------------------------------------------------------------------

  start(nowNs: number): void {
    this.#startNs = nowNs;
    this.#nowNs = nowNs;
  }

  /** After a slice of `instructions`. */
  ran(instructions: number, nowNs: number, cpu: SampledCpu): void {
    this.#busyNs += this.#since(nowNs);
    this.#due -= instructions;
    if (this.#due > 0) return;
    this.#sample(cpu);
    this.#due = this.#nextDue();
  }

  idled(nowNs: number): void {
    this.#record(IDLE, 0n, this.#since(nowNs));
  }

  /** At the end of a run: what is left goes to where it ends. */
  finish(nowNs: number, cpu: SampledCpu): void {
    this.#busyNs += this.#since(nowNs);
    this.#sample(cpu);
    this.#syscallEntry = cpu.syscallEntry;
  }

  #since(nowNs: number): number {
    const ns = nowNs - this.#nowNs;
    this.#nowNs = nowNs;
    return ns;
  }

  #sample(cpu: SampledCpu): void {
    this.#record(cpu.inUserMode ? IN_USER : IN_KERNEL, cpu.linearIp, this.#busyNs);
    this.#busyNs = 0;
  }

  #record(activity: Activity, address: bigint, ns: number): void {
    if (ns <= 0) return;
    const last = this.#length - 1;
    if (activity === IDLE && last >= 0 && this.#activities[last] === IDLE) {
      this.#times[last] += ns;
      return;
    }
    if (this.#length === this.#times.length) this.#thin();
    this.#put(this.#length++, activity, address, ns);
  }

  #put(at: number, activity: number, address: bigint, ns: number): void {
    this.#activities[at] = activity;
    this.#addresses[at] = address;
    this.#times[at] = ns;
  }

  /** Makes one of each two busy samples, and of each two idle times, in place of the earlier. */
  #thin(): void {
    const times = this.#times;
    let kept = 0;
    /** Where one is that waits for its second, if any: a busy one, an idle one. */
    let busy: number | undefined;
    let idle: number | undefined;
    for (let i = 0; i < this.#length; i++) {
      const activity = this.#activities[i];
      const first = activity === IDLE ? idle : busy;
      if (first === undefined) {
        this.#put(kept, activity, this.#addresses[i], times[i]);
      } else {
        const sum = times[first] + times[i];
        if (this.#fraction() * sum < times[i]) this.#put(first, activity, this.#addresses[i], sum);
        else times[first] = sum;
      }
      const waiting = first === undefined ? kept++ : undefined;
      if (activity === IDLE) idle = waiting;
      else busy = waiting;
    }
    this.#length = kept;
    this.#interval *= 2;
  }

  #nextDue(): number {
    return Math.ceil(this.#interval * (0.5 + this.#fraction()));
  }

  /** From 0 up to 1. */
  #fraction(): number {
    return Number(this.#random.next() & 0xffffffffn) / 2 ** 32;
  }
}
