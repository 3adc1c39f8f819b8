import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BlockError } from '../base/block.ts';
import { MemoryDisk } from '../block/memory-disk.ts';
import { TestClock } from '../devices/test-clock.ts';
import { BlockQueue } from './block-queue.ts';

/** A disk whose requests end when the test says so, and that notes them. */
class SlowDisk extends MemoryDisk {
  readonly log: string[] = [];
  #gates: (() => void)[] = [];

  constructor(sectors = 16) {
    super(Uint8Array.from({ length: sectors * 512 }, (_, i) => i >> 9));
  }

  async #gate(what: string): Promise<void> {
    this.log.push(what);
    await new Promise<void>((open) => this.#gates.push(open));
  }

  override async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#gate(`read ${offset}`);
    await super.read(offset, into);
  }

  override async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#gate(`write ${offset}`);
    await super.write(offset, from);
  }

  override async flush(): Promise<void> {
    await this.#gate('flush');
  }

  /** Ends the request at hand. */
  async finish(): Promise<void> {
    await nextTurn();
    this.#gates.shift()?.();
    await nextTurn();
  }
}

/** A disk that answers while the guest waits, in a time that the test says, or in its own. */
class QuickDisk extends SlowDisk {
  readNow(offset: number, into: Uint8Array): void {
    this.log.push(`read now ${offset}`);
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  writeNow(offset: number, from: Uint8Array): void {
    this.log.push(`write now ${offset}`);
    this.bytes.set(from, offset);
  }
}

function bench(deterministic: boolean, disk = new SlowDisk(), nowMs = () => 0) {
  const clock = new TestClock();
  const calls: string[] = [];
  const queue = new BlockQueue({
    clock,
    deterministic,
    submitted: () => calls.push('submitted'),
    finished: () => calls.push('finished'),
    nowMs,
  });
  return { clock, calls, queue, disk, port: queue.port(disk) };
}

const sector = (value: number): Uint8Array => new Uint8Array(512).fill(value);

test('real time: what the host has finished is delivered by the run loop, not before', async () => {
  const { queue, disk, port, calls } = bench(false);
  let first: unknown;
  port.read(512, 512, (result) => {
    first = result;
  });
  assert.deepEqual(calls, ['submitted']);
  assert.equal(queue.isBusy, true);
  assert.equal(queue.blocked, undefined);
  queue.deliver();
  assert.equal(first, undefined);
  await disk.finish();
  assert.deepEqual(calls, ['submitted', 'finished']);
  assert.equal(first, undefined);
  queue.deliver();
  assert.deepEqual(first, sector(1));
  assert.equal(queue.isBusy, false);
});

test('deterministic: virtual time alone says when a request is over', async () => {
  const { clock, queue, disk, port } = bench(true);
  const seen: string[] = [];
  port.read(512, 512, () => seen.push(`read at ${clock.now()}`));
  clock.advance(10_000);
  port.flush(() => seen.push(`flushed at ${clock.now()}`));
  await disk.finish();
  await disk.finish();
  queue.deliver();
  assert.deepEqual(seen, []);
  assert.equal(clock.nextDeadlineNs(), 20_000);
  clock.advance(1_000_000);
  assert.deepEqual(seen, ['read at 20000', 'flushed at 30000']);
});

test('deterministic: a guest waits for a host that is late, and sees nothing of it', async () => {
  const { clock, queue, disk, port } = bench(true);
  const seen: string[] = [];
  port.read(512, 512, () => seen.push(`read at ${clock.now()}`));
  port.read(1024, 512, () => seen.push(`second at ${clock.now()}`));
  clock.advance(19_999);
  assert.equal(queue.blocked, undefined);
  clock.advance(1);
  assert.ok(queue.blocked);
  await disk.finish();
  assert.ok(queue.blocked, 'the second is as late');
  await disk.finish();
  await queue.blocked;
  assert.equal(queue.blocked, undefined);
  queue.deliver();
  assert.deepEqual(seen, ['read at 20000', 'second at 20000']);
});

test('a backend is asked for one thing at a time, in order', async () => {
  const { queue, disk, port } = bench(false);
  const seen: unknown[] = [];
  port.write(0, sector(7), (problem) => seen.push(problem));
  port.flush((problem) => seen.push(problem));
  port.read(0, 512, (result) => seen.push((result as Uint8Array)[0]));
  await nextTurn();
  assert.deepEqual(disk.log, ['write 0']);
  for (let i = 0; i < 3; i++) await disk.finish();
  queue.deliver();
  assert.deepEqual(disk.log, ['write 0', 'flush', 'read 0']);
  assert.deepEqual(seen, [undefined, undefined, 7]);
});

test('requests outside the disk or across sectors end as I/O errors without reaching it', async () => {
  const { queue, disk, port } = bench(false);
  const seen: unknown[] = [];
  port.read(16 * 512, 512, (result) => seen.push(result));
  port.read(15 * 512, 1024, (result) => seen.push(result));
  port.read(-512, 512, (result) => seen.push(result));
  port.write(256, sector(1), (problem) => seen.push(problem));
  port.write(2 ** 60, sector(1), (problem) => seen.push(problem));
  await nextTurn();
  queue.deliver();
  assert.deepEqual(seen, ['io', 'io', 'io', 'io', 'io']);
  assert.deepEqual(disk.log, []);
});

test('abandoned requests never call back, and their writes come before what follows', async () => {
  const { queue, disk, port } = bench(false);
  port.write(0, sector(7), () => assert.fail('called back'));
  port.read(0, 512, () => assert.fail('called back'));
  port.abandon();
  let after: unknown;
  port.read(0, 512, (result) => {
    after = (result as Uint8Array)[0];
  });
  for (let i = 0; i < 3; i++) await disk.finish();
  queue.deliver();
  assert.equal(after, 7);
});

test('a guest that asks and resets without end is stopped until the host has caught up', async () => {
  const { queue, disk, port } = bench(false);
  let asked = 0;
  while (queue.blocked === undefined) {
    port.flush(() => assert.fail('called back'));
    port.abandon();
    asked++;
    assert.ok(asked < 10_000);
  }
  for (let i = 0; i < 10; i++) await disk.finish();
  queue.deliver();
  assert.equal(queue.blocked, undefined);
});

test('problems of the host arrive as values, whatever a backend throws', async () => {
  class BadDisk extends MemoryDisk {
    override async read(): Promise<void> {
      throw new Error('a bug');
    }
    override async write(): Promise<void> {
      throw new BlockError('full', 'No room.');
    }
    override async flush(): Promise<void> {
      throw new BlockError('io', 'Broken.');
    }
  }
  const { queue } = bench(false);
  const port = queue.port(new BadDisk(new Uint8Array(512)));
  const seen: unknown[] = [];
  port.read(0, 512, (result) => seen.push(result));
  port.write(0, sector(1), (problem) => seen.push(problem));
  port.flush((problem) => seen.push(problem));
  await queue.drain();
  queue.deliver();
  assert.deepEqual(seen, ['io', 'full', 'io']);
});

test('nothing is written to a backend that is read-only', async () => {
  class ReadOnlyDisk extends MemoryDisk {
    override readonly readOnly: boolean = true;
  }
  const { queue } = bench(false);
  const disk = new ReadOnlyDisk(new Uint8Array(512));
  const seen: unknown[] = [];
  queue.port(disk).write(0, sector(1), (problem) => seen.push(problem));
  await queue.drain();
  queue.deliver();
  assert.deepEqual(seen, ['read-only']);
  assert.equal(disk.bytes[0], 0);
});

test('storage that answers at once has answered before the next slice, without an event', () => {
  const { queue, disk, port, calls } = bench(false, new QuickDisk());
  const seen: unknown[] = [];
  port.write(512, sector(9), (problem) => seen.push(problem));
  port.read(512, 512, (result) => seen.push((result as Uint8Array)[0]));
  assert.deepEqual(disk.log, ['write now 512', 'read now 512']);
  assert.deepEqual(calls, ['submitted', 'submitted']);
  assert.deepEqual([queue.isBusy, queue.isReady, seen.length], [false, true, 0]);
  queue.deliver();
  assert.deepEqual(seen, [undefined, 9]);
  assert.equal(queue.isReady, false);
});

test('what is asked for while results are delivered waits for the next time, be it ready', () => {
  const { queue, port } = bench(false, new QuickDisk());
  let reads = 0;
  const readOn = (): void => {
    reads++;
    port.read(0, 512, readOn);
  };
  readOn();
  queue.deliver();
  assert.equal(reads, 2);
  assert.equal(queue.isReady, true);
});

test('nothing overtakes a request that the host works on', async () => {
  const { queue, disk, port } = bench(false, new QuickDisk());
  const seen: unknown[] = [];
  port.flush(() => seen.push('flush'));
  port.read(0, 512, () => seen.push('read'));
  port.read(2 ** 40, 512, (result) => seen.push(result));
  queue.deliver();
  assert.deepEqual(seen, []);
  await disk.finish();
  await disk.finish();
  queue.deliver();
  assert.deepEqual(disk.log, ['flush', 'read 0']);
  assert.deepEqual(seen, ['flush', 'read', 'io']);
  port.read(0, 512, () => {});
  assert.equal(disk.log.at(-1), 'read now 0');
});

test('storage that was slow is not waited for until some time has gone by', async () => {
  let now = 0;
  const disk = new QuickDisk();
  const { port } = bench(false, disk, () => now);
  disk.readNow = (offset) => {
    disk.log.push(`read now ${offset}`);
    now += 10;
  };
  port.read(0, 512, () => {});
  port.read(512, 512, () => {});
  await disk.finish();
  now = 400;
  port.read(1024, 512, () => {});
  await disk.finish();
  now = 600;
  port.read(1536, 512, () => {});
  assert.deepEqual(disk.log, ['read now 0', 'read 512', 'read 1024', 'read now 1536']);
});

test('problems of storage that answers at once arrive as values', () => {
  const disk = new QuickDisk();
  const { queue, port } = bench(false, disk);
  disk.readNow = () => {
    throw new Error('a bug');
  };
  disk.writeNow = () => {
    throw new BlockError('full', 'No room.');
  };
  const seen: unknown[] = [];
  port.read(0, 512, (result) => seen.push(result));
  port.write(0, sector(1), (problem) => seen.push(problem));
  queue.deliver();
  assert.deepEqual(seen, ['io', 'full']);
});

test('deterministic: storage that answers at once is not seen to', () => {
  const { clock, queue, port } = bench(true, new QuickDisk());
  const seen: string[] = [];
  port.read(512, 512, () => seen.push(`read at ${clock.now()}`));
  clock.advance(19_999);
  queue.deliver();
  assert.deepEqual([seen.length, queue.isReady, queue.blocked], [0, false, undefined]);
  clock.advance(1_000_000);
  assert.deepEqual(seen, ['read at 20000']);
});

test('large requests are left to threads of the host, however quick it is', async () => {
  const { queue, disk, port } = bench(false, new QuickDisk(4096));
  let read: unknown;
  port.read(0, 2048 * 512, () => {});
  port.read(0, 2049 * 512, (result) => {
    read = (result as Uint8Array).length;
  });
  await disk.finish();
  queue.deliver();
  assert.equal(read, 2049 * 512);
  assert.deepEqual(disk.log, ['read now 0', 'read 0']);
});
