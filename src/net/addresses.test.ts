import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpv4, GATEWAY, isGuestAddress, LOOPBACK, parseIpv4, routeTo, scopeOf } from './addresses.ts';

const address = (text: string): number => parseIpv4(text) as number;

test('addresses are read and written', () => {
  for (const text of ['0.0.0.0', '10.0.2.2', '255.255.255.255', '192.168.1.10']) {
    assert.equal(formatIpv4(address(text)), text);
  }
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.x',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '0x7f.0.0.1',
    '1..2.3',
  ]) {
    assert.equal(parseIpv4(text), undefined, text);
  }
});

test('a guest has an address of its network that is not ours', () => {
  assert(isGuestAddress(address('10.0.2.15')));
  for (const text of ['10.0.2.0', '10.0.2.2', '10.0.2.3', '10.0.2.255', '10.0.3.15', '0.0.0.0']) {
    assert(!isGuestAddress(address(text)), text);
  }
});

test('every way to the host itself is known as such', () => {
  const isOwn = (candidate: number): boolean => candidate === address('192.0.2.7');
  for (const text of ['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '192.0.2.7']) {
    assert.equal(scopeOf(address(text), isOwn), 'host', text);
  }
  for (const text of ['169.254.169.254', '224.0.0.251', '239.1.1.1', '240.0.0.1', '255.255.255.255']) {
    assert.equal(scopeOf(address(text), isOwn), 'nowhere', text);
  }
  for (const text of ['192.0.2.8', '128.0.0.1', '126.255.255.255', '1.0.0.0', '10.0.3.1', '223.255.255.255']) {
    assert.equal(scopeOf(address(text), isOwn), 'outside', text);
  }
});

test('only the gateway at an opened port leads to the host', () => {
  const policy = { opened: new Set([8080]), isOwn: (candidate: number) => candidate === address('192.0.2.7') };
  assert.deepEqual(routeTo(GATEWAY, 8080, policy), { kind: 'opened', address: LOOPBACK });
  for (const text of ['10.0.2.3', '127.0.0.1', '192.0.2.7', '0.0.0.0', '10.0.2.77']) {
    assert.deepEqual(routeTo(address(text), 8080, policy), { kind: 'refused' }, text);
  }
  assert.deepEqual(routeTo(GATEWAY, 8081, policy), { kind: 'refused' });
  assert.deepEqual(routeTo(address('192.0.2.8'), 8081, policy), { kind: 'outside', address: address('192.0.2.8') });
  assert.deepEqual(routeTo(address('192.0.2.8'), 0, policy), { kind: 'refused' }, 'there is no port 0');
});
