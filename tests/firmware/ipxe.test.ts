/**
 * iPXE as Debian's package has it, started from its ISO by ISOLINUX: a user breaks into its shell, and each network card
 * loads a part of a Linux from a server of the host's loopback that was opened to it.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { NodeSockets } from '../../src/host/node/sockets.ts';
import type { NicModel } from '../../src/machine/pc-firmware.ts';
import type { OpenedService } from '../../src/net/options.ts';
import { answerTo } from '../../src/net/test-dns.ts';
import { UserNetwork } from '../../src/net/user-network.ts';
import type { GuestNic } from '../../src/vmm/guest-options.ts';
import { builtInInitrd, builtInKernel } from '../boot/booted.ts';
import { debianPackage } from './debian-package.ts';
import { typeKeys } from './keys.ts';
import { archive } from './linux-disc.ts';
import { disc, startPc } from './pc.ts';
import { serveTftp } from './tftp-server.ts';

const ISO = 'usr/lib/ipxe/ipxe.iso';
const ipxe = debianPackage('ipxe', [ISO]);
const skip = 'missing' in ipxe && `cannot be had: ${ipxe.missing}`;

/** A name server of the host that knows one name, for the host itself as the guest sees it. */
class OneName extends NodeSockets {
  readonly asked: string[] = [];

  override async resolve(message: Uint8Array): Promise<Uint8Array> {
    this.asked.push(Buffer.from(message).toString('latin1', 13, message.length - 5));
    return answerTo(message, [10, 0, 2, 2]);
  }
}

async function serve(files: Readonly<Record<string, Uint8Array | string>>, asked: string[]): Promise<Server> {
  const server = createServer((request, response) => {
    asked.push(`${request.headers.host?.replace(/:.*/, '')} ${request.headers['user-agent']} ${request.url}`);
    const file = files[request.url ?? ''];
    response.writeHead(file === undefined ? 404 : 200);
    response.end(file);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

test('iPXE starts Linux with an e1000, an RTL8139 and a PCnet, by DHCP, DNS, HTTP and TFTP', { skip }, async () => {
  assert('folder' in ipxe);
  const payload = Buffer.alloc(100_000, 'Some text of no particular length. ');
  const init =
    '#!/bin/sh\nmount -t proc proc /proc\necho "$(md5sum </payload) $(grep -c first=82540em /proc/cmdline)"\npoweroff -f\n';
  const extra = archive([
    { name: 'check', mode: 0o100755, content: Buffer.from(init) },
    { name: 'payload', mode: 0o100644, content: payload },
  ]);
  const asked: string[] = [];
  const tftp = await serveTftp({ extra });
  const kernels = await serve({ '/vmlinuz': builtInKernel(), '/initrd': builtInInitrd() }, asked);
  const script = `#!ipxe
ifclose net0
dhcp net1
kernel http://10.0.2.2:${portOf(kernels)}/vmlinuz console=ttyS0 quiet rdinit=/check first=\${net0/chip}
initrd http://10.0.2.2:${portOf(kernels)}/initrd
ifclose net1
dhcp net2
initrd tftp://10.0.2.2:${tftp.port}/extra
boot
`;
  const scripts = await serve({ '/script': script }, asked);

  const sockets = new OneName();
  const networks: UserNetwork[] = [];
  const nic = (model: NicModel, number: number, opened: OpenedService): GuestNic => ({
    model,
    mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, number),
    connect: ({ clock, wake }) => {
      const random = (): number => Math.floor(Math.random() * 2 ** 32);
      const network = new UserNetwork({ clock, sockets, random, opened: [opened], delivered: wake });
      networks.push(network);
      return network;
    },
  });
  // What each card may reach shows which of them was used.
  const nics = [
    nic('e1000', 1, { transport: 'tcp', port: portOf(scripts) }),
    nic('rtl8139', 2, { transport: 'tcp', port: portOf(kernels) }),
    nic('pcnet', 3, { transport: 'udp', port: tftp.port }),
  ];
  const image = readFileSync(join(ipxe.folder, ISO));
  const medium = disc(Buffer.concat([image, new Uint8Array(-image.length & 2047)]));
  const pc = await startPc([medium], { memoryBytes: 128 << 20 }, { bootOrder: 'd', nics });
  const shows = (text: string): boolean => pc.screen().some((row) => row.includes(text));
  try {
    await pc.until(() => shows('Press Ctrl-B'));
    await typeKeys(pc.guest.keyboard, '\x02');
    await pc.until(() => shows('iPXE>'));
    await typeKeys(pc.guest.keyboard, 'ifstat\r');
    await pc.until(() => shows('net2: 52:54:00:00:00:03'));
    const cards = pc.screen().flatMap((row) => /^(net\d): (\S+) using (\S+) on/.exec(row)?.slice(1).join(' ') ?? []);
    assert.deepEqual(cards, [
      'net0 52:54:00:00:00:01 82540em',
      'net1 52:54:00:00:00:02 rtl8139',
      'net2 52:54:00:00:00:03 pcnet32',
    ]);
    await typeKeys(pc.guest.keyboard, `dhcp net0 && chain http://boot.test:${portOf(scripts)}/script\r`);
    assert.deepEqual(await pc.end, { kind: 'powered-off' });
    assert.match(pc.console(), new RegExp(`${createHash('md5').update(payload).digest('hex')} +- 1\n`));
    assert.deepEqual(
      asked.map((line) => line.replace(/iPXE\/\S+/, 'iPXE')),
      ['boot.test iPXE /script', '10.0.2.2 iPXE /vmlinuz', '10.0.2.2 iPXE /initrd'],
    );
    assert.deepEqual(sockets.asked, ['boot\x04test']);
    assert.deepEqual(tftp.sent, ['extra']);
  } finally {
    pc.guest.stop();
    await pc.end;
    for (const network of networks) network.close();
    for (const server of [kernels, scripts]) {
      server.closeAllConnections();
      server.close();
    }
    tftp.close();
  }
});
