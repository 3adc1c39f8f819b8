import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from '../deadlines.ts';
import { bytesOf, TestClock, textOf } from '../test-network.ts';
import { TcpConnection } from './connection.ts';
import { ACK, FIN, PSH, RST, type Segment, SYN } from './segment.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;
/** Initial sequence numbers: ours wraps soon, the guest's too. */
const OURS = 0xffff_fff0;
const GUESTS = 0xffff_ff00;

interface Bench {
  readonly clock: TestClock;
  readonly connection: TcpConnection;
  /** What was sent and not looked at yet. */
  readonly sent: Segment[];
  readonly log: string[];
  readonly chunks: Uint8Array[];
  /** What the host has not used up yet. */
  readonly room: { unconsumed: number };
  /** A segment of the guest's: sequence and acknowledgment count from the initial numbers. */
  guest(flags: number, sequence: number, acknowledgment: number, rest?: Partial<Segment>): void;
  next(): { flags: number; sequence: number; acknowledgment: number; length: number; window: number };
}

function bench(syn: Partial<Segment> | undefined, capacity = 65_536): Bench {
  const clock = new TestClock();
  const sent: Segment[] = [];
  const log: string[] = [];
  const chunks: Uint8Array[] = [];
  const room = { unconsumed: 0 };
  const host = {
    deadlines: new Deadlines(clock),
    localPort: 80,
    remotePort: 1024,
    initial: OURS,
    capacityBytes: () => capacity,
    transmit: (segment: Segment) => sent.push(segment),
    released: () => log.push('released'),
    events: {
      opened: () => log.push('opened'),
      received: (bytes: Uint8Array) => chunks.push(bytes),
      unconsumedBytes: () => room.unconsumed,
      ended: () => log.push('ended'),
      progressed: () => log.push('progressed'),
      closed: (ending: string) => log.push(ending),
    },
  };
  const segment = (flags: number, sequence: number, acknowledgment: number, rest: Partial<Segment> = {}): Segment => ({
    sourcePort: 1024,
    destinationPort: 80,
    flags,
    sequence: (GUESTS + sequence) >>> 0,
    acknowledgment: flags & ACK ? (OURS + acknowledgment) >>> 0 : 0,
    window: 60_000,
    payload: new Uint8Array(0),
    ...rest,
  });
  const connection = syn ? TcpConnection.accept(host, segment(SYN, 0, 0, syn)) : TcpConnection.connect(host);
  return {
    clock,
    connection,
    sent,
    log,
    chunks,
    room,
    guest: (...words) => connection.receive(segment(...words)),
    next: () => {
      const { flags, sequence, acknowledgment, payload, window } = sent.shift() as Segment;
      return {
        flags,
        sequence: (sequence - OURS) >>> 0,
        acknowledgment: flags & ACK ? (acknowledgment - GUESTS) >>> 0 : 0,
        length: payload.length,
        window,
      };
    },
  };
}

/** One that is open, its handshake forgotten. */
function open(syn: Partial<Segment> = { mss: 1000 }, capacity?: number): Bench {
  const at = bench(syn, capacity);
  at.guest(ACK, 1, 1);
  at.sent.length = 0;
  at.log.length = 0;
  return at;
}

const data = (length: number): Partial<Segment> => ({ payload: new Uint8Array(length) });
const told = ({ log }: Bench): string[] => log.filter((word) => word !== 'progressed');

test('a SYN is answered with ours, size and scale in it; the last acknowledgment opens', () => {
  const at = bench({ mss: 1000, windowScale: 7 });
  assert.equal(at.sent[0].mss, 1460);
  assert.equal(at.sent[0].windowScale, 4);
  const { flags, sequence, acknowledgment, window } = at.next();
  assert.deepEqual(
    { flags, sequence, acknowledgment, window },
    { flags: SYN | ACK, sequence: 0, acknowledgment: 1, window: 65_535 },
  );
  assert.equal(at.connection.state, 'syn-received');
  at.guest(ACK, 1, 1);
  assert.equal(at.connection.state, 'established');
  assert.deepEqual(at.log, ['opened']);
});

test('scale is offered only to those who offer it', () => {
  assert.equal(bench({}).sent[0].windowScale, undefined);
});

test('a SYN of ours is repeated with growing pauses, and given up', () => {
  const at = bench(undefined);
  at.clock.advance(1000 * SECOND);
  const flags = at.sent.map((segment) => segment.flags);
  assert.deepEqual(flags, new Array(7).fill(SYN));
  assert.deepEqual(told(at), ['released', 'silent']);
});

test('a SYN of ours that is answered opens; one that is reset does not', () => {
  const at = bench(undefined);
  at.guest(SYN | ACK, 0, 1, { mss: 1400 });
  assert.equal(at.connection.state, 'established');
  at.next();
  assert.equal(at.next().flags, ACK);
  const refused = bench(undefined);
  refused.guest(RST | ACK, 0, 2);
  assert.equal(refused.connection.state, 'syn-sent', 'a reset that acknowledges something else means nothing');
  refused.guest(RST | ACK, 0, 1);
  assert.deepEqual(told(refused), ['released', 'reset']);
});

test('SYNs that cross each other make one connection', () => {
  const at = bench(undefined);
  at.guest(SYN, 0, 0);
  at.next();
  assert.equal(at.next().flags, SYN | ACK);
  at.guest(ACK, 1, 1);
  assert.equal(at.connection.state, 'established');
});

test('data in order is handed on; every second full segment is acknowledged at once, the rest soon', () => {
  const at = open({ mss: 1000 });
  at.guest(ACK, 1, 1, data(1000));
  assert.equal(at.sent.length, 0);
  at.guest(ACK, 1001, 1, data(1000));
  assert.equal(at.next().acknowledgment, 2001);
  at.guest(ACK | PSH, 2001, 1, data(10));
  assert.equal(at.sent.length, 0);
  at.clock.advance(100 * MS);
  assert.equal(at.next().acknowledgment, 2011);
  assert.equal(at.sent.length, 0);
  assert.equal(
    at.chunks.reduce((sum, { length }) => sum + length, 0),
    2010,
  );
});

test('what comes too early waits, what comes twice is dropped, and both are acknowledged at once', () => {
  const at = open();
  at.guest(ACK, 6, 1, { payload: bytesOf('fghij') });
  assert.equal(at.next().acknowledgment, 1);
  at.guest(ACK, 4, 1, { payload: bytesOf('defg') });
  assert.equal(at.next().acknowledgment, 1);
  at.guest(ACK, 1, 1, { payload: bytesOf('abcde') });
  assert.equal(at.next().acknowledgment, 11);
  at.guest(ACK, 1, 1, { payload: bytesOf('abcde') });
  assert.equal(at.next().acknowledgment, 11);
  assert.equal(textOf(at.chunks), 'abcdefghij');
});

test('an end that comes too early waits for its turn', () => {
  const at = open();
  at.guest(ACK | FIN, 3, 1, { payload: bytesOf('cd') });
  assert.deepEqual(at.log, []);
  at.guest(ACK, 1, 1, { payload: bytesOf('ab') });
  assert.equal(textOf(at.chunks), 'abcd');
  assert.deepEqual(at.log, ['ended']);
  assert.equal(at.connection.state, 'close-wait');
});

test('the window is what the host has room for; new room is told when it is worth it', () => {
  const at = open({ mss: 1000 }, 8000);
  at.room.unconsumed = 8000;
  for (let i = 0; i < 8; i++) at.guest(ACK, 1 + 1000 * i, 1, data(1000));
  assert.equal(at.sent.at(-1)?.window, 0);
  at.sent.length = 0;
  at.guest(ACK, 8001, 1, data(1));
  assert.deepEqual({ ...at.next(), flags: 0 }, { flags: 0, sequence: 1, acknowledgment: 8001, length: 0, window: 0 });
  at.room.unconsumed = 7500;
  at.connection.consumed();
  assert.equal(at.sent.length, 0);
  at.room.unconsumed = 0;
  at.connection.consumed();
  assert.equal(at.next().window, 8000);
});

test('a window once granted is not taken back', () => {
  const at = open({ mss: 1000 }, 8000);
  at.room.unconsumed = 8000;
  at.guest(ACK, 1, 1, data(1000));
  at.clock.advance(SECOND);
  assert.equal(at.next().window, 7000);
});

test('data is cut to the segment size of the guest, and pushed at its end', () => {
  const at = open({ mss: 1000 });
  at.connection.write(new Uint8Array(2500));
  const segments = [at.next(), at.next(), at.next()];
  assert.deepEqual(
    segments.map(({ length }) => length),
    [1000, 1000, 500],
  );
  assert.deepEqual(
    segments.map(({ flags }) => flags),
    [ACK, ACK, ACK | PSH],
  );
});

test('no more is sent than the window of the guest allows, scaled', () => {
  const at = open({ mss: 1000, windowScale: 2 });
  at.guest(ACK, 1, 1, { window: 500 });
  at.connection.write(new Uint8Array(10_000));
  assert.deepEqual(
    at.sent.map(({ payload }) => payload.length),
    [1000, 1000],
  );
});

test('slow start: ten segments, then two for each that is acknowledged', () => {
  const at = open({ mss: 1000 });
  at.connection.write(new Uint8Array(50_000));
  assert.equal(at.sent.length, 10);
  at.sent.length = 0;
  at.guest(ACK, 1, 1001);
  assert.equal(at.sent.length, 2);
});

test('what is not acknowledged in time is sent again, from the first on, with growing pauses', () => {
  const at = open({ mss: 1000 });
  at.connection.write(new Uint8Array(3000));
  at.sent.length = 0;
  at.clock.advance(250 * MS);
  assert.deepEqual(
    at.sent.map(({ payload }) => payload.length),
    [1000],
    'one segment: the window is small again',
  );
  at.sent.length = 0;
  at.clock.advance(250 * MS);
  assert.equal(at.sent.length, 0, 'the next pause is longer');
  at.guest(ACK, 1, 1001);
  assert.deepEqual(
    at.sent.map(({ payload }) => payload.length),
    [1000, 1000],
  );
  at.guest(ACK, 1, 3001);
  assert.equal(at.connection.queuedBytes, 0);
});

test('three acknowledgments of the same have the first segment sent again at once', () => {
  const at = open({ mss: 1000 });
  at.connection.write(new Uint8Array(5000));
  at.sent.length = 0;
  at.guest(ACK, 1, 1);
  at.guest(ACK, 1, 1);
  assert.equal(at.sent.length, 0);
  at.guest(ACK, 1, 1);
  assert.deepEqual(at.next(), { flags: ACK, sequence: 1, acknowledgment: 1, length: 1000, window: 65_535 });
  at.guest(ACK, 1, 2001);
  const { sequence, length } = at.next();
  assert.deepEqual({ sequence, length }, { sequence: 2001, length: 1000 }, 'part of it: the next that is lost, too');
});

test('a guest that never answers is given up, with a reset', () => {
  const at = open({ mss: 1000 });
  at.connection.write(bytesOf('anybody?'));
  at.clock.advance(3600 * SECOND);
  assert.equal(at.sent.at(-1)?.flags, RST | ACK);
  assert.deepEqual(told(at), ['released', 'silent']);
});

test('a closed window is probed, however long it stays closed, and data follows when it opens', () => {
  const at = open({ mss: 1000 });
  at.guest(ACK, 1, 1, { window: 0 });
  at.connection.write(bytesOf('hello'));
  assert.equal(at.sent.length, 0);
  for (let i = 0; i < 40; i++) {
    at.clock.advance(60 * SECOND);
    assert(at.sent.length > 0);
    assert(at.sent.every(({ payload }) => payload.length === 1));
    at.sent.length = 0;
    at.guest(ACK, 1, 1, { window: 0 });
  }
  at.guest(ACK, 1, 1, { window: 1000 });
  assert.equal(textOf(at.sent.map(({ payload }) => payload)), 'hello');
  at.sent.length = 0;
  at.clock.advance(300 * MS);
  assert.equal(at.sent.length, 1, 'the pause is that of data again');
});

test('a probe that is taken counts', () => {
  const at = open({ mss: 1000 });
  at.guest(ACK, 1, 1, { window: 0 });
  at.connection.write(bytesOf('hello'));
  at.clock.advance(SECOND);
  at.sent.length = 0;
  at.guest(ACK, 1, 2, { window: 1000 });
  assert.equal(textOf(at.sent.map(({ payload }) => payload)), 'ello');
});

test('we end first: fin-wait-1, fin-wait-2, time-wait, gone after a minute', () => {
  const at = open();
  at.connection.write(bytesOf('bye'));
  at.connection.end();
  assert.equal(at.connection.state, 'fin-wait-1');
  assert.deepEqual(
    at.sent.map(({ flags }) => flags),
    [ACK | PSH, ACK | PSH | FIN],
  );
  at.guest(ACK, 1, 5);
  assert.equal(at.connection.state, 'fin-wait-2');
  at.guest(ACK, 1, 5, { payload: bytesOf('and yet') });
  assert.equal(textOf(at.chunks), 'and yet', 'the other half is still open');
  at.guest(ACK | FIN, 8, 5);
  assert.equal(at.connection.state, 'time-wait');
  assert.deepEqual(told(at), ['ended', 'done']);
  at.sent.length = 0;
  at.guest(ACK | FIN, 8, 5);
  assert.equal(at.next().acknowledgment, 9);
  at.clock.advance(61 * SECOND);
  assert.deepEqual(told(at), ['ended', 'done', 'released']);
});

test('the guest ends first: close-wait, last-ack, gone', () => {
  const at = open();
  at.guest(ACK | FIN, 1, 1);
  assert.equal(at.connection.state, 'close-wait');
  assert.equal(at.next().acknowledgment, 2);
  at.connection.write(bytesOf('rest'));
  at.connection.end();
  assert.equal(at.connection.state, 'last-ack');
  at.guest(ACK, 2, 6);
  assert.deepEqual(told(at), ['ended', 'released', 'done']);
});

test('both end at once: closing, time-wait', () => {
  const at = open();
  at.connection.end();
  at.guest(ACK | FIN, 1, 1);
  assert.equal(at.connection.state, 'closing');
  at.guest(ACK, 2, 2);
  assert.equal(at.connection.state, 'time-wait');
});

test('an end of ours that is lost is sent again', () => {
  const at = open();
  at.connection.end();
  at.sent.length = 0;
  at.clock.advance(300 * MS);
  assert.equal(at.next().flags & FIN, FIN);
});

test('a reset ends at once, but only one that fits exactly', () => {
  const at = open();
  at.guest(RST, 100, 0);
  assert.equal(at.next().flags, ACK);
  assert.equal(at.connection.state, 'established');
  at.guest(RST, 90_000, 0);
  assert.equal(at.sent.length, 0);
  at.guest(RST, 1, 0);
  assert.deepEqual(told(at), ['released', 'reset']);
});

test('a SYN, and an acknowledgment of what was never sent, are answered and ignored', () => {
  const at = open();
  at.guest(SYN, 10, 0);
  assert.equal(at.next().flags, ACK);
  at.guest(ACK, 1, 5000);
  assert.equal(at.next().flags, ACK);
  assert.equal(at.connection.state, 'established');
});

test('giving up resets the guest', () => {
  const at = open();
  at.connection.abort();
  assert.equal(at.next().flags, RST | ACK);
  assert.deepEqual(told(at), ['released', 'aborted']);
  at.connection.write(bytesOf('too late'));
  assert.equal(at.sent.length, 0);
});

test('after two hours in which nothing happens a connection is over', () => {
  const at = open();
  at.clock.advance(7000 * SECOND);
  at.guest(ACK, 1, 1);
  at.clock.advance(7000 * SECOND);
  assert.deepEqual(told(at), []);
  at.clock.advance(500 * SECOND);
  assert.deepEqual(told(at), ['released', 'silent']);
});

test('a new SYN takes the place of a connection in time-wait', () => {
  const at = open();
  at.connection.end();
  at.guest(ACK | FIN, 1, 2);
  const syn = { ...(at.sent[0] as Segment), flags: SYN, sequence: (GUESTS + 500) >>> 0 };
  assert(at.connection.yieldsTo(syn));
  assert(!at.connection.yieldsTo({ ...syn, sequence: GUESTS - 500 }));
});
