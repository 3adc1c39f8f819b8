import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_GUEST, GATEWAY, GATEWAY_MAC, NAME_SERVER, NETWORK } from './addresses.ts';
import { arpFrame, parseArp } from './arp.ts';
import { BROADCAST_MAC, destinationOf, payloadOf } from './ethernet.ts';
import { Neighbours } from './neighbours.ts';
import { NetworkStatistics } from './statistics.ts';
import { GUEST_MAC } from './test-network.ts';

function bench() {
  const sent: Uint8Array[] = [];
  const statistics = new NetworkStatistics();
  const time = { ns: 0 };
  const neighbours = new Neighbours({ now: () => time.ns, send: (frame) => sent.push(frame) }, statistics);
  return { sent, statistics, time, neighbours };
}

const frame = (): Uint8Array => new Uint8Array(60);
const asks = (target: number, sender = FIRST_GUEST) => ({ isRequest: true, senderMac: GUEST_MAC, sender, target });

test('what is built is read back; other protocols, and what is cut short, are not', () => {
  const bytes = payloadOf(arpFrame({ ...asks(GATEWAY), to: BROADCAST_MAC }));
  assert.deepEqual(parseArp(bytes), asks(GATEWAY));
  for (const at of [1, 2, 4, 5, 7]) {
    const other = bytes.slice();
    other[at] = 9;
    assert.equal(parseArp(other), undefined);
  }
  assert.equal(parseArp(bytes.subarray(0, 27)), undefined);
});

test('gateway and name server answer for themselves, and for nobody else', () => {
  for (const target of [GATEWAY, NAME_SERVER]) {
    const { neighbours, sent } = bench();
    neighbours.arp(asks(target));
    assert.deepEqual(parseArp(payloadOf(sent[0])), {
      isRequest: false,
      senderMac: GATEWAY_MAC,
      sender: target,
      target: FIRST_GUEST,
    });
    assert.deepEqual(destinationOf(sent[0]), GUEST_MAC);
  }
  const { neighbours, sent } = bench();
  neighbours.arp(asks(FIRST_GUEST, 0));
  neighbours.arp(asks(NETWORK + 99));
  assert.deepEqual(sent, []);
});

test('a probe for an address that is ours is answered', () => {
  const { neighbours, sent } = bench();
  neighbours.arp(asks(GATEWAY, 0));
  assert.equal(parseArp(payloadOf(sent[0]))?.sender, GATEWAY);
});

test('packets for someone unknown wait, the last of them, while he is asked for, once a second', () => {
  const { neighbours, sent, statistics, time } = bench();
  const last = frame();
  neighbours.send(FIRST_GUEST, [frame()]);
  neighbours.send(FIRST_GUEST, [last]);
  assert.equal(sent.length, 1);
  assert.deepEqual(parseArp(payloadOf(sent[0])), {
    isRequest: true,
    senderMac: GATEWAY_MAC,
    sender: GATEWAY,
    target: FIRST_GUEST,
  });
  assert.equal(statistics.dropped.neighbour, 1);
  time.ns += 1_000_000_000;
  neighbours.send(FIRST_GUEST, [last]);
  assert.equal(sent.length, 2);
  neighbours.arp({ isRequest: false, senderMac: GUEST_MAC, sender: FIRST_GUEST, target: GATEWAY });
  assert.equal(sent[2], last);
  assert.deepEqual(destinationOf(last), GUEST_MAC);
});

test('nobody takes our address, nor has one of many', () => {
  const { neighbours, sent } = bench();
  neighbours.arp({ isRequest: false, senderMac: GUEST_MAC, sender: GATEWAY, target: FIRST_GUEST });
  neighbours.learn(FIRST_GUEST, BROADCAST_MAC);
  neighbours.send(FIRST_GUEST, [frame()]);
  assert.equal(parseArp(payloadOf(sent[0]))?.isRequest, true);
});

test('a flood of addresses is bounded, and takes the oldest with it', () => {
  const { neighbours, sent, statistics } = bench();
  for (let i = 4; i < 250; i++) neighbours.send(NETWORK + i, [frame()]);
  assert.equal(statistics.dropped.neighbour, 246 - 32);
  sent.length = 0;
  for (let i = 4; i < 250; i++) neighbours.learn(NETWORK + i, GUEST_MAC);
  assert(sent.length <= 32);
});
