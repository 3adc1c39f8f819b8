/** Virtio devices of a PC: firmware starts from its disk, Debian's drivers use them all, with MSI-X and with lines. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { ChannelBackend, ChannelPort } from '../../src/base/channel.ts';
import type { NetworkDevice } from '../../src/base/network.ts';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import type { GuestVirtio } from '../../src/vmm/guest-options.ts';
import { bootDrives } from './boot-drives.ts';
import { bootDisk, skipWithoutNasm } from './boot-images.ts';
import { debianKernel, linuxDisc } from './linux-disc.ts';

const TEXT = 'hello from the disk\n';
const MODULES = [
  ...['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk'],
  ...['failover', 'net_failover', 'virtio_net', 'virtio_console', 'virtio-rng'],
];
const DISK_BYTES = 16 << 20;
const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);

/** The port's script answers a line from the host in capitals. */
const SCRIPT = `
for i in $(seq 50); do [ -b /dev/vda ] && [ -c /dev/vport2p1 ] && break; usleep 100000; done
echo "disk $(cat /sys/block/vda/serial) $(dd if=/dev/vda bs=64k count=64 2>/dev/null | md5sum | cut -c 1-32)"
tr '\\0' Z </dev/zero | dd of=/dev/vda bs=4k seek=1024 count=1024 conv=fsync 2>/dev/null
echo "random $(dd if=/dev/hwrng bs=16 count=1 2>/dev/null | wc -c)"
echo "card $(cat /sys/class/net/eth0/address)"
ip link set eth0 up; for i in $(seq 10); do grep -q 1 /sys/class/net/eth0/carrier 2>/dev/null && break; usleep 100000; done
arping -c 1 -w 9 -I eth0 10.0.2.2 >/dev/null && echo "wire answers"
(read line; line=$(echo "$line" | tr a-z A-Z); echo "$line" >&0) 0<>/dev/vport2p1
echo "port $(cat /sys/class/virtio-ports/vport2p1/name)"
echo "messages $(grep -c 'PCI-MSI.*virtio' /proc/interrupts), lines $(grep -v MSI /proc/interrupts | grep -o 'virtio[0-3]' | sort -u | wc -l)"
`;

/** Answers who has 10.0.2.2. */
function wire(): GuestVirtio {
  let card: NetworkDevice | undefined;
  const send = (frame: Uint8Array): void => {
    if (frame[12] !== 0x08 || frame[13] !== 0x06) return;
    const answer = frame.slice(0, 42);
    answer.set(frame.subarray(6, 12), 0);
    answer.set([2, 0, 0, 0, 0, 2], 6);
    answer[21] = 2;
    answer.set([2, 0, 0, 0, 0, 2, ...frame.subarray(38, 42), ...frame.subarray(22, 32)], 22);
    card?.receive(answer);
  };
  return { kind: 'net', nic: { mac: MAC, connect: () => ({ send, attach: (device) => (card = device) }) } };
}

class Port implements ChannelBackend {
  readonly name = 'org.test';
  heard = '';
  #port: ChannelPort | undefined;

  attach(port: ChannelPort): void {
    this.#port = port;
  }

  opened(isOpen: boolean): void {
    if (isOpen) this.#port?.send(new TextEncoder().encode('a line\n'));
  }

  received(bytes: Uint8Array): void {
    this.heard += new TextDecoder().decode(bytes);
  }

  drained(): void {}
}

test('firmware starts from a virtio disk, reads and writes it', { skip: skipWithoutNasm }, async () => {
  const backend = new MemoryDisk(bootDisk(TEXT, 'ahci'));
  const { console, end } = await bootDrives([], 'deterministic', 'c', 64 << 20, [
    { kind: 'rng' },
    { kind: 'block', backend },
  ]);
  assert.deepEqual([console, end], [`${TEXT}sum 07\nwrite 00\nback A5\n`, { kind: 'exit-code', value: 0x10 }]);
});

for (const [words, interrupts] of [
  ['', 'messages 13, lines 0'],
  ['pci=nomsi', 'messages 0, lines 4'],
] as const) {
  test(`Debian's drivers use disk, card, console and entropy ${words && `with ${words}`}`, async (t) => {
    const kernel = debianKernel(MODULES);
    if ('missing' in kernel) return t.skip(`cannot be had: ${kernel.missing}`);
    const pattern = new Uint8Array(DISK_BYTES).map((_, i) => (i * 7) ^ (i >> 9));
    const backend = new MemoryDisk(pattern.slice());
    const port = new Port();
    const cdrom = {
      bus: 'ide',
      unit: 2,
      kind: 'cdrom',
      backend: new MemoryDisk(linuxDisc(kernel, SCRIPT, words)),
    } as const;
    const { console, end } = await bootDrives([cdrom], 'real', 'd', 256 << 20, [
      { kind: 'block', backend, serial: 'VIVARIUM-1' },
      wire(),
      { kind: 'console', ports: [port] },
      { kind: 'rng' },
    ]);
    assert.deepEqual(end, { kind: 'powered-off' }, console);
    const expected = [
      `disk VIVARIUM-1 ${createHash('md5')
        .update(pattern.subarray(0, 64 << 16))
        .digest('hex')}`,
      'random 16',
      'card 52:54:00:12:34:56',
      'wire answers',
      'port org.test',
      interrupts,
      '',
    ];
    assert.ok(console.endsWith(expected.join('\r\n')), console);
    assert.equal(port.heard, 'A LINE\n');
    pattern.fill(0x5a, 64 << 16, 128 << 16);
    assert.ok(pattern.every((byte, at) => byte === backend.bytes[at]));
  });
}
