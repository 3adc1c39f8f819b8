import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockError } from '../base/block.ts';
import { generator } from '../base/test-random.ts';
import { MemoryDisk } from './memory-disk.ts';
import { Overlay } from './overlay.ts';

const SECTORS = 40_000; // more than one page of bits

function disk(): MemoryDisk {
  return new MemoryDisk(Uint8Array.from({ length: SECTORS * 512 }, (_, i) => (i >> 9) % 251));
}

/** What is waited for, too. */
class QuickDisk extends MemoryDisk {
  readNow(offset: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  writeNow(offset: number, from: Uint8Array): void {
    this.bytes.set(from, offset);
  }
}

test('reads give what was written last, and the disk below stays as it was', async () => {
  const below = new QuickDisk(disk().bytes);
  const original = below.bytes.slice();
  const expected = below.bytes.slice();
  const overlay = new Overlay(below, new QuickDisk(new Uint8Array(below.sizeBytes)));
  const random = generator(0x5eed);
  for (let i = 0; i < 2000; i++) {
    const sector = random(SECTORS - 64);
    const length = (1 + random(64)) * 512;
    if (random(2)) {
      const bytes = new Uint8Array(length).fill(random(256));
      if (random(2)) await overlay.write(sector * 512, bytes);
      else overlay.writeNow?.(sector * 512, bytes);
      expected.set(bytes, sector * 512);
    } else {
      const into = new Uint8Array(length);
      if (random(2)) await overlay.read(sector * 512, into);
      else overlay.readNow?.(sector * 512, into);
      assert.ok(Buffer.compare(into, expected.subarray(sector * 512, sector * 512 + length)) === 0);
    }
  }
  const whole = new Uint8Array(overlay.sizeBytes);
  await overlay.read(0, whole);
  assert.ok(Buffer.compare(whole, expected) === 0);
  assert.ok(Buffer.compare(below.bytes, original) === 0);
});

test('a write that the store refuses leaves the sectors as they were', async () => {
  const below = disk();
  class FullStore extends MemoryDisk {
    override async write(): Promise<void> {
      throw new BlockError('full', 'No room.');
    }
  }
  const overlay = new Overlay(below, new FullStore(new Uint8Array(0)));
  await assert.rejects(overlay.write(512, new Uint8Array(512).fill(0xee)), { problem: 'full' });
  const into = new Uint8Array(1024);
  await overlay.read(512, into);
  assert.deepEqual([into[0], into[512]], [1, 2]);
});

test('closing it closes both', async () => {
  const closed: string[] = [];
  class Told extends MemoryDisk {
    readonly #name: string;
    constructor(name: string) {
      super(new Uint8Array(512));
      this.#name = name;
    }
    override async close(): Promise<void> {
      closed.push(this.#name);
    }
  }
  await new Overlay(new Told('below'), new Told('store')).close();
  assert.deepEqual(closed.sort(), ['below', 'store']);
});

test('an overlay does not wait for what cannot be waited for', () => {
  const [slow, quick] = [disk(), new QuickDisk(new Uint8Array(SECTORS * 512))];
  assert.deepEqual([new Overlay(slow, quick).readNow, new Overlay(quick, slow).writeNow], [undefined, undefined]);
});
