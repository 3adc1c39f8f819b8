import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import { type ClientOptions, TestClient } from '../rfb/test-client.ts';
import { TestScreen } from '../rfb/test-screen.ts';
import { type VncOptions, VncServer } from './vnc-server.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
const POLL_MS = 10;
const GIVE_UP_MS = 5 * 60_000;

interface Served {
  readonly server: VncServer;
  readonly screen: TestScreen;
  readonly keys: string[];
  readonly dropped: string[];
}

const servers: VncServer[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** On any port, unless the options say otherwise. */
async function serve(options: Partial<VncOptions> = { port: 0 }): Promise<Served> {
  const screen = new TestScreen(320, 200);
  screen.paint((x, y) => (x << 12) | y);
  const keys: string[] = [];
  const dropped: string[] = [];
  const guest = {
    screen,
    keyboard: { key: (code: string, pressed: boolean) => void keys.push(`${pressed ? '+' : '-'}${code}`) },
    pointer: { move: () => {}, buttons: () => {} },
  };
  const told = (message: string): void => void dropped.push(message);
  const server = await VncServer.listen(guest, { name: 'a guest', dropped: told, ...options });
  servers.push(server);
  return { server, screen, keys, dropped };
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + GIVE_UP_MS;
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function socketTo(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host });
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}

/** Resolves when it is closed, with an error or without. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().on('close', () => resolve()));
}

async function join(port: number, options: ClientOptions = {}): Promise<{ client: TestClient; socket: Socket }> {
  const socket = await socketTo(port);
  const client = new TestClient((bytes) => socket.write(bytes), options);
  socket.on('data', (bytes) => client.receive(bytes));
  await until(() => client.isReady, 'handshake');
  return { client, socket };
}

test('clients see the screen, follow it, and type', async () => {
  const { server, screen, keys } = await serve();
  const one = await join(server.port);
  const other = await join(server.port, { encodings: [5, -223] });
  for (const { client } of [one, other]) client.request(false);
  await until(() => one.client.shows(screen.image()) && other.client.shows(screen.image()), 'first picture');
  assert.equal(one.client.name, 'a guest');
  screen.fill(0xffffff, 100, 100, 3, 3);
  for (const { client } of [one, other]) client.request(true);
  await until(() => one.client.shows(screen.image()) && other.client.shows(screen.image()), 'changed picture');
  screen.resize(64, 64);
  other.client.request(true);
  await until(() => other.client.width === 64, 'new size');
  one.client.key(0xff1b, true);
  await until(() => keys.length === 1, 'key');
  one.socket.destroy();
  await until(() => keys.length === 2, 'release');
  assert.deepEqual(keys, ['+Escape', '-Escape']);
  other.socket.destroy();
});

test('it listens on loopback only, with IPv6 where there is any', async () => {
  const { server } = await serve();
  if (hasIpv6) (await socketTo(server.port, '::1')).destroy();
  const others = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4');
  for (const { address } of others) {
    await assert.rejects(socketTo(server.port, address), { code: 'ECONNREFUSED' });
  }
});

test('a port in use is refused in a sentence; without a port the next one is taken', async () => {
  const { server } = await serve();
  await assert.rejects(serve({ port: server.port }), {
    message: `TCP port ${server.port} of 127.0.0.1 cannot be listened on: it is in use already.`,
    fault: { kind: 'host' },
  });
  const [one, other] = [await serve({}), await serve({})];
  assert.ok(one.server.port >= 5900 && other.server.port > one.server.port && other.server.port < 6000);
});

test('a port that only IPv6 has in use is not half taken', { skip: hasIpv6 ? false : 'needs IPv6' }, async () => {
  const taken = createServer();
  taken.listen({ port: 0, host: '::1' });
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  await assert.rejects(serve({ port }), /of \[::1\] cannot be listened on: it is in use already\.$/);
  await assert.rejects(socketTo(port), { code: 'ECONNREFUSED' });
  taken.close();
});

test('a client that sends garbage is sent away, and told of', async () => {
  const { server, dropped } = await serve();
  const socket = await socketTo(server.port);
  socket.write('GET / HTTP/1.1\r\n\r\n');
  await closed(socket);
  const { socket: later } = await join(server.port);
  later.write(Uint8Array.of(99));
  await closed(later);
  assert.deepEqual(dropped, [
    'A VNC client was sent away: it does not speak RFB.',
    'A VNC client was sent away: it sent a message of the unknown type 99.',
  ]);
});

test('clients that stop reading or do not come through the handshake are dropped; idle ones are not', async () => {
  const { server, screen, dropped } = await serve({ port: 0, patienceMs: 2000 });
  const idle = await join(server.port);
  const silent = await socketTo(server.port);
  const { client, socket } = await join(server.port);
  // More than sockets on both sides keep.
  screen.resize(2560, 1600);
  const another = await join(server.port);
  another.socket.pause();
  another.client.request(false);
  await until(() => dropped.length === 2, 'drop');
  assert.deepEqual(dropped.toSorted(), [
    'A VNC client was sent away: it did not finish the handshake.',
    'A VNC client was sent away: it stopped reading.',
  ]);
  idle.client.request(false);
  await until(() => idle.client.updates.length === 1, 'update for the idle client');
  client.request(false);
  await until(() => client.updates.length === 1, 'update');
  for (const each of [idle.socket, socket, silent, another.socket]) each.destroy();
});

test('clients that go at any point leave the server as it was', async () => {
  const { server, screen, dropped } = await serve();
  const hello = Buffer.from('RFB 003.008\n\x01\x01\x03\x00\x00\x00\x00\x00\x01\x40\x00\xc8\x04\x01\x00', 'latin1');
  for (let length = 0; length <= hello.length; length++) {
    const socket = await socketTo(server.port);
    socket.write(hello.subarray(0, length));
    if (length % 2 === 0) socket.resetAndDestroy();
    else socket.end();
  }
  const { client, socket } = await join(server.port);
  client.request(false);
  await until(() => client.shows(screen.image()), 'picture');
  assert.deepEqual(dropped, []);
  socket.destroy();
});

test('there are so many clients and no more', async () => {
  const { server } = await serve();
  const sockets = await Promise.all(Array.from({ length: 20 }, () => socketTo(server.port)));
  let gone = 0;
  for (const socket of sockets) socket.resume().on('close', () => gone++);
  await until(() => gone === 4, 'refusals');
  for (const socket of sockets) socket.destroy();
  // As soon as it has noticed, others are let in.
  let isLetIn = false;
  while (!isLetIn) {
    const socket = await socketTo(server.port);
    isLetIn = await Promise.race([once(socket, 'data').then(() => true), closed(socket).then(() => false)]);
    socket.destroy();
  }
});

test('closing sends everybody away and frees the port', async () => {
  const { server } = await serve();
  const { socket } = await join(server.port);
  const { port } = server;
  server.close();
  await closed(socket);
  await assert.rejects(socketTo(port), { code: 'ECONNREFUSED' });
});
