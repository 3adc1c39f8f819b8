/**
 * Linux's own drivers on each network card: four cards on two wires, each in a network namespace of its own. Each fetches
 * a file from the other end over TCP, and sends datagrams that have to be cut up. One guest has them all, for Linux
 * takes its time to start.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkDevice } from '../../src/base/network.ts';
import type { Rtl8139 } from '../../src/devices/nic/rtl8139.ts';
import type { NicModel } from '../../src/machine/pc-firmware.ts';
import type { GuestNic } from '../../src/vmm/guest-options.ts';
import { debianKernel, linuxDisc } from './linux-disc.ts';
import { disc, startPc } from './pc.ts';

const QUEUE_FRAMES = 256;

interface Card {
  readonly driver: string;
  readonly model: NicModel;
  /** What it has to be told to be the card that the driver is for. */
  readonly prepare?: (card: NetworkDevice) => void;
}

/** Each with the one at the other end of its wire. */
const CARDS: readonly Card[] = [
  { driver: 'e1000', model: 'e1000' },
  { driver: '8139cp', model: 'rtl8139' },
  { driver: 'pcnet32', model: 'pcnet' },
  /** The revision before the "+": its driver knows C mode only. */
  { driver: '8139too', model: 'rtl8139', prepare: (card) => (card as Rtl8139).config.setByte(8, 0x10) },
];
const MODULES = ['mii', ...CARDS.map(({ driver }) => driver)];

/** Run as `station NUMBER OTHER-NUMBER CARD` in a namespace that will have the card. */
const STATION = `
mount -t sysfs sysfs /sys
until [ -e /sys/class/net/$3 ]; do usleep 10000; done
cd /sys/class/net/$3
ip addr add 10.0.0.$1/24 dev $3
ip link set $3 up
echo "driver $(basename $(readlink device/driver)), $(cat address)"
mkdir /www$1
dd if=/dev/urandom of=/www$1/file bs=64k count=32 2>/dev/null
httpd -p 80 -h /www$1
for i in $(seq 200); do wget -q -O /copy$1 http://10.0.0.$2/file 2>/dev/null && break; usleep 300000; done
echo "carrier $(cat carrier)"
echo "own $(md5sum < /www$1/file)"
echo "other $(md5sum < /copy$1)"
echo "$(ping -c 3 -i 0.2 -s 4000 10.0.0.$2 | grep -o '[0-9]* packets received')"
cd statistics
echo "errors $(cat rx_errors tx_errors rx_dropped collisions | tr '\\n' ' ')"
`;

const SCRIPT = `
cat >/station <<'END'
${STATION}
END
for card in $(ls /sys/class/net | grep eth); do
  own=$(cut -d : -f 6 /sys/class/net/$card/address | sed s/^0//)
  unshare -n -m sh /station $own $(((own - 1 ^ 1) + 1)) $card >/said$own &
  while [ "$(readlink /proc/$!/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do usleep 10000; done
  ip link set $card netns $!
done
wait
for own in 1 2 3 4; do echo "station $own"; cat /said$own; done
`;

/** One end of a wire. */
class End {
  other: End | undefined;
  #card: NetworkDevice | undefined;
  #wake: () => void = () => {};
  /** Frames that the card has had no room for. */
  readonly #queue: Uint8Array[] = [];

  nic({ model, prepare }: Card, number: number): GuestNic {
    return {
      model,
      mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, number),
      connect: ({ wake }) => {
        this.#wake = wake;
        return {
          attach: (card) => {
            prepare?.(card);
            card.onReady = () => this.#deliver();
            this.#card = card;
          },
          send: (frame) => {
            if (this.other) this.other.#arrive(frame);
          },
        };
      },
    };
  }

  #arrive(frame: Uint8Array): void {
    if (this.#queue.length < QUEUE_FRAMES) this.#queue.push(frame.slice());
    this.#deliver();
    this.#wake();
  }

  #deliver(): void {
    for (let frame = this.#queue[0]; frame && this.#card?.receive(frame); frame = this.#queue[0]) this.#queue.shift();
  }
}

const kernel = debianKernel(MODULES);
const skip = 'missing' in kernel && `cannot be had: ${kernel.missing}`;

test('Linux’s e1000, 8139cp, pcnet32 and 8139too drivers carry TCP from card to card', { skip }, async () => {
  const ends = CARDS.map(() => new End());
  for (const [i, end] of ends.entries()) end.other = ends[i ^ 1];
  const nics = ends.map((end, i) => end.nic(CARDS[i], i + 1));
  const pc = await startPc([disc(linuxDisc(kernel, SCRIPT))], { memoryBytes: 192 << 20 }, { bootOrder: 'd', nics });
  assert.deepEqual(await pc.end, { kind: 'powered-off' });
  const [, ...stations] = pc.console().split(/^station \d\n/m);
  const said = (station: number, word: string): string =>
    new RegExp(`^${word} (.*)$`, 'm').exec(stations[station] ?? '')?.[1].trim() ?? pc.console();
  for (const [i, { driver }] of CARDS.entries()) {
    assert.equal(said(i, 'driver'), `${driver}, 52:54:00:00:00:0${i + 1}`);
    assert.equal(said(i, 'carrier'), '1');
    assert.match(said(i, 'own'), /^[0-9a-f]{32} +-$/);
    assert.equal(said(i, 'other'), said(i ^ 1, 'own'));
    assert.match(stations[i], /^3 packets received$/m);
    assert.equal(said(i, 'errors'), '0 0 0 0');
  }
});
