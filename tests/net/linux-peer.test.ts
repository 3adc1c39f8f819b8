import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { type Forward, parseForward } from '../../src/net/options.ts';
import { LinuxPeer, whyNoPeer } from './linux-peer.ts';

const skip = whyNoPeer();
const body = Buffer.alloc(3_000_000, 'Some text of no particular length. ');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(body);
    return;
  }
  const hash = createHash('sha256');
  request.on('data', (bytes) => hash.update(bytes));
  request.on('end', () => response.end(`it was ${hash.digest('hex')}\n`));
});
let peer: LinuxPeer;
let port: number;

before(async () => {
  if (skip) return;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  peer = await LinuxPeer.boot({ opened: [{ transport: 'tcp', port }] });
});
after(async () => {
  if (skip) return;
  await peer.end();
  server.closeAllConnections();
  server.close();
});

const options = { skip, timeout: 300_000 };

test('DHCP gives Linux its address, gateway and name server', options, async () => {
  const said = await peer.run(
    'udhcpc -q -n -i eth0 >/dev/null 2>&1; ip addr show eth0; ip route; cat /etc/resolv.conf',
  );
  assert.match(said, /inet 10\.0\.2\.15\/24/);
  assert.match(said, /default via 10\.0\.2\.2/);
  assert.match(said, /nameserver 10\.0\.2\.3/);
});

test('ping reaches the gateway, with packets of any size', options, async () => {
  assert.match(await peer.run('ping -c 1 10.0.2.2'), / 0% packet loss/);
  assert.match(await peer.run('ping -c 1 -s 20000 10.0.2.3'), / 0% packet loss/);
});

test(
  'three megabytes come down whole, and go up whole, over one wire that loses frames and one that does not',
  options,
  async () => {
    for (const loss of [0, 0.01]) {
      peer.loss = loss;
      assert(
        (await peer.run(`wget -qO /tmp/down http://10.0.2.2:${port}/; sha256sum /tmp/down`)).includes(sha256(body)),
      );
      const head = `PUT / HTTP/1.0\\r\\nContent-Length: ${body.length}\\r\\n\\r\\n`;
      const put = await peer.run(`(printf '${head}'; cat /tmp/down) | nc 10.0.2.2 ${port}`);
      assert(put.includes(`it was ${sha256(body)}`), put);
    }
    peer.loss = 0;
  },
);

test('a forwarded port reaches a server of the guest', options, async () => {
  await peer.run('mkdir -p /tmp/www; cp /tmp/down /tmp/www/down; httpd -p 80 -h /tmp/www');
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port: forwarded } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  await peer.network.forward(parseForward(`tcp:127.0.0.1:${forwarded}-:80`) as Forward);
  const chunks: Buffer[] = [];
  const client = connect(forwarded, '127.0.0.1');
  client.on('data', (bytes) => chunks.push(bytes));
  client.write('GET /down HTTP/1.0\r\n\r\n');
  await once(client, 'end');
  const answer = Buffer.concat(chunks);
  assert.equal(sha256(answer.subarray(answer.indexOf('\r\n\r\n') + 4)), sha256(body));
});

test('nothing of the host is reached but what was opened', options, async () => {
  const other = createServer().listen(0, '0.0.0.0');
  await once(other, 'listening');
  const { port: closed } = other.address() as AddressInfo;
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outer = own.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
  for (const address of ['10.0.2.2', '10.0.2.3', '169.254.169.254', ...outer]) {
    assert.match(await peer.run(`nc ${address} ${closed} </dev/null`), /\[1\]/, address);
  }
  other.close();
});

test('a question of names is answered, one way or the other', options, async () => {
  assert.match(await peer.run('nslookup no-such-name.invalid'), /Server:\s+10\.0\.2\.3/);
});

test('traceroute meets the gateway first', options, async () => {
  assert.match(await peer.run('traceroute -n -q 1 -w 1 -m 1 192.0.2.77'), /^ 1 {2}10\.0\.2\.2/m);
});
