import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_GUEST, formatIpv4, GATEWAY, LIMITED_BROADCAST, parseIpv4 } from './addresses.ts';
import { get32, put16, put32 } from './bytes.ts';
import { DhcpServer } from './dhcp.ts';
import { BROADCAST_MAC } from './ethernet.ts';
import { GUEST_MAC, testRandom } from './test-network.ts';

interface Wish {
  readonly type?: number;
  readonly mac?: Uint8Array;
  readonly client?: number;
  readonly broadcast?: boolean;
  readonly options?: readonly number[];
}

function message({ type, mac = GUEST_MAC, client = 0, broadcast = false, options = [] }: Wish): Uint8Array {
  const bytes = new Uint8Array(300);
  bytes.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
  if (broadcast) put16(bytes, 10, 0x8000);
  put32(bytes, 12, client);
  bytes.set(mac, 28);
  put32(bytes, 236, 0x6382_5363);
  bytes.set([...(type === undefined ? [] : [53, 1, type]), ...options, 255], 240);
  return bytes;
}

function optionsOf(bytes: Uint8Array): Map<number, number[]> {
  const options = new Map<number, number[]>();
  for (let at = 240; bytes[at] !== 255; at += 2 + bytes[at + 1]) {
    options.set(bytes[at], [...bytes.subarray(at + 2, at + 2 + bytes[at + 1])]);
  }
  return options;
}

const wants = (text: string): number[] => [50, 4, ...text.split('.').map(Number)];
const GATEWAY_BYTES = [10, 0, 2, 2];

test('discover is offered 10.0.2.15, gateway, name server and netmask; request gets it', () => {
  const server = new DhcpServer();
  for (const [type, answer, options] of [
    [1, 2, []],
    [3, 5, [...wants('10.0.2.15'), 54, 4, ...GATEWAY_BYTES]],
  ] as const) {
    const reply = server.answer(message({ type, options }));
    assert(reply !== undefined);
    assert.deepEqual([...reply.message.subarray(0, 8)], [2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
    assert.equal(get32(reply.message, 16), FIRST_GUEST);
    assert.deepEqual(
      optionsOf(reply.message),
      new Map([
        [53, [answer]],
        [54, GATEWAY_BYTES],
        [51, [0, 1, 0x51, 0x80]],
        [1, [255, 255, 255, 0]],
        [3, GATEWAY_BYTES],
        [6, [10, 0, 2, 3]],
      ]),
    );
    assert.deepEqual(reply.mac, GUEST_MAC);
    assert.equal(reply.address, FIRST_GUEST);
  }
});

test('replies go to all where the client asks for that, and to the address in use where there is one', () => {
  const server = new DhcpServer();
  const toAll = server.answer(message({ type: 1, broadcast: true }));
  assert.deepEqual([toAll?.mac, toAll?.address], [BROADCAST_MAC, LIMITED_BROADCAST]);
  const renewed = server.answer(message({ type: 3, client: FIRST_GUEST }));
  assert.deepEqual([renewed?.mac, renewed?.address], [GUEST_MAC, FIRST_GUEST]);
});

test('a request for another address is refused, one for another server ignored', () => {
  const server = new DhcpServer();
  const refused = server.answer(message({ type: 3, options: wants('192.168.1.5') }));
  assert.deepEqual(optionsOf(refused?.message as Uint8Array).get(53), [6]);
  assert.equal(refused?.address, LIMITED_BROADCAST);
  assert.equal(server.answer(message({ type: 3, options: [54, 4, 10, 0, 2, 99] })), undefined);
});

test('sixteen clients get an address each, the same each time, and the next none until one is released', () => {
  const server = new DhcpServer();
  const mac = (i: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 0, i);
  const given = (i: number): string | undefined => {
    const reply = server.answer(message({ type: 1, mac: mac(i) }));
    return reply && formatIpv4(get32(reply.message, 16));
  };
  const first = Array.from({ length: 17 }, (_, i) => given(i));
  assert.equal(new Set(first).size, 17);
  assert.equal(first[15], '10.0.2.30');
  assert.equal(first[16], undefined);
  assert.equal(given(3), first[3]);
  server.answer(message({ type: 7, mac: mac(3), client: parseIpv4(first[3] as string) as number }));
  assert.equal(given(16), first[3]);
});

test('BOOTP without options, and INFORM, are answered', () => {
  const bare = message({});
  bare.fill(0, 236);
  const reply = new DhcpServer().answer(bare);
  assert.equal(get32(reply?.message as Uint8Array, 16), FIRST_GUEST);
  assert(!optionsOf(reply?.message as Uint8Array).has(53));
  const inform = new DhcpServer().answer(message({ type: 8, client: FIRST_GUEST }));
  assert.equal(get32(inform?.message as Uint8Array, 16), 0);
  assert(!optionsOf(inform?.message as Uint8Array).has(51));
  assert.equal(get32(inform?.message as Uint8Array, 20), GATEWAY);
});

test('a boot file is told in the header, and in the options that are asked for', () => {
  const fileOf = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(108, 236)).toString().replace(/\0+$/, '');
  const server = new DhcpServer('pxelinux.0');
  const offer = server.answer(message({ type: 1, options: [55, 4, 1, 66, 67, 175] }))?.message as Uint8Array;
  assert.equal(fileOf(offer), 'pxelinux.0');
  assert.deepEqual(optionsOf(offer).get(66), [...Buffer.from('10.0.2.2')]);
  assert.deepEqual(optionsOf(offer).get(67), [...Buffer.from('pxelinux.0')]);
  assert.deepEqual(optionsOf(offer).get(175), [176, 1, 1]);
  const short = server.answer(message({ type: 1, options: [55, 2, 1, 67] }))?.message as Uint8Array;
  assert.deepEqual([optionsOf(short).has(66), optionsOf(short).has(67)], [false, true]);
  const bootp = server.answer(message({}))?.message as Uint8Array;
  assert.deepEqual([fileOf(bootp), optionsOf(bootp).has(67)], ['pxelinux.0', false]);
  const refused = server.answer(message({ type: 3, options: [...wants('10.0.2.77'), 55, 1, 67] }))
    ?.message as Uint8Array;
  assert.deepEqual([fileOf(refused), optionsOf(refused).has(67)], ['', false]);
  const none = new DhcpServer().answer(message({ type: 1, options: [55, 2, 66, 67] }))?.message as Uint8Array;
  assert.deepEqual([fileOf(none), optionsOf(none).has(66), optionsOf(none).has(67)], ['', false, false]);
});

test('a boot file too long for the header is told by option alone, one that is longer still is refused', () => {
  const name = 'a'.repeat(200);
  const offer = new DhcpServer(name).answer(message({ type: 1, options: [55, 1, 67] }))?.message as Uint8Array;
  assert.equal(offer[108], 0);
  assert.equal(Buffer.from(optionsOf(offer).get(67) as number[]).toString(), name);
  assert.throws(() => new DhcpServer('a'.repeat(256)), RangeError);
});

test('a client identifier comes back, however long', () => {
  const id = [61, 40, ...new Array(40).fill(7)];
  const reply = new DhcpServer().answer(message({ type: 1, options: id }));
  assert.deepEqual(optionsOf(reply?.message as Uint8Array).get(61), id.slice(2));
});

test('damaged requests are not answered, or as far as they can be read', () => {
  const server = new DhcpServer();
  const random = testRandom(7);
  for (let i = 0; i < 20_000; i++) {
    const bytes = message({ type: random() % 10, options: wants('10.0.2.15') });
    for (let j = random() % 8; j > 0; j--) bytes[random() % bytes.length] = random();
    server.answer(bytes.subarray(0, random() % 2 ? 300 : random() % 301));
  }
  assert.equal(server.answer(new Uint8Array(0)), undefined);
  assert.equal(server.answer(message({ type: 1, mac: BROADCAST_MAC })), undefined);
});
