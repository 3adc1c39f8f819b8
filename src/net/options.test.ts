import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_GUEST, parseIpv4 } from './addresses.ts';
import { isProblem, parseForward, parseNic, parseOpen } from './options.ts';

test('forwards are read: protocol, where to listen, where to go', () => {
  const guest = { address: FIRST_GUEST, port: 22 };
  const host = { address: '127.0.0.1', port: 8022 };
  assert.deepEqual(parseForward('tcp:127.0.0.1:8022-:22'), { transport: 'tcp', host, guest });
  assert.deepEqual(parseForward('tcp::8022-:22'), { transport: 'tcp', host, guest }, 'loopback where nothing is said');
  assert.deepEqual(parseForward('udp:0.0.0.0:5353-10.0.2.16:53'), {
    transport: 'udp',
    host: { address: '0.0.0.0', port: 5353 },
    guest: { address: parseIpv4('10.0.2.16'), port: 53 },
  });
  assert.deepEqual(parseForward('tcp:[::1]:80-:80'), {
    transport: 'tcp',
    host: { address: '::1', port: 80 },
    guest: { address: FIRST_GUEST, port: 80 },
  });
});

test('what is no forward is told in a sentence that says what is wrong', () => {
  for (const [text, says] of [
    ['', "'' is no forward"],
    ['tcp:8022', 'is no forward'],
    ['sctp::1-:2', "'sctp' in"],
    ['tcp:localhost:1-:2', "'localhost' in"],
    ['tcp:[zz]:1-:2', "'[zz]' in"],
    ['tcp::0-:2', "'0' in"],
    ['tcp::65536-:2', "'65536' in"],
    ['tcp::1-:', "'' in"],
    ['tcp::1-10.0.2.2:2', "'10.0.2.2' in"],
    ['tcp::1-192.168.0.1:2', "'192.168.0.1' in"],
    ['tcp::1-:2x', "'2x' in"],
  ]) {
    const result = parseForward(text);
    assert(isProblem(result) && result.problem.includes(says), `${text}: ${JSON.stringify(result)}`);
  }
});

test('opened services are read', () => {
  assert.deepEqual(parseOpen('tcp:8080'), { transport: 'tcp', port: 8080 });
  assert.deepEqual(parseOpen('udp:53'), { transport: 'udp', port: 53 });
  for (const text of ['8080', 'tcp:', 'tcp:0', 'tcp:99999', 'tcp:1:2', 'icmp:1', 'tcp:-1', 'tcp:1e3']) {
    assert(isProblem(parseOpen(text)), text);
  }
});

test('network cards are read', () => {
  assert.deepEqual(parseNic('user'), { network: 'user', model: 'e1000', mac: undefined });
  assert.deepEqual(parseNic('user,model=pcnet,mac=52:54:00:AB:cd:ef'), {
    network: 'user',
    model: 'pcnet',
    mac: Uint8Array.of(0x52, 0x54, 0, 0xab, 0xcd, 0xef),
  });
  assert.deepEqual(parseNic('user,rom=a.rom,tftp=/srv/a,,b,bootfile=pxelinux.0'), {
    ...{ network: 'user', model: 'e1000', mac: undefined },
    ...{ rom: 'a.rom', tftp: '/srv/a,b', bootFile: 'pxelinux.0' },
  });
  assert(!isProblem(parseNic('user,bootfile=http://10.0.2.2:8000/script?a=b')));
  for (const text of [
    'tap',
    '',
    'user,model=ne2000',
    'user,model',
    'user,speed=1',
    'user,',
    'user,mac=52:54:00',
    'user,rom=',
    'user,tftp',
    'user,tftp=a,bootfile=',
    `user,tftp=a,bootfile=${'x'.repeat(256)}`,
    'user,bootfile=pxelinux.0',
    'user,mac=01:00:00:00:00:00',
    'user,mac=00:00:00:00:00:00',
  ]) {
    assert(isProblem(parseNic(text)), text);
  }
});
