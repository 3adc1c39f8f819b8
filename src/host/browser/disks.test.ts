import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlobDisk } from './blob-disk.ts';
import { type Folder, OpfsDisk, openOpfsDisk, type SyncAccess } from './opfs-disk.ts';

const sectors = Uint8Array.from({ length: 2048 }, (_, i) => i >> 9);

test('a Blob is read as a disk, and refuses writes', async () => {
  const disk = new BlobDisk(new Blob([sectors]));
  const into = new Uint8Array(1024);
  await disk.read(512, into);
  assert.deepEqual(into, sectors.subarray(512, 1536));
  await assert.rejects(disk.write(), { problem: 'read-only' });
});

test('a file that is no whole number of sectors is refused by its name', () => {
  const file = (bytes: number): File => new File([new Uint8Array(bytes)], 'notes.txt');
  assert.throws(() => new BlobDisk(file(100)), /^VivariumError: notes\.txt cannot be used as a disk: its 100 bytes/);
  assert.throws(() => new BlobDisk(file(0)), /it is empty/);
});

/** A file with room for 2048 bytes. */
class Access implements SyncAccess {
  readonly bytes = new Uint8Array(2048);
  calls = '';
  failure: string | undefined;
  read(into: Uint8Array, { at }: { at: number }): number {
    into.set(this.bytes.subarray(at, at + into.length));
    return Math.min(into.length, this.bytes.length - at);
  }
  write(from: Uint8Array, { at }: { at: number }): number {
    if (this.failure) throw Object.assign(new Error('No.'), { name: this.failure });
    this.bytes.set(from, at);
    return from.length;
  }
  flush(): void {
    this.calls += 'f';
  }
  getSize(): number {
    return this.bytes.length;
  }
  truncate(): void {}
  close(): void {
    this.calls += 'c';
  }
}

test('a disk of the origin keeps what is written, and is flushed before it is closed', async () => {
  const access = new Access();
  const disk = new OpfsDisk(access);
  disk.writeNow(512, sectors.subarray(1024, 1536));
  const into = new Uint8Array(512);
  await disk.read(512, into);
  assert.deepEqual(into, sectors.subarray(1024, 1536));
  await disk.close();
  assert.equal(access.calls, 'fc');
});

test('a browser without room says so, and any other failure is one of the disk', () => {
  const access = new Access();
  const disk = new OpfsDisk(access);
  access.failure = 'QuotaExceededError';
  assert.throws(() => disk.writeNow(0, sectors.subarray(0, 512)), { problem: 'full' });
  access.failure = 'InvalidStateError';
  assert.throws(() => disk.writeNow(0, sectors.subarray(0, 512)), { problem: 'io' });
});

test('a browser that leaves a new disk empty is found out, and keeps nothing of it', async () => {
  const access = new Access();
  access.getSize = () => 0;
  const removed: string[] = [];
  const folder: Folder = {
    getDirectoryHandle: async () => folder,
    getFileHandle: async () => ({ createSyncAccessHandle: async () => access }),
    removeEntry: async (name) => void removed.push(name),
  };
  await assert.rejects(openOpfsDisk('new.img', 2 ** 32, { getDirectory: async () => folder }), {
    message: /^The disk new\.img cannot be used: this browser keeps none so large/,
  });
  assert.deepEqual([access.calls, removed], ['c', ['new.img']]);
});

test('where there is no such file system, that is said in a sentence', async () => {
  await assert.rejects(openOpfsDisk('a.img'), /^VivariumError: The disk a\.img cannot be used: this browser keeps no/);
});
