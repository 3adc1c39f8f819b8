import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { VivariumError } from '../../base/errors.ts';
import { GATEWAY, parseIpv4 } from '../../net/addresses.ts';
import { parseOpen } from '../../net/options.ts';
import { bytesOf, TestClock, TestGuest, testRandom, textOf } from '../../net/test-network.ts';
import { parseUdp } from '../../net/udp.ts';
import { UserNetwork } from '../../net/user-network.ts';
import { NodeSockets } from './sockets.ts';

const MS = 1_000_000;
const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

function network(opened: string[] = []) {
  const clock = new TestClock();
  const sockets = new NodeSockets();
  const services = opened.map((text) => parseOpen(text) as Exclude<ReturnType<typeof parseOpen>, { problem: string }>);
  const net = new UserNetwork({ clock, sockets, random: testRandom(1), opened: services });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  guest.greet();
  closing.push(() => net.close());
  /** Virtual time goes on by a millisecond a turn of the event loop. */
  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; !condition(); i++) {
      if (i > 200_000) throw new Error('it never came to pass');
      clock.advance(MS);
      await turn();
    }
  };
  return { clock, net, guest, until };
}

async function serve(serving: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {}); // networks are closed with connections open
    serving(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

/** Loses, doubles and delays frames. */
function badWire(guest: TestGuest, clock: TestClock, seed: number): void {
  const random = testRandom(seed);
  const treat = (frame: Uint8Array, arrive: (frame: Uint8Array) => void): void => {
    const dice = random() % 100;
    if (dice < 5) return;
    if (dice < 10) arrive(frame.slice());
    if (dice < 25) {
      const timer = clock.timer(() => arrive(frame));
      timer.arm(clock.now() + (random() % 8) * MS);
    } else {
      arrive(frame);
    }
  };
  guest.uplink = treat;
  guest.downlink = treat;
}

function pattern(length: number, seed: number): Uint8Array {
  const random = testRandom(seed);
  return Uint8Array.from({ length }, () => random());
}

test('bytes arrive whole, both ways at once, over a wire that loses, doubles and reorders frames', async () => {
  const up = pattern(400_000, 2);
  const down = pattern(700_000, 3);
  const got: Uint8Array[] = [];
  let ended = false;
  const { port } = await serve((socket) => {
    socket.on('data', (bytes) => got.push(bytes));
    socket.on('end', () => {
      ended = true;
    });
    socket.end(down);
  });
  for (const seed of [4, 5, 6]) {
    got.length = 0;
    ended = false;
    const { guest, clock, until } = network([`tcp:${port}`]);
    badWire(guest, clock, seed);
    const tcp = guest.connect(GATEWAY, port, 40_000);
    for (let at = 0; at < up.length; at += 10_000) tcp.connection.write(up.slice(at, at + 10_000));
    tcp.connection.end();
    await until(() => ended && tcp.log.includes('done'));
    assert.deepEqual(Buffer.concat(got), Buffer.from(up));
    assert.deepEqual(Buffer.concat(tcp.chunks), Buffer.from(down));
    assert.deepEqual(
      tcp.log.filter((word) => word !== 'released'),
      ['opened', 'ended', 'done'],
    );
  }
});

test('a server that does not read stops the guest, which goes on where it stopped', async () => {
  let server: Socket | undefined;
  let count = 0;
  const { port } = await serve((socket) => {
    server = socket.pause();
    socket.on('data', (bytes) => {
      count += bytes.length;
    });
    socket.pause();
  });
  const { guest, until } = network([`tcp:${port}`]);
  const tcp = guest.connect(GATEWAY, port, 40_000);
  const length = 32 << 20;
  for (let i = 0; i < 32; i++) tcp.connection.write(new Uint8Array(1 << 20));
  await until(() => server !== undefined);
  for (let left = tcp.connection.queuedBytes, same = 0; same < 200; ) {
    await until(() => true);
    await turn();
    same = left === tcp.connection.queuedBytes ? same + 1 : 0;
    left = tcp.connection.queuedBytes;
  }
  assert(tcp.connection.queuedBytes > 8 << 20, 'most of it is with the guest still');
  server?.resume();
  await until(() => count === length);
});

test('a connection that is refused is refused to the guest', async () => {
  const { server, port } = await serve(() => {});
  server.close();
  await once(server, 'close');
  const { guest, until } = network([`tcp:${port}`]);
  const tcp = guest.connect(GATEWAY, port, 40_000);
  await until(() => tcp.log.length > 0);
  assert.deepEqual(tcp.log, ['released', 'reset']);
});

test('a reset of either side reaches the other', async () => {
  const sockets: Socket[] = [];
  const problems: string[] = [];
  const { port } = await serve((socket) => {
    sockets.push(socket);
    socket.on('error', (error: NodeJS.ErrnoException) => problems.push(error.code ?? ''));
  });
  const { guest, until } = network([`tcp:${port}`]);
  const first = guest.connect(GATEWAY, port, 40_000);
  await until(() => sockets.length === 1 && first.log.length === 1);
  first.connection.abort();
  await until(() => problems.length === 1);
  assert.deepEqual(problems, ['ECONNRESET']);
  const second = guest.connect(GATEWAY, port, 40_001);
  await until(() => sockets.length === 2 && second.log.length === 1);
  sockets[1].resetAndDestroy();
  await until(() => second.log.includes('reset'));
});

test('a forwarded port carries a connection to the guest, and back', async () => {
  const { guest, net, until } = network();
  const { port } = await free();
  await net.forward({
    transport: 'tcp',
    host: { address: '127.0.0.1', port },
    guest: { address: guest.address, port: 7 },
  });
  guest.listen(7, (tcp) => tcp.connection.write(bytesOf('from the guest')));
  // The guest's answer must not come from inside the call that asks.
  guest.uplink = (frame, arrive) => setImmediate(() => arrive(frame));
  const client = connect(port, '127.0.0.1');
  let text = '';
  client.on('data', (bytes) => {
    text += bytes.toString();
  });
  await until(() => text === 'from the guest');
  client.destroy();
});

test('a port that is taken cannot be forwarded, and the user is told which', async () => {
  const { port } = await serve(() => {});
  const { net, guest } = network();
  const to = { address: guest.address, port: 7 };
  await assert.rejects(net.forward({ transport: 'tcp', host: { address: '127.0.0.1', port }, guest: to }), (error) => {
    assert(error instanceof VivariumError);
    assert.equal(error.message, `TCP port ${port} of 127.0.0.1 cannot be listened on: it is in use already.`);
    return true;
  });
  await assert.rejects(
    net.forward({ transport: 'udp', host: { address: '203.0.113.77', port: 9 }, guest: to }),
    /UDP port 9 of 203\.0\.113\.77 cannot be listened on: the host does not have the address\./,
  );
});

test('datagrams go to an opened service and back; one that is gone is told', async () => {
  const server = createSocket('udp4');
  server.on('message', (bytes, { port, address }) => server.send(`${bytes}!`, port, address));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const { guest, until } = network([`udp:${port}`]);
  guest.sendDatagram(GATEWAY, port, bytesOf('hello'));
  await until(() => guest.packets.length === 1);
  assert.equal(textOf([parseUdp(guest.packets[0])?.payload as Uint8Array]), 'hello!');
  server.close();
  await once(server, 'close');
  guest.sendDatagram(GATEWAY, port, bytesOf('hello?'));
  await until(() => guest.packets.length === 2);
  assert.deepEqual([...guest.packets[1].payload.subarray(0, 2)], [3, 3]);
});

test('forwarded datagrams reach the guest, and answers those who sent them', async () => {
  const { guest, net, until } = network();
  const { port } = await free();
  await net.forward({
    transport: 'udp',
    host: { address: '127.0.0.1', port },
    guest: { address: guest.address, port: 7 },
  });
  const client = createSocket('udp4');
  closing.push(() => client.close());
  let text = '';
  client.on('message', (bytes) => {
    text += bytes.toString();
  });
  client.send('question', port, '127.0.0.1');
  await until(() => guest.packets.length === 1);
  const { sourcePort, payload } = parseUdp(guest.packets[0]) as Exclude<ReturnType<typeof parseUdp>, undefined>;
  assert.equal(textOf([payload]), 'question');
  guest.sendDatagram(GATEWAY, sourcePort, bytesOf('answer'), 7);
  await until(() => text === 'answer');
});

test('a connection that ends at the host although its address is not known as its own is given up unused', async () => {
  let count = 0;
  const { port } = await serve((socket) => {
    socket.on('data', () => count++);
    socket.on('error', () => {});
  });
  const sockets = new NodeSockets();
  const problem = await new Promise((done) => {
    const unexpected = (): void => done('opened');
    sockets.connect(
      { address: parseIpv4('127.0.0.1') as number, port, isHost: false },
      { opened: unexpected, received: unexpected, ended: unexpected, drained: unexpected, closed: done },
    );
  });
  assert.equal(problem, 'refused');
  const told = await new Promise((done) => {
    const socket = sockets.datagrams(
      { address: parseIpv4('127.0.0.1') as number, port, isHost: false },
      { received: () => done('received'), unreachable: () => done('unreachable') },
    );
    socket.send(bytesOf('x'));
  });
  assert.equal(told, 'unreachable');
  await sleep(10);
  assert.equal(count, 0);
});

test('addresses of the host are its own', () => {
  const sockets = new NodeSockets();
  assert(sockets.isOwnAddress(parseIpv4('127.0.0.1') as number));
  assert(!sockets.isOwnAddress(parseIpv4('198.51.100.1') as number));
});

/** A port that nobody listens on just now. */
async function free(): Promise<{ port: number }> {
  const { server, port } = await serve(() => {});
  server.close();
  await once(server, 'close');
  return { port };
}
