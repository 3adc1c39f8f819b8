import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkDevice } from '../base/network.ts';
import { Link } from './link.ts';
import { NetworkStatistics } from './statistics.ts';

function bench() {
  const statistics = new NetworkStatistics();
  const taken: number[] = [];
  const sent: number[] = [];
  const counts = { delivered: 0 };
  const link = new Link({ sent: (frame) => sent.push(frame[0]), delivered: () => counts.delivered++ }, statistics);
  const card = {
    mac: new Uint8Array(6),
    room: Number.POSITIVE_INFINITY,
    canReceive: true,
    onReady: undefined as (() => void) | undefined,
    receive(frame: Uint8Array): boolean {
      if (this.room === 0) return false;
      this.room--;
      taken.push(frame[0]);
      return true;
    },
  } satisfies NetworkDevice & { room: number };
  return { statistics, link, card, taken, sent, counts };
}

test('frames wait for a card, and for room in it, in order', () => {
  const { link, card, taken, sent, counts } = bench();
  link.send(Uint8Array.of(1));
  card.room = 1;
  link.attach(card);
  link.send(Uint8Array.of(2));
  link.send(Uint8Array.of(3));
  assert.deepEqual(taken, [1]);
  card.room = 5;
  card.onReady?.();
  assert.deepEqual(taken, [1, 2, 3]);
  assert.deepEqual(sent, taken);
  assert.equal(counts.delivered, 3);
});

test('the queue is bounded: what comes then is dropped and counted', () => {
  const { link, card, statistics } = bench();
  card.room = 0;
  link.attach(card);
  for (let i = 0; i < 1000; i++) link.send(Uint8Array.of(i));
  assert.equal(link.queued, 256);
  assert.equal(statistics.dropped.queue, 744);
});

test('a card that is ready again from inside `receive` gets every frame once', () => {
  const { link, card, taken } = bench();
  const receive = card.receive.bind(card);
  card.receive = (frame) => {
    const isTaken = receive(frame);
    card.onReady?.();
    return isTaken;
  };
  card.room = 0;
  link.attach(card);
  for (let i = 0; i < 5; i++) link.send(Uint8Array.of(i));
  card.room = 100;
  card.onReady?.();
  assert.deepEqual(taken, [0, 1, 2, 3, 4]);
});

test('in silence nothing is sent, and nothing waits afterwards', () => {
  const { link, card, taken } = bench();
  card.room = 0;
  link.attach(card);
  link.send(Uint8Array.of(1));
  link.silently(() => link.send(Uint8Array.of(2)));
  card.room = 9;
  link.send(Uint8Array.of(3));
  assert.deepEqual(taken, [3]);
});
