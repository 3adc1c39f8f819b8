import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { NAME_SERVER } from './addresses.ts';
import { get16, put16 } from './bytes.ts';
import { isAnswerTo, withIdentification } from './dns.ts';
import { answerTo, question } from './test-dns.ts';
import { TestClock, TestGuest, TestSockets, testRandom } from './test-network.ts';
import { parseUdp } from './udp.ts';
import { UserNetwork } from './user-network.ts';

function network() {
  const clock = new TestClock();
  const sockets = new TestSockets();
  const net = new UserNetwork({ clock, sockets, random: testRandom(1) });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  guest.greet();
  return { clock, sockets, net, guest };
}

const query = question('example.org');

test('a question goes to the host with another identification; its answer comes back with the first', async () => {
  const { sockets, guest, net } = network();
  guest.sendDatagram(NAME_SERVER, 53, query);
  const [asked] = sockets.queries;
  assert.equal(asked.over, 'udp');
  assert.notEqual(get16(asked.message, 0), 0x1234);
  assert.deepEqual(withIdentification(asked.message, 0x1234), query);
  assert(net.isWaiting);
  asked.answer(answerTo(asked.message, [93, 184, 216, 34]));
  await turn();
  assert.equal(guest.packets[0].source, NAME_SERVER);
  const datagram = parseUdp(guest.packets[0]);
  assert.deepEqual([datagram?.sourcePort, datagram?.destinationPort], [53, 4000]);
  assert.deepEqual(datagram?.payload, answerTo(query, [93, 184, 216, 34]));
  assert(!net.isWaiting);
});

test('no answer, and one to another question, are told as a failure', async () => {
  for (const answer of [undefined, answerTo(question('example.com'), [1, 2, 3, 4])]) {
    const { sockets, guest } = network();
    guest.sendDatagram(NAME_SERVER, 53, query);
    sockets.queries[0].answer(answer);
    await turn();
    const { payload } = parseUdp(guest.packets[0]) as { payload: Uint8Array };
    assert(isAnswerTo(payload, query));
    assert.equal(payload[3] & 15, 2);
  }
});

test('what is no question stays here, and so do too many of them', () => {
  const { sockets, guest, net } = network();
  guest.sendDatagram(NAME_SERVER, 53, new Uint8Array(40));
  assert.equal(net.statistics.dropped.malformed, 1);
  for (let i = 0; i < 100; i++) guest.sendDatagram(NAME_SERVER, 53, query);
  assert.equal(sockets.queries.length, 64);
  assert.equal(net.statistics.dropped.limit, 36);
});

test('over TCP questions and answers have their length before them, however they are cut', async () => {
  const { sockets, guest, net, clock } = network();
  const tcp = guest.connect(NAME_SERVER, 53, 5000);
  await turn();
  assert.deepEqual(tcp.log, ['opened']);
  const framed = new Uint8Array(2 + query.length);
  put16(framed, 0, query.length);
  framed.set(query, 2);
  for (const byte of framed) tcp.connection.write(Uint8Array.of(byte));
  tcp.connection.write(framed);
  clock.advance(1e9);
  assert.deepEqual(
    sockets.queries.map(({ over }) => over),
    ['tcp', 'tcp'],
  );
  const answer = answerTo(query, [1, 2, 3, 4]);
  for (const { message, answer: give } of sockets.queries) give(answerTo(message, [1, 2, 3, 4]));
  tcp.connection.end();
  await turn();
  const expected = Buffer.concat([Buffer.of(0, answer.length), answer]);
  assert.deepEqual(Buffer.concat(tcp.chunks), Buffer.concat([expected, expected]));
  await turn();
  assert(tcp.log.includes('done'));
  clock.advance(100e9);
  assert.equal(net.sizes.tcp, 0);
});

test('a length that no question has ends the connection', async () => {
  const { guest, net } = network();
  const tcp = guest.connect(NAME_SERVER, 53, 5000);
  await turn();
  tcp.connection.write(Uint8Array.of(0xff, 0xff, 0));
  await turn();
  assert.deepEqual(tcp.log, ['opened', 'released', 'reset']);
  assert.equal(net.sizes.tcp, 0);
});
