import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NATIVE_FORMAT, type PixelFormat } from './pixel-format.ts';
import { connect, TestGuest } from './test-session.ts';

const HEXTILE = [5];
const RESIZABLE = [0, -223];

/** Tiles of one colour, of two, of few and of many. */
function paint(guest: TestGuest): void {
  guest.screen.paint((x, y) => {
    const column = x >>> 4;
    if (column === 0) return 0x336699;
    if (column === 1) return x % 5 === 0 ? 0xffffff : 0x0000aa;
    if (column === 2) return [0x102030, 0xff0000, 0x00ff00, 0x0000ff][(x >>> 2) & 3] as number;
    if (column === 3) return (x * 7919 + y * 104_729) & 0xff_ffff;
    return y < 20 ? 0x00aaaa : (x << 16) | (y << 8);
  });
}

for (const [version, minor] of [
  ['RFB 003.003\n', '3.3'],
  ['RFB 003.007\n', '3.7'],
  ['RFB 003.008\n', '3.8'],
  ['RFB 003.005\n', '3.5, as 3.3'],
  ['RFB 003.889\n', '3.889, as 3.8'],
] as const) {
  test(`a client of version ${minor} is let in and told name, size and format`, () => {
    const guest = new TestGuest(100, 60);
    const { client, session, ended } = connect(guest, { version });
    assert.equal(client.version, 'RFB 003.008\n');
    assert.equal(client.isReady, true);
    assert.equal(session.isReady, true);
    assert.equal(client.name, 'a guest');
    assert.deepEqual([client.width, client.height], [100, 60]);
    assert.deepEqual([...client.serverFormat], [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
    assert.equal(ended(), undefined);
  });
}

test('a client that speaks something else is sent away, as is one that chooses what was not offered', () => {
  for (const version of ['GET / HTTP/1', 'RFB 002.002\n', 'RFB 00x.008\n']) {
    assert.equal(connect(new TestGuest(), { version }).ended(), 'it does not speak RFB');
  }
  const { client, ended } = connect(new TestGuest(), { securityType: 2 });
  assert.equal(ended(), 'it chose security type 2, which was not offered');
  assert.equal(client.failure, 'There is no such security type.');
});

const CHANNELS = {
  rgb565: { red: { max: 31, shift: 11 }, green: { max: 63, shift: 5 }, blue: { max: 31, shift: 0 } },
  bgr555: { red: { max: 31, shift: 0 }, green: { max: 31, shift: 5 }, blue: { max: 31, shift: 10 } },
  rgb332: { red: { max: 7, shift: 5 }, green: { max: 7, shift: 2 }, blue: { max: 3, shift: 0 } },
  rgbx: { red: { max: 255, shift: 24 }, green: { max: 255, shift: 16 }, blue: { max: 255, shift: 8 } },
  deep: { red: { max: 1023, shift: 20 }, green: { max: 1023, shift: 10 }, blue: { max: 1023, shift: 0 } },
};
const FORMATS: readonly (readonly [string, PixelFormat])[] = [
  ['32 bits', NATIVE_FORMAT],
  ['32 bits, big-endian', { ...NATIVE_FORMAT, bigEndian: true }],
  ['32 bits, red on top', { ...NATIVE_FORMAT, ...CHANNELS.rgbx }],
  ['32 bits, ten for each colour', { ...NATIVE_FORMAT, depth: 30, ...CHANNELS.deep }],
  ['16 bits', { ...NATIVE_FORMAT, bitsPerPixel: 16, depth: 16, ...CHANNELS.rgb565 }],
  ['16 bits, big-endian', { ...NATIVE_FORMAT, bitsPerPixel: 16, depth: 16, bigEndian: true, ...CHANNELS.rgb565 }],
  ['15 bits, blue on top', { ...NATIVE_FORMAT, bitsPerPixel: 16, depth: 15, ...CHANNELS.bgr555 }],
  ['8 bits', { ...NATIVE_FORMAT, bitsPerPixel: 8, depth: 8, ...CHANNELS.rgb332 }],
];
for (const [name, format] of FORMATS) {
  for (const encodings of [[], HEXTILE]) {
    test(`${name}, ${encodings.length > 0 ? 'Hextile' : 'Raw'}: the picture arrives as it is`, () => {
      const guest = new TestGuest();
      paint(guest);
      const { client, exchange } = connect(guest, { format, encodings });
      client.request(false);
      exchange();
      assert.equal(client.updates.length, 1);
      assert.ok(client.shows(guest.screen.image()));
      assert.deepEqual(
        new Set(client.updates[0]?.rectangles.map(({ encoding }) => encoding)),
        new Set(encodings.length > 0 ? HEXTILE : [0]),
      );
    });
  }
}

test('a client with a colour map is told its colours before the picture in them', () => {
  const guest = new TestGuest();
  paint(guest);
  const format: PixelFormat = {
    ...NATIVE_FORMAT,
    bitsPerPixel: 8,
    depth: 8,
    trueColour: false,
    ...CHANNELS.rgb332,
  };
  const { client, exchange } = connect(guest, { format });
  client.request(false);
  exchange();
  assert.equal(client.colourMap.length, 3 * 256);
  assert.deepEqual([...client.colourMap.subarray(3 * 0xff)], [0xffff, 0xffff, 0xffff]);
  assert.deepEqual([...client.colourMap.subarray(3 * 0x20, 3 * 0x21)], [Math.round(0xffff / 7), 0, 0]);
  assert.ok(client.shows(guest.screen.image()));
});

test('formats that no pixel can be written in end the session', () => {
  const bad: readonly Partial<Record<keyof PixelFormat, unknown>>[] = [
    { bitsPerPixel: 24 },
    { bitsPerPixel: 0 },
    { bitsPerPixel: 16 },
    { red: { max: 255, shift: 32 } },
    { blue: { max: 0xffff, shift: 17 } },
    { trueColour: false },
  ];
  for (const change of bad) {
    const { ended } = connect(new TestGuest(), { format: { ...NATIVE_FORMAT, ...change } as PixelFormat });
    assert.equal(ended(), 'it asked for a pixel format that cannot be had', JSON.stringify(change));
  }
});

test('flat tiles take little room in Hextile, and noise no more than Raw and a byte a tile', () => {
  const guest = new TestGuest(160, 160);
  const { client, session, waitingBytes, exchange } = connect(guest, { encodings: HEXTILE });
  exchange();
  client.request(false);
  session.update();
  assert.equal(waitingBytes(), 4 + 12 + 100 * 5);
  exchange();
  guest.screen.paint((x, y) => (x * 7919 + y * 104_729) & 0xff_ffff);
  client.request(true);
  guest.framebuffer.look();
  session.update();
  assert.equal(waitingBytes(), 4 + 12 + 100 * (16 * 16 * 4 + 1));
});

test('only what changed is sent, in as few rectangles as rows of tiles give', () => {
  const guest = new TestGuest(100, 60);
  const { client, exchange } = connect(guest);
  client.request(false);
  exchange();
  const sent = (): unknown => client.updates.at(-1)?.rectangles.map(({ x, y, width, height }) => [x, y, width, height]);
  assert.deepEqual(sent(), [[0, 0, 100, 60]]);
  guest.screen.fill(0xffffff, 20, 5, 1, 1);
  client.request(true);
  exchange();
  assert.deepEqual(sent(), [[16, 0, 16, 16]]);
  guest.screen.fill(0xff0000, 90, 20, 10, 40);
  guest.screen.fill(0xff0000, 0, 31, 17, 2);
  client.request(true);
  exchange();
  assert.deepEqual(sent(), [
    [0, 16, 32, 32],
    [80, 16, 20, 44],
  ]);
  assert.ok(client.shows(guest.screen.image()));
});

test('an incremental request waits until something changes in its region', () => {
  const guest = new TestGuest(100, 60);
  const { client, session, exchange } = connect(guest);
  client.request(false);
  exchange();
  client.request(true, 0, 0, 20, 20);
  exchange();
  guest.screen.fill(0xffffff, 64, 48, 1, 1);
  exchange();
  assert.equal(client.updates.length, 1);
  assert.equal(session.isWaiting, true);
  guest.screen.fill(0xffffff, 17, 17, 1, 1);
  exchange();
  assert.deepEqual(client.updates[1]?.rectangles, [{ x: 16, y: 16, width: 16, height: 16, encoding: 0 }]);
  // What was outside is not lost.
  client.request(true);
  exchange();
  assert.ok(client.shows(guest.screen.image()));
});

test('requests for what lies outside of the picture get nothing, or what there is', () => {
  const guest = new TestGuest(100, 60);
  const { client, exchange } = connect(guest);
  for (const region of [
    [200, 0, 10, 10],
    [0, 60, 100, 10],
    [10, 10, 0, 10],
    [0xffff, 0xffff, 0xffff, 0xffff],
  ]) {
    client.request(false, ...region);
    exchange();
  }
  assert.equal(client.updates.length, 0);
  client.request(false, 90, 50, 0xffff, 0xffff);
  exchange();
  assert.equal(client.updates.length, 1);
});

test('a screen that is not changed is not looked at', () => {
  const guest = new TestGuest();
  const { client, exchange } = connect(guest);
  client.request(false);
  exchange();
  const { images } = guest.screen;
  client.request(true);
  for (let i = 0; i < 10; i++) exchange();
  assert.equal(guest.screen.images, images);
});

test('there is one update on its way at most: changes add up until it has been taken', () => {
  const guest = new TestGuest();
  const { client, session } = connect(guest);
  client.request(false);
  session.update();
  for (let i = 0; i < 50; i++) {
    guest.screen.fill(i * 1000, i, i, 1, 1);
    guest.framebuffer.look();
    client.request(i % 2 === 0);
    session.update();
  }
  assert.equal(client.updates.length, 1);
  session.drained();
  session.update();
  assert.equal(client.updates.length, 2);
  assert.ok(client.shows(guest.screen.image()));
});

test('a new size is told to clients that can take it, and the picture comes when they ask again', () => {
  const guest = new TestGuest(100, 60);
  const { client, exchange } = connect(guest, { encodings: RESIZABLE });
  client.request(false);
  exchange();
  guest.screen.resize(64, 80);
  guest.screen.fill(0x00ff00, 10, 70, 20, 5);
  client.request(true);
  exchange();
  assert.deepEqual(client.updates[1]?.rectangles, [{ x: 0, y: 0, width: 64, height: 80, encoding: -223 }]);
  client.request(true);
  exchange();
  assert.ok(client.shows(guest.screen.image()));
});

test('other clients see a new size as far as there is room, and black where it shows nothing', () => {
  const guest = new TestGuest(100, 60);
  guest.screen.fill(0xffffff, 0, 0, 100, 60);
  const { client, exchange } = connect(guest);
  client.request(false);
  exchange();
  guest.screen.resize(50, 80);
  guest.screen.fill(0x336699, 0, 0, 50, 80);
  client.request(true);
  exchange();
  assert.deepEqual([client.width, client.height], [100, 60]);
  const at = (x: number, y: number): number[] => [...client.pixels.subarray((y * 100 + x) * 4, (y * 100 + x) * 4 + 3)];
  assert.deepEqual(at(49, 59), [0x33, 0x66, 0x99]);
  assert.deepEqual(at(50, 0), [0, 0, 0]);
  assert.deepEqual(at(99, 59), [0, 0, 0]);
});

test('a size that changes during the handshake is the one that is told', () => {
  const guest = new TestGuest(100, 60);
  const { client, exchange } = connect(guest);
  const late = connect(guest, { version: 'RFB 003.008\n' });
  guest.screen.resize(40, 40);
  guest.framebuffer.look();
  const later = connect(guest);
  assert.deepEqual([later.client.width, later.client.height], [40, 40]);
  for (const { client, exchange } of [later, late]) {
    client.request(false);
    exchange();
  }
  assert.ok(later.client.shows(guest.screen.image()));
  client.request(false);
  exchange();
  assert.equal(client.updates.length, 1);
});

test('clients have pictures and formats of their own', () => {
  const guest = new TestGuest();
  paint(guest);
  const one = connect(guest);
  const other = connect(guest, { format: { ...NATIVE_FORMAT, bigEndian: true }, encodings: HEXTILE });
  one.client.request(false);
  one.exchange();
  guest.screen.fill(0xffffff, 3, 3, 50, 50);
  for (const { client, exchange } of [one, other]) {
    client.request(true);
    exchange();
    assert.ok(client.shows(guest.screen.image()));
  }
});
