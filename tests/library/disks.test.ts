/** Disks of machines of the library in snapshots: the built-in guest, with a disk on virtio that it writes to. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  type BlockBackend,
  type BootOptions,
  boot,
  type DiskOptions,
  SnapshotError,
  type Vm,
} from '../../src/library/node/index.ts';

const KIB = 1024;
const DISK_BYTES = 512 * KIB;
const folder = await mkdtemp(join(tmpdir(), 'vivarium-library-disks-'));
after(() => rm(folder, { recursive: true }));

/** Machines on hosts that have much to do take longer than commands wait for. */
async function started(options: BootOptions): Promise<Vm> {
  const vm = await boot(options);
  await vm.ready({ timeoutMs: 300_000 });
  return vm;
}

/** Writes a letter to those of the disks a, b and c. */
async function write(vm: Vm, letter: string, disks = 'abc'): Promise<void> {
  for (const disk of disks) {
    const script = `head -c 65536 /dev/zero | tr '\\0' ${letter} | dd of=/dev/vd${disk} bs=64k seek=2 conv=fsync`;
    assert.equal((await vm.exec('sh', ['-c', script])).exitCode, 0);
  }
}

const READ = 'for i in a b c; do dd if=/dev/vd$i bs=64k skip=2 count=1 iflag=direct | tr -s A-Z; done';
const read = async (vm: Vm): Promise<string> => (await vm.exec('sh', ['-c', READ])).stdout;

test('bytes, a file and a back end as disks: what was on them when it was saved is there again', async () => {
  const path = join(folder, 'disk.img');
  await writeFile(path, new Uint8Array(DISK_BYTES));
  const small = new Uint8Array(DISK_BYTES);
  const stored = new Uint8Array(DISK_BYTES);
  const backend: BlockBackend = {
    sizeBytes: DISK_BYTES,
    readOnly: false,
    name: 'of the test',
    async read(offset, into) {
      into.set(stored.subarray(offset, offset + into.length));
    },
    async write(offset, from) {
      stored.set(from, offset);
    },
    async flush() {},
    async close() {},
  };
  const disksWith = (options: Partial<DiskOptions>): DiskOptions[] => [
    { source: small, bus: 'virtio' },
    { source: path, bus: 'virtio', ...options },
    { source: backend, bus: 'virtio', ...options },
  ];
  const disks = disksWith({});

  const original = await started({ disks });
  await write(original, 'A');
  const early = await original.snapshot();
  const copy = await original.snapshot({ copyDisks: true });
  await write(original, 'B');
  await original.pause();
  const late = await original.snapshot({ base: early });
  await original.close();
  assert.ok(small.every((byte) => byte === 0));
  {
    await using vm = await started({ snapshot: copy });
    assert.equal(await read(vm), 'AAA');
    await write(vm, 'C');
    assert.equal(await read(vm), 'CCC');
  }
  {
    await using vm = await started({ snapshot: late, base: early, disks: disksWith({ forget: true }) });
    assert.equal(await read(vm), 'BBB');
    await write(vm, 'D');
    assert.equal(await read(vm), 'DDD');
    await vm.reset();
    await vm.ready({ timeoutMs: 300_000 });
    assert.equal(await read(vm), 'BBB');
  }
  await assert.rejects(boot({ snapshot: early }), {
    name: 'SnapshotError',
    message: 'The snapshot cannot be restored: it is of a machine with virtio disk 0, which is not given.',
  });
  const other = [{ source: new Uint8Array(DISK_BYTES).fill(1), bus: 'virtio' } as const, ...disks.slice(1)];
  await assert.rejects(boot({ snapshot: late, base: early, disks: other }), SnapshotError);
  await assert.rejects(boot({ snapshot: early, disks }), {
    message:
      'The snapshot cannot be restored: it wants virtio disk 1 (disk.img) as it was: the image that is given has other contents.',
  });
  {
    await using vm = await started({ snapshot: late, base: early, disks });
    assert.equal(await read(vm), 'BBB');
    await write(vm, 'E', 'c');
  }
  await assert.rejects(boot({ snapshot: late, base: early, disks }), /virtio disk 2 \(of the test\) as it was/);
});
