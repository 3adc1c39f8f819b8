import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import { serverFailure, withIdentification } from '../../net/dns.ts';
import { answerTo, question } from '../../net/test-dns.ts';
import { parseNameServer, resolve } from './dns-client.ts';

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});
const query = question('example.org');

async function udpServer(answers: (query: Uint8Array) => Uint8Array[]): Promise<{ address: string; port: number }> {
  const server = createSocket('udp4');
  server.on('message', (message, { port, address }) => {
    for (const answer of answers(message)) server.send(answer, port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return { address: '127.0.0.1', port: server.address().port };
}

test('an answer comes back as it is; what is none is passed over', async () => {
  const answer = answerTo(query, [1, 2, 3, 4]);
  const server = await udpServer(() => [withIdentification(answer, 7), Uint8Array.of(1), answer]);
  assert.deepEqual(Uint8Array.from((await resolve(query, 'udp', [server])) as Uint8Array), answer);
});

test('where nobody listens, the next server is asked', async () => {
  const gone = createSocket('udp4').bind(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address();
  gone.close();
  await once(gone, 'close');
  const server = await udpServer((message) => [serverFailure(message)]);
  const answer = await resolve(query, 'udp', [{ address: '127.0.0.1', port }, server]);
  assert.deepEqual(Uint8Array.from(answer as Uint8Array), serverFailure(query));
  assert.equal(await resolve(query, 'udp', [{ address: '127.0.0.1', port }]), undefined);
  assert.equal(await resolve(query, 'tcp', [{ address: '127.0.0.1', port }]), undefined);
  assert.equal(await resolve(query, 'udp', []), undefined);
});

test('over TCP the answer may come in pieces', async () => {
  const answer = answerTo(query, [1, 2, 3, 4]);
  const server = createServer((socket) => {
    socket.once('data', async (bytes) => {
      assert.deepEqual(Uint8Array.from(bytes), Uint8Array.of(0, query.length, ...query));
      for (const byte of [0, answer.length, ...answer]) {
        socket.write(Uint8Array.of(byte));
        await new Promise((next) => setImmediate(next));
      }
    });
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  const at = { address: '127.0.0.1', port: (server.address() as AddressInfo).port };
  assert.deepEqual(Uint8Array.from((await resolve(query, 'tcp', [at])) as Uint8Array), answer);
});

test('servers are read as Node writes them', () => {
  assert.deepEqual(parseNameServer('192.0.2.1'), { address: '192.0.2.1', port: 53 });
  assert.deepEqual(parseNameServer('192.0.2.1:5353'), { address: '192.0.2.1', port: 5353 });
  assert.deepEqual(parseNameServer('2001:db8::1'), { address: '2001:db8::1', port: 53 });
  assert.deepEqual(parseNameServer('[2001:db8::1]:5353'), { address: '2001:db8::1', port: 5353 });
});
