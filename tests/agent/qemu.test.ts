/** The same agent in QEMU: that it and its protocol do not lean on how our own console behaves. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AgentClient } from '../../src/agent/client.ts';
import { checkCommands, checkFiles, checkGreatOutput, checkNewConnection, checkSystem } from './checks.ts';

const QEMU = 'qemu-system-x86_64';
const guestFile = (name: string): string => fileURLToPath(new URL(`../../guests/builtin/${name}`, import.meta.url));
const skip = spawnSync(QEMU, ['--version']).error ? `${QEMU} is not installed` : false;

test('the agent serves a guest of QEMU', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vivarium-agent-'));
  const path = join(folder, 'port');
  const server = createServer().listen(path);
  const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const qemu = spawn(
    QEMU,
    [
      ...['-accel', 'tcg', '-m', '256', '-display', 'none', '-monitor', 'none', '-serial', 'null', '-nic', 'none'],
      ...['-no-reboot', '-kernel', guestFile('vmlinuz'), '-initrd', guestFile('initramfs.cpio.gz')],
      ...['-append', 'console=ttyS0 quiet', '-device', 'virtio-serial', '-chardev', `socket,path=${path},id=agent`],
      ...['-device', 'virtserialport,chardev=agent,name=vivarium.agent'],
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const ended = new Promise<number | null>((resolve) => qemu.once('exit', resolve));
  t.after(async () => {
    qemu.kill();
    server.close();
    await rm(folder, { recursive: true });
  });

  const agent = new AgentClient();
  const socket = await connected;
  socket.on('error', () => undefined);
  socket.on('data', (data) => agent.received(new Uint8Array(data)));
  socket.on('drain', () => agent.drained());
  agent.attach({
    accepting: true,
    guestOpen: true,
    get pendingBytes() {
      return socket.writableLength;
    },
    send: (bytes) => void socket.write(bytes),
  });
  /** QEMU does not tell when the guest opens the port, and drops what comes before: greetings until one is answered. */
  async function begin(): Promise<void> {
    do {
      agent.opened(true);
      await Promise.race([agent.ready().catch(() => undefined), wait(500)]);
    } while (!agent.isReady);
  }
  await begin();

  await checkCommands(t, agent);
  await checkFiles(t, agent);
  await checkSystem(t, agent);
  await t.test('great output arrives', () => checkGreatOutput(agent, 30_000_000));
  await t.test('a new connection ends what the old one started', () => checkNewConnection(agent, begin));
  agent.power('off').catch(() => undefined);
  assert.equal(await ended, 0);
});
