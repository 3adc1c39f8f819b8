/**
 * Debian's kernel on our own board, its e1000 on the network in user mode: DHCP, DNS, a service of the host that was
 * opened to it, one that was not, and a forwarded port.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { nodePlatform } from '../../src/host/node/platform.ts';
import { NodeSockets } from '../../src/host/node/sockets.ts';
import { type Forward, parseForward } from '../../src/net/options.ts';
import { UserNetwork } from '../../src/net/user-network.ts';
import { Guest } from '../../src/vmm/guest.ts';
import { debianKernel, linuxDisc } from '../firmware/linux-disc.ts';

const firmware = fileURLToPath(new URL('../../firmware/', import.meta.url));
const GIVE_UP_MS = 10 * 60_000;
const body = Buffer.alloc(4_000_000, 'Some text of no particular length. ');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What the guest does; it waits for the end when it has said what it serves. */
const script = (opened: number, closed: number): string => `
ip link set lo up
ip link set eth0 up
udhcpc -q -n -i eth0 >/dev/null 2>&1
echo "address $(ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*')"
echo "gateway $(ping -c 1 -s 4000 10.0.2.2 | grep -o '[0-9]* packets received')"
echo "server $(nslookup no-such-name.invalid | grep Server)"
mkdir /www
wget -q -O /www/file http://10.0.2.2:${opened}/
echo "down $(sha256sum < /www/file)"
size=$(stat -c %s /www/file)
echo "up $( (printf "PUT / HTTP/1.0\\r\\nContent-Length: $size\\r\\n\\r\\n"; cat /www/file) | nc 10.0.2.2 ${opened} | tail -n 1)"
nc 10.0.2.2 ${closed} </dev/null >/dev/null 2>&1
echo "closed $?"
httpd -p 80 -h /www
echo "ready"
sleep 100000
`;

test('Linux on our own e1000 reaches what it may, is reached as it should, and loses nothing', async (t) => {
  const kernel = debianKernel(['e1000']);
  if ('missing' in kernel) return t.skip(`cannot be had: ${kernel.missing}`);
  const server = createServer((asked, response) => {
    const hash = createHash('sha256');
    asked.on('data', (bytes) => hash.update(bytes));
    asked.on('end', () => response.end(asked.method === 'GET' ? body : `${hash.digest('hex')}\n`));
  }).listen(0, '127.0.0.1');
  const other = createTcpServer().listen(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(other, 'listening')]);
  const opened = (server.address() as AddressInfo).port;
  const closed = (other.address() as AddressInfo).port;

  let text = '';
  let ready = (): void => {};
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  let network: UserNetwork | undefined;
  const guest = await Guest.create({
    memoryBytes: 192 << 20,
    firmware: {
      bios: readFileSync(`${firmware}bios-256k.bin`),
      vgaBios: readFileSync(`${firmware}vgabios-stdvga.bin`),
      drives: [
        { bus: 'ide', unit: 2, kind: 'cdrom', backend: new MemoryDisk(linuxDisc(kernel, script(opened, closed))) },
      ],
      nics: [
        {
          model: 'e1000',
          mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, 1),
          connect: ({ clock, wake }) => {
            network = new UserNetwork({
              clock,
              sockets: new NodeSockets(),
              random: () => Math.floor(Math.random() * 2 ** 32),
              opened: [{ transport: 'tcp', port: opened }],
              delivered: wake,
            });
            return network;
          },
        },
      ],
      bootOrder: 'd',
      resetEnds: true,
    },
    time: 'real',
    seed: 1,
    optionalDevices: [],
    onConsole: (bytes) => {
      text += Buffer.from(bytes).toString('latin1').replaceAll('\r', '');
      if (text.endsWith('ready\n')) ready();
    },
    host: nodePlatform,
  });
  const end = guest.run();
  const timer = setTimeout(() => guest.stop(), GIVE_UP_MS);
  await Promise.race([isReady, end]);
  const said = (word: string): string => new RegExp(`^${word} (.*)$`, 'm').exec(text)?.[1] ?? text;
  try {
    assert.equal(said('address'), 'inet 10.0.2.15');
    assert.equal(said('gateway'), '1 packets received');
    assert.match(said('server'), /10\.0\.2\.3/);
    assert.equal(said('down'), `${sha256(body)}  -`);
    assert.equal(said('up'), sha256(body));
    assert.equal(said('closed'), '1');
    assert.equal(sha256(await fetchForwarded(network as UserNetwork)), sha256(body));
  } finally {
    clearTimeout(timer);
    guest.stop();
    await end;
    network?.close();
    server.closeAllConnections();
    server.close();
    other.close();
  }
});

/** The guest's file, by a port of the host. */
async function fetchForwarded(network: UserNetwork): Promise<Buffer> {
  const probe = createTcpServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  await network.forward(parseForward(`tcp:127.0.0.1:${port}-:80`) as Forward);
  const [response] = await once(request({ host: '127.0.0.1', port, path: '/file', agent: false }).end(), 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks);
}
