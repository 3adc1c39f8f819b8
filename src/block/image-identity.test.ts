import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { BlankDisk } from './blank-disk.ts';
import { differenceTo, identify } from './image-identity.ts';
import { MemoryDisk } from './memory-disk.ts';

const MIB = 2 ** 20;
const digest = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const fixed = { canChange: false, digest };
const inPlace = { canChange: true, digest };

/** A disk of zeros, but for one sector. */
class Large extends BlankDisk {
  readonly #at: number;
  reads = 0;
  readonly version?: () => Promise<string>;

  constructor(at: number, version?: string) {
    super(200 * MIB);
    this.#at = at;
    if (version !== undefined) this.version = async () => version;
  }

  override async read(offset: number, into: Uint8Array): Promise<void> {
    this.reads += into.length;
    into.fill(0);
    if (this.#at >= offset && this.#at < offset + into.length) into[this.#at - offset] = 1;
  }
}

test('a small image is known by all of it', async () => {
  const bytes = new Uint8Array(3 * MIB + 512).fill(7);
  const identity = await identify(new MemoryDisk(bytes.slice()), fixed);
  assert.deepEqual(Object.keys(identity), ['of', 'sha256']);
  assert.equal(await differenceTo(identity, new MemoryDisk(bytes.slice()), fixed), undefined);
  for (const at of [0, MIB + 1, bytes.length - 1]) {
    const other = bytes.slice();
    other[at] = 8;
    assert.equal(await differenceTo(identity, new MemoryDisk(other), fixed), 'other contents', `byte ${at}`);
  }
});

test('a large image is known by samples of it, and by its version', async () => {
  const image = new Large(0, 'one');
  const identity = await identify(image, inPlace);
  assert.deepEqual([identity.of, identity.version], ['samples', 'one']);
  assert.ok(image.reads < 8 * MIB);
  assert.equal(await differenceTo(identity, new Large(0, 'one'), inPlace), undefined);
  assert.equal(await differenceTo(identity, new Large(0, 'two'), inPlace), 'other version');
  assert.equal(await differenceTo(identity, new Large(0, 'two'), fixed), 'other version');
  assert.equal(await differenceTo(identity, new Large(5000, 'one'), inPlace), 'other contents');
  assert.equal(await differenceTo(identity, new Large(200 * MIB - 1, 'one'), inPlace), 'other contents');
});

test('where one has no version, samples do for what is never written, and all of what is', async () => {
  const identity = await identify(new Large(0, 'one'), fixed);
  assert.equal(await differenceTo(identity, new Large(0), fixed), undefined);
  assert.equal(await differenceTo(identity, new Large(0), inPlace), 'other version');
  const whole = await identify(new Large(70 * MIB + 77), inPlace);
  assert.deepEqual([whole.of, whole.version], ['all', undefined]);
  assert.equal(await differenceTo(whole, new Large(70 * MIB + 77, 'any'), inPlace), undefined);
  assert.equal(await differenceTo(whole, new Large(70 * MIB + 78), inPlace), 'other contents');
});
