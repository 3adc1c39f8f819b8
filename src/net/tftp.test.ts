import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_GUEST, GATEWAY, NAME_SERVER } from './addresses.ts';
import { get16 } from './bytes.ts';
import { PROTOCOL_ICMP, PROTOCOL_UDP } from './ipv4.ts';
import { bytesOf, TestClock, TestGuest, TestSockets, testRandom } from './test-network.ts';
import type { TftpFile, TftpFiles, TftpRefusal } from './tftp.ts';
import { parseTftp } from './tftp-messages.ts';
import { type Datagram, parseUdp } from './udp.ts';
import { UserNetwork } from './user-network.ts';

const SECOND = 1_000_000_000;
const [RRQ, WRQ, DATA, ACK, ERROR, OACK] = [1, 2, 3, 4, 5, 6];

/** Files in memory, and how many of them are open. */
class TestFiles implements TftpFiles {
  readonly contents = new Map<string, Uint8Array | TftpRefusal>();
  readonly asked: string[] = [];
  opened = 0;
  /** Reads fail from here on. */
  isBroken = false;

  async open(name: string): Promise<TftpFile | TftpRefusal> {
    this.asked.push(name);
    const content = this.contents.get(name) ?? 'not-found';
    if (typeof content === 'string') return content;
    this.opened++;
    return {
      sizeBytes: content.length,
      read: async (offset, into) => {
        if (this.isBroken) throw new Error('broken');
        // Not always all of it.
        const piece = content.subarray(offset, offset + Math.min(into.length, 100_000));
        into.set(piece);
        return piece.length;
      },
      close: () => void this.opened--,
    };
  }
}

function request(code: number, ...words: string[]): Uint8Array {
  return Uint8Array.of(0, code, ...bytesOf(words.map((word) => `${word}\0`).join('')));
}
const read = (name: string, ...options: string[]): Uint8Array => request(RRQ, name, 'octet', ...options);
const ack = (block: number): Uint8Array => Uint8Array.of(0, ACK, (block >> 8) & 0xff, block & 0xff);
const numbered = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(isOffered = true) {
  const clock = new TestClock();
  const files = new TestFiles();
  const net = new UserNetwork({
    clock,
    sockets: new TestSockets(),
    random: testRandom(1),
    boot: isOffered ? { files } : undefined,
  });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  guest.greet();
  /** What came since it was last asked. */
  const answers = (): Datagram[] =>
    guest.packets.splice(0).flatMap((packet) => {
      if (packet.protocol !== PROTOCOL_UDP) return [];
      assert.equal(packet.source, GATEWAY);
      return [parseUdp(packet) as Datagram];
    });
  const send = (port: number, bytes: Uint8Array, from = 4000): void => guest.sendDatagram(GATEWAY, port, bytes, from);
  /** Sends, waits for the host, and gives the answers. */
  const ask = async (port: number, bytes: Uint8Array, from = 4000): Promise<Datagram[]> => {
    send(port, bytes, from);
    await settled();
    return answers();
  };
  return { clock, files, net, guest, answers, send, ask };
}

type Network = ReturnType<typeof setUp>;

function textOf(bytes: Uint8Array, at: number): string {
  return new TextDecoder().decode(bytes.subarray(at));
}

/** Takes a whole file as a client does; also how many datagrams it took. */
async function fetchFile({ ask }: Network, name: string, ...options: string[]) {
  let packets = await ask(69, read(name, ...options));
  const port = packets[0]?.sourcePort as number;
  let accepted: string[] = [];
  if (get16(packets[0]?.payload as Uint8Array, 0) === OACK) {
    accepted = textOf(packets[0]?.payload as Uint8Array, 2)
      .split('\0')
      .slice(0, -1);
    packets = await ask(port, ack(0));
  }
  const agreed = (option: string, otherwise: number): number =>
    accepted.includes(option) ? Number(accepted[accepted.indexOf(option) + 1]) : otherwise;
  const blockBytes = agreed('blksize', 512);
  const pieces: Uint8Array[] = [];
  let windows = 0;
  for (let isLast = false; !isLast; windows++) {
    assert.ok(packets.length > 0 && packets.length <= agreed('windowsize', 1), `${packets.length} packets`);
    for (const { payload, sourcePort } of packets) {
      assert.equal(sourcePort, port);
      assert.deepEqual([get16(payload, 0), get16(payload, 2)], [DATA, (pieces.length + 1) & 0xffff]);
      pieces.push(payload.slice(4));
      isLast = payload.length - 4 < blockBytes;
    }
    packets = await ask(port, ack(pieces.length));
  }
  assert.deepEqual(packets, []);
  return { content: Buffer.concat(pieces), accepted, windows };
}

test('nothing is served that was not offered', async () => {
  const { ask, guest } = setUp(false);
  guest.sendDatagram(GATEWAY, 69, read('a'));
  await settled();
  assert.equal(guest.packets[0]?.protocol, PROTOCOL_ICMP);
  assert.deepEqual(await ask(69, read('a')), []);
});

for (const length of [0, 1, 511, 512, 513, 1024, 300_000, 600_001]) {
  test(`a file of ${length} bytes comes whole, in blocks of 512`, async () => {
    const network = setUp();
    network.files.contents.set('a', numbered(length));
    const { content, windows } = await fetchFile(network, 'a');
    assert.deepEqual(new Uint8Array(content), numbered(length));
    assert.equal(windows, Math.floor(length / 512) + 1);
    assert.deepEqual([network.net.sizes.tftp, network.files.opened], [0, 0]);
  });
}

test('options are agreed on: size, larger blocks, several of them at once', async () => {
  const network = setUp();
  network.files.contents.set('a', numbered(700_000));
  const { content, accepted, windows } = await fetchFile(
    network,
    'a',
    ...['tsize', '0', 'BLKSIZE', '1428', 'windowsize', '16', 'timeout', '3', 'multicast', ''],
  );
  assert.deepEqual(new Uint8Array(content), numbered(700_000));
  assert.deepEqual(
    new Set(accepted),
    new Set(['blksize', '1428', 'timeout', '3', 'tsize', '700000', 'windowsize', '16']),
  );
  assert.equal(windows, Math.ceil(491 / 16));
});

test('what is asked for beyond bounds is cut to them, and what makes no sense is left out', async () => {
  const network = setUp();
  network.files.contents.set('a', numbered(10_000));
  const large = await fetchFile(network, 'a', 'blksize', '65464', 'windowsize', '65535');
  assert.deepEqual(large.accepted, ['blksize', '1468', 'windowsize', '64']);
  assert.equal(large.content.length, 10_000);
  for (const [option, value] of [
    ['blksize', '7'],
    ['blksize', '65465'],
    ['blksize', '-512'],
    ['blksize', '1e3'],
    ['blksize', ''],
    ['windowsize', '0'],
    ['timeout', '0'],
    ['timeout', '256'],
    ['size', '1'],
  ]) {
    assert.deepEqual(
      (await fetchFile(network, 'a', option as string, value as string)).accepted,
      [],
      `${option}=${value}`,
    );
  }
});

test('block numbers go on from 65535 to 0', async () => {
  const network = setUp();
  const content = numbered(8 * 65_600);
  network.files.contents.set('a', content);
  const fetched = await fetchFile(network, 'a', 'blksize', '8', 'windowsize', '64');
  assert.deepEqual(new Uint8Array(fetched.content), content);
});

test('what is lost is sent again, some times, and then no more', async () => {
  const { clock, files, net, ask, answers } = setUp();
  files.contents.set('a', numbered(2000));
  const [first] = await ask(69, read('a'));
  let sent = 1;
  for (let second = 0; second < 20; second++) {
    clock.advance(SECOND);
    for (const { payload } of answers()) {
      assert.deepEqual(payload, first?.payload);
      sent++;
    }
  }
  assert.equal(sent, 6);
  assert.deepEqual([net.sizes.tftp, files.opened], [0, 0]);
});

test('an acknowledgment within a window has the rest of it sent again; one that was seen before changes nothing', async () => {
  const { files, ask } = setUp();
  files.contents.set('a', numbered(512 * 20));
  const [options] = await ask(69, read('a', 'windowsize', '4'));
  const port = options?.sourcePort as number;
  const blocks = async (number: number): Promise<number[]> =>
    (await ask(port, ack(number))).map(({ payload }) => get16(payload, 2));
  assert.deepEqual(await blocks(0), [1, 2, 3, 4]);
  assert.deepEqual(await blocks(2), [3, 4, 5, 6]);
  assert.deepEqual(await blocks(2), []);
  assert.deepEqual(await blocks(1), []);
  assert.deepEqual(await blocks(7), []);
  assert.deepEqual(await blocks(6), [7, 8, 9, 10]);
});

test('a client that gives up, or asks anew from the same port, ends its transfer', async () => {
  const { files, net, ask } = setUp();
  files.contents.set('a', numbered(2000));
  const [first] = await ask(69, read('a'));
  const [second] = await ask(69, read('a'));
  assert.notEqual(second?.sourcePort, first?.sourcePort);
  assert.deepEqual([net.sizes.tftp, files.opened], [1, 1]);
  await ask(second?.sourcePort as number, Uint8Array.of(0, ERROR, 0, 0, 0));
  assert.deepEqual([net.sizes.tftp, files.opened], [0, 0]);
});

test('somebody else’s packets disturb no transfer', async () => {
  const { files, ask } = setUp();
  files.contents.set('a', numbered(2000));
  const [data] = await ask(69, read('a'));
  const port = data?.sourcePort as number;
  const [answer] = await ask(port, ack(1), 4001);
  assert.deepEqual([get16(answer?.payload as Uint8Array, 0), get16(answer?.payload as Uint8Array, 2)], [ERROR, 5]);
  const [next] = await ask(port, ack(1));
  assert.equal(get16(next?.payload as Uint8Array, 2), 2);
});

test('files that are not there or not to be read, writing and other modes are refused with a reason', async () => {
  const { files, net, ask } = setUp();
  files.contents.set('secret', 'denied').set('a', numbered(10));
  for (const [bytes, code] of [
    [read('b'), 1],
    [read(''), 1],
    [read('secret'), 2],
    [request(WRQ, 'a', 'octet'), 2],
    [request(RRQ, 'a', 'netascii'), 4],
    [request(RRQ, 'a', 'mail'), 4],
  ] as const) {
    const [answer, ...more] = await ask(69, bytes);
    const payload = answer?.payload as Uint8Array;
    assert.deepEqual([get16(payload, 0), get16(payload, 2), payload.at(-1)], [ERROR, code, 0]);
    assert.deepEqual(more, []);
  }
  assert.deepEqual([net.sizes.tftp, files.opened], [0, 0]);
  const [data] = await ask(69, request(RRQ, 'a', 'OCTET'));
  assert.equal(data?.payload.length, 14);
});

test('names come to whoever has the files as they were sent', async () => {
  const { files, ask } = setUp();
  for (const name of ['../../etc/passwd', '/etc/passwd', '..\\x', 'ü']) await ask(69, read(name));
  assert.deepEqual(files.asked, ['../../etc/passwd', '/etc/passwd', '..\\x', 'ü']);
});

test('a file that cannot be read any more ends its transfer with an error', async () => {
  const { files, net, ask } = setUp();
  files.contents.set('a', numbered(2000));
  files.isBroken = true;
  const [answer] = await ask(69, read('a'));
  assert.equal(get16(answer?.payload as Uint8Array, 0), ERROR);
  assert.deepEqual([net.sizes.tftp, files.opened], [0, 0]);
});

test('however many requests come, transfers and open files stay few, and the newest are served', async () => {
  const { files, net, send, answers } = setUp();
  files.contents.set('a', numbered(2000));
  for (let i = 0; i < 1000; i++) {
    send(69, read('a'), 5000 + i);
    if (i % 10 === 9) await settled();
    assert.ok(net.sizes.tftp <= 16 && files.opened <= 32, `${net.sizes.tftp} ${files.opened}`);
  }
  await settled();
  assert.deepEqual([net.sizes.tftp, files.opened], [16, 16]);
  assert.ok(answers().some(({ destinationPort }) => destinationPort === 5999));
  // Without the host's turn, no more are begun.
  for (let i = 0; i < 1000; i++) send(69, read('a'), 7000 + i);
  assert.ok(net.statistics.dropped.limit > 900);
  net.reset();
  await settled();
  assert.deepEqual([net.sizes.tftp, files.opened, net.isWaiting], [0, 0, false]);
});

test('a reset while a file is being opened leaves nothing open', async () => {
  const { files, net, send, answers } = setUp();
  files.contents.set('a', numbered(2000));
  send(69, read('a'));
  assert.equal(net.isWaiting, true);
  net.reset();
  await settled();
  assert.deepEqual([net.sizes.tftp, files.opened, net.isWaiting], [0, 0, false]);
  assert.deepEqual(answers(), []);
});

test('requests are parsed as RFC 1350 and 2347 write them, and nothing else is', () => {
  assert.deepEqual(parseTftp(read('a', 'BlkSize', '8', 'blksize', '9', 'odd')), {
    ...{ kind: 'read', name: 'a', mode: 'octet' },
    options: new Map([['blksize', '8']]),
  });
  for (const bytes of [
    new Uint8Array(0),
    Uint8Array.of(0, RRQ),
    Uint8Array.of(0, RRQ, 97, 0),
    Uint8Array.of(0, RRQ, 97, 0, 111),
    Uint8Array.of(0, RRQ, 0xff, 0, 111, 0),
    Uint8Array.of(1, RRQ, 97, 0, 111, 0),
    Uint8Array.of(0, DATA, 0, 1),
    Uint8Array.of(0, OACK, 0, 1),
    Uint8Array.of(0, ACK, 0),
    read('a'.repeat(600)),
  ]) {
    assert.equal(parseTftp(bytes), undefined, String(bytes));
  }
});

test('damaged requests end in no exception, and in nothing that stays open', async () => {
  const { clock, files, net, guest, send } = setUp();
  files.contents.set('a', numbered(200_000));
  const random = testRandom(11);
  for (let i = 0; i < 20_000; i++) {
    const bytes = [read('a', 'blksize', '100', 'windowsize', '9'), ack(random() % 4), read('a')][
      random() % 3
    ] as Uint8Array;
    for (let j = random() % 4; j > 0; j--) bytes[random() % bytes.length] = random();
    const port = random() % 2 ? 69 : 32_768 + (random() % 64);
    send(port, bytes.subarray(0, random() % 4 ? bytes.length : random() % bytes.length), 4000 + (random() % 4));
    if (random() % 50 === 0) await settled();
    if (random() % 200 === 0) clock.advance(SECOND);
    guest.packets.length = 0;
    guest.frames.length = 0;
  }
  assert.ok(files.asked.length > 100);
  await settled();
  for (let i = 0; i < 2000; i++) clock.advance(SECOND);
  assert.deepEqual([net.sizes.tftp, files.opened], [0, 0]);
});

test('only the gateway’s address answers', async () => {
  const { guest, files } = setUp();
  files.contents.set('a', numbered(10));
  guest.sendDatagram(NAME_SERVER, 69, read('a'));
  await settled();
  assert.deepEqual(files.asked, []);
  assert.equal(guest.address, FIRST_GUEST);
});
