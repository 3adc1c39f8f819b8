/** `run --nic`: the built-in guest on the network in user mode, from its snapshot and booted. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { atTerminal, terminalOptions } from './at-terminal.ts';
import { runWith, VIVARIUM } from './spawn.ts';

const server = createServer((socket) => socket.end('from the host\n'));
let words: string[];
before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  words = ['run', '--nic', 'user', '--open', `tcp:${(server.address() as AddressInfo).port}`];
});
after(() => server.close());

const asks = (): string => `nc 10.0.2.2 ${(server.address() as AddressInfo).port}; cat /proc/cmdline; poweroff`;

test('at a terminal it starts from the snapshot, and reaches what was opened', terminalOptions, async () => {
  const { shown, status } = await atTerminal([...VIVARIUM, ...words], ['vivarium:~# ', `${asks()}\r`]);
  assert.match(shown, /^from the host$/m);
  // What a guest that boots at a terminal is told of it.
  assert.doesNotMatch(shown, /vivarium\.rows/);
  assert.equal(status, 'status 0');
});

test('as a filter it boots, and asks for its address', async () => {
  const { stdout, stderr, status } = await runWith(`${asks()}\n`, VIVARIUM, ...words);
  assert.equal(stderr, '');
  assert.match(stdout, /^from the host$/m);
  assert.match(stdout, /vivarium\.dhcp=eth0/);
  assert.equal(status, 0);
});
