import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from './memory-disk.ts';
import { missingBytes } from './partitions.ts';

interface Entry {
  readonly status?: number;
  readonly type: number;
  readonly first: number;
  readonly length: number;
}

function disk(sectors: number, ...entries: Entry[]): MemoryDisk {
  const bytes = new Uint8Array(sectors * 512);
  const view = new DataView(bytes.buffer);
  view.setUint16(510, 0xaa55, true);
  for (const [i, { status = 0, type, first, length }] of entries.entries()) {
    const at = 446 + 16 * i;
    view.setUint8(at, status);
    view.setUint8(at + 4, type);
    view.setUint32(at + 8, first, true);
    view.setUint32(at + 12, length, true);
  }
  return new MemoryDisk(bytes);
}

test('a disk that holds its partitions lacks nothing', async () => {
  assert.equal(await missingBytes(disk(100, { status: 0x80, type: 0x83, first: 1, length: 99 })), undefined);
  assert.equal(await missingBytes(disk(100)), undefined);
  assert.equal(await missingBytes(new MemoryDisk(new Uint8Array(512))), undefined);
});

test('a disk that ends within a partition tells how long it ought to be', async () => {
  const second = { type: 0x82, first: 50, length: 51 };
  assert.equal(await missingBytes(disk(100, { type: 0x83, first: 1, length: 49 }, second)), 101 * 512);
});

test('a boot sector without a table, and a hybrid ISO, are taken as they are', async () => {
  assert.equal(await missingBytes(disk(10, { status: 0x20, type: 0x83, first: 1, length: 1000 })), undefined);
  assert.equal(await missingBytes(disk(10, { status: 0x80, type: 0x17, first: 0, length: 1000 })), undefined);
});

test('the end of a GPT disk is what its header says', async () => {
  const gpt = (lastUsable: bigint): MemoryDisk => {
    const made = disk(100, { type: 0xee, first: 1, length: 0xffff_ffff });
    made.bytes.set(new TextEncoder().encode('EFI PART'), 512);
    new DataView(made.bytes.buffer).setBigUint64(512 + 48, lastUsable, true);
    return made;
  };
  assert.equal(await missingBytes(gpt(66n)), undefined);
  assert.equal(await missingBytes(gpt(100n)), 101 * 512);
  assert.equal(await missingBytes(disk(100, { type: 0xee, first: 1, length: 0xffff_ffff })), undefined);
});
