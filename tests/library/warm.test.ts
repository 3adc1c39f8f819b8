/**
 * Machines of the library that start from the shipped snapshot although they have shares or a network. What only a kernel
 * that was not started can say shows it: the command line of the one that was, when the snapshot was made.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { AgentLostError, boot, MemoryTree, type Vm } from '../../src/library/node/index.ts';

const folder = await mkdtemp(join(tmpdir(), 'vivarium-warm-'));
after(() => rm(folder, { recursive: true }));

const sh = async (vm: Vm, script: string): Promise<string> => (await vm.exec('sh', ['-c', script])).stdout;

/** Machines that boot here are not told of a second serial port. */
async function isWarm(vm: Vm): Promise<boolean> {
  return (await sh(vm, 'cat /proc/cmdline')).includes('vivarium.resize=ttyS1');
}

test('any number of shares, read-only or not, are the files of the host', async () => {
  const tree = new MemoryTree();
  await writeFile(join(folder, 'in'), '3\n1\n2\n');
  const shares = { '/mnt': folder, '/srv/tree': tree, '/srv/ro': { source: folder, readOnly: true } };
  await using vm = await boot({ shares });
  await sh(vm, 'sort /srv/ro/in >/mnt/out; echo kept >/srv/tree/file');
  assert.equal(await readFile(join(folder, 'out'), 'utf8'), '1\n2\n3\n');
  assert.equal(new TextDecoder().decode(await tree.readFile(['file'])), 'kept\n');
  assert.equal(await sh(vm, 'touch /srv/ro/new 2>&1'), 'touch: /srv/ro/new: Read-only file system\n');
  assert.equal(await sh(vm, 'mv /mnt/out /srv/tree/out && ls /srv/tree'), 'file\nout\n');
  assert.ok(await isWarm(vm));

  const snapshot = await vm.snapshot();
  await using again = await boot({ snapshot, shares });
  assert.equal(await sh(again, 'cat /srv/tree/out; ls /mnt'), '1\n2\n3\nin\n');
});

test('a connection goes out through the network in user mode, and one that is forwarded comes in', async () => {
  const server = createServer((socket) => socket.end('from the host\n')).listen(0, '127.0.0.1');
  const spare = createServer().listen(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(spare, 'listening')]);
  const { port } = server.address() as AddressInfo;
  const { port: ours } = spare.address() as AddressInfo;
  spare.close();
  await once(spare, 'close');
  await using vm = await boot({ network: { open: [`tcp:${port}`], forwards: [`tcp:127.0.0.1:${ours}-:80`] } });
  assert.equal(await sh(vm, `nc 10.0.2.2 ${port}`), 'from the host\n');
  await sh(vm, 'mkdir /www; echo from the guest >/www/index.html; httpd -h /www');
  assert.equal(await (await fetch(`http://127.0.0.1:${ours}/`)).text(), 'from the guest\n');
  assert.equal(await sh(vm, 'cat /etc/resolv.conf'), 'nameserver 10.0.2.3\n');
  assert.ok(await isWarm(vm));
  server.close();
});

test('without a network the card has no link; with one of the embedder, it has', async () => {
  const frames: Uint8Array[] = [];
  const network = { attach() {}, received: (frame: Uint8Array) => void frames.push(frame) };
  await using alone = await boot();
  await using connected = await boot({ network });
  const carrier = 'ip link set eth0 up; cat /sys/class/net/eth0/carrier';
  assert.equal(await sh(alone, carrier), '0\n');
  assert.equal(await sh(connected, carrier), '1\n');
  await sh(connected, 'ifconfig eth0 10.0.2.15 up; ping -c 1 -W 1 10.0.2.2');
  assert.ok(frames.length > 0);
  assert.ok(await isWarm(connected));
});

test('a machine that boots has its shares and its network as well', async () => {
  const tree = new MemoryTree();
  await using vm = await boot({ cold: true, shares: { '/srv/tree': tree }, network: 'user' });
  await sh(vm, 'echo kept >/srv/tree/file');
  assert.equal((await tree.stat(['file'])).sizeBytes, 5);
  assert.match(await sh(vm, 'ip route'), /default via 10\.0\.2\.2/);
  assert.ok(!(await isWarm(vm)));
});

test('a snapshot of a machine without a port for the agent says so at once', async () => {
  await using before = await boot({ agent: false });
  const snapshot = await before.snapshot();
  await using vm = await boot({ snapshot });
  await assert.rejects(vm.exec('true'), AgentLostError);
});
