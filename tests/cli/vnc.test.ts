/** `--display vnc`, with a client of ours. */

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestClient } from '../../src/host/rfb/test-client.ts';
import { type Running, runWith, start, VIVARIUM } from './spawn.ts';

const ESCAPE = 0xff1b;
const POLL_MS = 200;

let folder: string;
let disk: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-vnc-'));
  process.env.XDG_RUNTIME_DIR = folder;
  process.env.TMPDIR = folder;
  disk = join(folder, 'disk.img');
  await writeFile(disk, new Uint8Array(64 * 1024));
});
after(() => rm(folder, { recursive: true }));

/** What stderr says, as soon as `pattern` is in it. */
function complaint(running: Running, pattern: RegExp): Promise<RegExpExecArray> {
  let said = '';
  return new Promise((resolve, reject) => {
    running.process.stderr.on('data', (text) => {
      said += text;
      const found = pattern.exec(said);
      if (found) resolve(found);
    });
    running.process.on('close', () => reject(new Error(`ended, having said: ${said}`)));
  });
}

/** Waits until the guest's screen has `text`. */
async function shows(text: string): Promise<void> {
  while (!(await runWith('', VIVARIUM, 'screen', '--text')).stdout.includes(text)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

test('it says where it listens, shows the screen, and passes keys on', async () => {
  const words = ['--disk', disk, '--memory', '64M', '--display', 'vnc=:0', '--boot-menu', '10m', '--name', 'pc'];
  const guest = start(VIVARIUM, 'run', ...words);
  const pattern = /^vivarium: The screen is at 127\.0\.0\.1:(\d+) for VNC clients\.\n$/;
  const [, port] = await complaint(guest, pattern);
  await shows('Press ESC for boot menu');
  const socket = connect(Number(port), '127.0.0.1');
  const client = new TestClient((bytes) => socket.write(bytes));
  const updated = new Promise<void>((resolve) => {
    socket.on('data', (bytes) => {
      const wasReady = client.isReady;
      client.receive(bytes);
      if (client.isReady && !wasReady) client.request(false);
      if (client.updates.length > 0) resolve();
    });
  });
  await updated;
  assert.equal(client.name, 'Vivarium: pc');
  assert.deepEqual([client.width, client.height], [720, 400]);
  assert.ok(client.pixels.some((value, i) => i % 4 !== 3 && value !== 0));
  client.key(ESCAPE, true);
  client.key(ESCAPE, false);
  await shows('Select boot device');
  const dropped = complaint(guest, /VNC client was sent away: it sent a message of the unknown type 77\.\n$/);
  socket.write(Uint8Array.of(77));
  await dropped;
  guest.process.kill('SIGTERM');
  assert.equal((await guest.result).status, 143);
});

test('a port in use is told in a sentence, with status 8, and nothing is left behind', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const pcap = join(folder, 'a.pcap');
  const words = ['--disk', disk, '--nic', 'user', '--pcap', pcap, '--display', `vnc=:${port}`];
  const result = await runWith('', VIVARIUM, 'run', ...words);
  server.close();
  const says = `vivarium: TCP port ${port} of 127.0.0.1 cannot be listened on: it is in use already.\n`;
  assert.deepEqual(result, { status: 8, signal: null, stdout: '', stderr: says });
  assert.deepEqual((await readdir(folder)).includes('a.pcap'), false);
});
