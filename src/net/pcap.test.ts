import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { GATEWAY, NAME_SERVER } from './addresses.ts';
import { checksum, put16 } from './bytes.ts';
import { HEADROOM_BYTES, PROTOCOL_ICMP } from './ipv4.ts';
import { Capture } from './pcap.ts';
import { question } from './test-dns.ts';
import { bytesOf, TestClock, TestGuest, TestSockets, testRandom } from './test-network.ts';
import { UserNetwork } from './user-network.ts';

const whyNoTshark = spawnSync('tshark', ['--version']).error ? 'there is no tshark' : false;

test('a file has its header, then each frame with its time to the nanosecond', () => {
  const clock = new TestClock();
  const written: Uint8Array[] = [];
  const capture = new Capture({ clock, bootMs: 1_700_000_000_999.5, write: (bytes) => written.push(bytes) });
  clock.advance(3_000_600_001);
  capture.frame(Uint8Array.of(1, 2, 3));
  const file = Buffer.concat(written);
  assert.equal(file.subarray(0, 24).toString('hex'), '4d3cb2a1020004000000000000000000000004000100' + '0000');
  assert.equal(file.readUInt32LE(24), 1_700_000_004);
  assert.equal(file.readUInt32LE(28), 100_001);
  assert.deepEqual([file.readUInt32LE(32), file.readUInt32LE(36)], [3, 3]);
  assert.deepEqual([...file.subarray(40)], [1, 2, 3]);
});

/** Some of everything, as it travelled. */
async function conversation(): Promise<Buffer> {
  const clock = new TestClock();
  const sockets = new TestSockets();
  const written: Uint8Array[] = [];
  const capture = new Capture({ clock, bootMs: 1_700_000_000_000, write: (bytes) => written.push(bytes) });
  const net = new UserNetwork({ clock, sockets, random: testRandom(1), capture: (frame) => capture.frame(frame) });
  const guest = new TestGuest(net, clock);
  net.attach(guest);
  guest.greet();
  const dhcp = new Uint8Array(300);
  dhcp.set([1, 1, 6, 0, 1, 2, 3, 4]);
  dhcp.set(guest.mac, 28);
  dhcp.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255], 236);
  guest.sendDatagram(0xffff_ffff, 67, dhcp, 68);
  const echo = new Uint8Array(HEADROOM_BYTES + 3000);
  echo[HEADROOM_BYTES] = 8;
  put16(echo, HEADROOM_BYTES + 2, checksum(echo, HEADROOM_BYTES));
  guest.sendPacket(echo, GATEWAY, PROTOCOL_ICMP);
  guest.sendDatagram(NAME_SERVER, 53, question('example.org'));
  sockets.queries[0].answer(undefined);
  await Promise.resolve();
  await Promise.resolve();
  guest.sendDatagram(GATEWAY, 9, bytesOf('nobody'));
  const tcp = guest.connect(0x5db8_d822, 80, 40_000);
  sockets.streams[0].open();
  tcp.connection.write(bytesOf('GET / HTTP/1.0\r\n\r\n'));
  sockets.streams[0].events.received(bytesOf('HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes'));
  sockets.streams[0].events.ended();
  tcp.connection.end();
  clock.advance(1e9);
  return Buffer.concat(written);
}

test('tshark reads a capture without complaint, checksums and all', { skip: whyNoTshark }, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vivarium-pcap-'));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'capture');
  await writeFile(path, await conversation());
  const checks = ['ip', 'tcp', 'udp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
  const fields = ['_ws.col.Protocol', '_ws.expert.message', '_ws.expert.severity'].flatMap((name) => ['-e', name]);
  const tshark = spawnSync('tshark', ['-r', path, '-n', ...checks, '-T', 'fields', ...fields], {
    encoding: 'utf8',
  });
  assert.equal(tshark.status, 0, tshark.stderr);
  const rows = tshark.stdout
    .trimEnd()
    .split('\n')
    .map((row) => row.split('\t'));
  const protocols = new Set(rows.map(([protocol]) => protocol));
  for (const protocol of ['ARP', 'DHCP', 'ICMP', 'IPv4', 'DNS', 'TCP', 'HTTP']) {
    assert(protocols.has(protocol), `${protocol} in ${[...protocols]}`);
  }
  /** Severities of Wireshark's expert information: warnings and errors. */
  const WARNING = 0x600000;
  for (const [protocol, message, severity] of rows) {
    for (const each of (severity ?? '').split(',')) assert(Number(each) < WARNING, `${protocol}: ${message}`);
  }
});
