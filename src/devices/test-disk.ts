/** For tests: a disk in memory that answers a moment of virtual time later, and fails when it is told to. */

import type { BlockPort, BlockProblem } from '../base/block.ts';
import type { Clock } from '../base/clock.ts';

const LATENCY_NS = 10_000;

export class TestDisk implements BlockPort {
  readonly bytes: Uint8Array;
  readOnly = false;
  /** What requests end with from now on. */
  problem: BlockProblem | undefined;
  /** Requests made, as `read 512+1024`, `write 0+512`, `flush`. */
  readonly requests: string[] = [];
  readonly #clock: Clock;
  #generation = 0;

  constructor(clock: Clock, bytes: Uint8Array | number) {
    this.#clock = clock;
    this.bytes = typeof bytes === 'number' ? new Uint8Array(bytes) : bytes;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number, done: (result: Uint8Array | BlockProblem) => void): void {
    this.requests.push(`read ${offset}+${length}`);
    const isInside = this.#isInside(offset, length);
    this.#later(() => done(this.problem ?? (isInside ? this.bytes.slice(offset, offset + length) : 'io')));
  }

  write(offset: number, bytes: Uint8Array, done: (problem: BlockProblem | undefined) => void): void {
    this.requests.push(`write ${offset}+${bytes.length}`);
    const problem = this.readOnly ? 'read-only' : this.#isInside(offset, bytes.length) ? undefined : 'io';
    this.#later(() => {
      const found = this.problem ?? problem;
      if (found === undefined) this.bytes.set(bytes, offset);
      done(found);
    });
  }

  flush(done: (problem: BlockProblem | undefined) => void): void {
    this.requests.push('flush');
    this.#later(() => done(this.problem));
  }

  abandon(): void {
    this.#generation++;
  }

  #isInside(offset: number, length: number): boolean {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset % 512 || length % 512) {
      throw new Error(`request for ${length} at ${offset}`);
    }
    return offset + length <= this.bytes.length;
  }

  #later(action: () => void): void {
    const generation = this.#generation;
    const timer = this.#clock.timer(() => {
      if (generation === this.#generation) action();
    });
    timer.arm(this.#clock.now() + LATENCY_NS);
  }
}
