/** Snapshots of machines on a network, restored where there is none, as in a page. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot } from '../../src/library/node/index.ts';
import { copyingDisk } from '../web/boot-sectors.ts';

test('a guest with a virtio card goes on without a network: it has its card, and nobody answers', async () => {
  await using vm = await boot({ network: 'user' });
  const card = 'cat /sys/class/net/eth0/address';
  const { stdout: address } = await vm.exec('sh', ['-c', card]);
  const snapshot = await vm.snapshot();
  await vm.close();
  await using other = await boot({ snapshot });
  const { stdout } = await other.exec('sh', ['-c', `${card}; ifconfig eth0 10.0.2.15 up; ping -c 1 -W 1 10.0.2.2`]);
  assert.ok(stdout.startsWith(address) && address.length > 12, stdout);
  assert.match(stdout, /0 packets received/);
  const { stdout: carrier } = await other.exec('cat', ['/sys/class/net/eth0/carrier']);
  assert.equal(carrier, '0\n');
});

test('a PC with a card goes on without a network', async () => {
  const disk = { source: copyingDisk, readOnly: true };
  await using vm = await boot({ disk, network: 'user', memory: '64M' });
  const snapshot = await vm.snapshot();
  await vm.close();
  await using other = await boot({ snapshot, disk });
  assert.equal((await other.stats()).memoryBytes, 64 << 20);
});
