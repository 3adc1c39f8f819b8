/**
 * Linux's own drivers on each network card: two guests on one wire, each of which fetches a file from the other over TCP
 * and sends datagrams that have to be cut up.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { NetworkDevice } from '../../src/base/network.ts';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import type { Rtl8139 } from '../../src/devices/nic/rtl8139.ts';
import { nodePlatform } from '../../src/host/node/platform.ts';
import type { NicModel } from '../../src/machine/pc-firmware.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestNetwork } from '../../src/vmm/guest-options.ts';
import { debianKernel, linuxDisc } from './linux-disc.ts';

const firmware = fileURLToPath(new URL('../../firmware/', import.meta.url));
const GIVE_UP_MS = 10 * 60_000;
const FINISHED = 'finished\n';
const QUEUE_FRAMES = 256;

interface Card {
  readonly driver: string;
  readonly modules: readonly string[];
  readonly model: NicModel;
  /** What it has to be told to be the card that the driver is for. */
  readonly prepare?: (card: NetworkDevice) => void;
}

const CARDS = {
  e1000: { driver: 'e1000', modules: ['e1000'], model: 'e1000' },
  pcnet: { driver: 'pcnet32', modules: ['mii', 'pcnet32'], model: 'pcnet' },
  cPlus: { driver: '8139cp', modules: ['mii', '8139cp'], model: 'rtl8139' },
  /** The revision before the "+": its driver knows C mode only. */
  cMode: {
    driver: '8139too',
    modules: ['mii', '8139too'],
    model: 'rtl8139',
    prepare: (card) => (card as Rtl8139).config.setByte(8, 0x10),
  },
} as const satisfies Record<string, Card>;

/** Runs on station `own` of a network of two. */
const script = (own: number, other: number): string => `
ip addr add 10.0.0.${own}/24 dev eth0
ip link set eth0 up
echo "driver $(basename $(readlink /sys/class/net/eth0/device/driver)), $(cat /sys/class/net/eth0/address)"
mkdir /www
dd if=/dev/urandom of=/www/file bs=64k count=32 2>/dev/null
httpd -p 80 -h /www
for i in $(seq 200); do wget -q -O /copy http://10.0.0.${other}/file 2>/dev/null && break; usleep 300000; done
echo "carrier $(cat /sys/class/net/eth0/carrier)"
echo "own $(md5sum < /www/file)"
echo "other $(md5sum < /copy)"
echo "$(ping -c 3 -s 4000 10.0.0.${other} | grep -o '[0-9]* packets received')"
cd /sys/class/net/eth0/statistics
echo "errors $(cat rx_errors tx_errors rx_dropped collisions | tr '\\n' ' ')"
printf ${JSON.stringify(FINISHED)}
sleep 100000
`;

class Station {
  console = '';
  guest!: Guest;
  #card: NetworkDevice | undefined;
  /** Frames that the card has had no room for. */
  readonly #queue: Uint8Array[] = [];
  #wake: () => void = () => {};
  /** Resolves when the guest has come to the end of its script. */
  readonly finished: Promise<void>;
  #finish!: () => void;

  constructor() {
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** A wire that ends at `other`. */
  #wire(other: Station, card: Card, wake: () => void): GuestNetwork {
    this.#wake = wake;
    return {
      attach: (device) => {
        card.prepare?.(device);
        device.onReady = () => this.#deliver();
        this.#card = device;
      },
      send: (frame) => other.#arrive(frame),
    };
  }

  #arrive(frame: Uint8Array): void {
    if (this.#queue.length < QUEUE_FRAMES) this.#queue.push(frame);
    this.#deliver();
    this.#wake();
  }

  #deliver(): void {
    for (let frame = this.#queue[0]; frame && this.#card?.receive(frame); frame = this.#queue[0]) this.#queue.shift();
  }

  async start(number: number, other: Station, card: Card, disc: Uint8Array): Promise<void> {
    this.guest = await Guest.create({
      memoryBytes: 192 << 20,
      firmware: {
        bios: readFileSync(`${firmware}bios-256k.bin`),
        vgaBios: readFileSync(`${firmware}vgabios-stdvga.bin`),
        drives: [{ bus: 'ide', unit: 2, kind: 'cdrom', backend: new MemoryDisk(disc) }],
        nics: [
          {
            model: card.model,
            mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, number),
            connect: ({ wake }) => this.#wire(other, card, wake),
          },
        ],
        bootOrder: 'd',
        resetEnds: true,
      },
      time: 'real',
      seed: number,
      optionalDevices: [],
      onConsole: (bytes) => {
        this.console += Buffer.from(bytes).toString('latin1').replaceAll('\r', '');
        if (this.console.endsWith(FINISHED)) this.#finish();
      },
      host: nodePlatform,
    });
  }
}

/** What the script said, by the word at the beginning of the line. */
function said(station: Station, word: string): string {
  return new RegExp(`^${word} (.*)$`, 'm').exec(station.console)?.[1].trim() ?? station.console;
}

async function talk(cards: readonly [Card, Card]): Promise<void> {
  const stations = [new Station(), new Station()] as const;
  await Promise.all(
    stations.map((station, i) => {
      const kernel = debianKernel(cards[i].modules);
      return station.start(i + 1, stations[1 - i], cards[i], linuxDisc(kernel, script(i + 1, 2 - i)));
    }),
  );
  const ends = stations.map(({ guest }) => guest.run());
  const stop = (): void => {
    for (const { guest } of stations) guest.stop();
  };
  const timer = setTimeout(stop, GIVE_UP_MS);
  await Promise.race([Promise.all(stations.map(({ finished }) => finished)), ...ends]);
  clearTimeout(timer);
  stop();
  await Promise.all(ends);
  for (const [i, station] of stations.entries()) {
    const other = stations[1 - i];
    assert.equal(said(station, 'driver'), `${cards[i].driver}, 52:54:00:00:00:0${i + 1}`);
    assert.equal(said(station, 'carrier'), '1');
    assert.equal(said(station, 'other'), said(other, 'own'));
    assert.match(said(station, 'own'), /^[0-9a-f]{32} +-$/);
    assert.match(station.console, /^3 packets received$/m);
    assert.equal(said(station, 'errors'), '0 0 0 0');
  }
}

for (const cards of [
  [CARDS.e1000, CARDS.cPlus],
  [CARDS.pcnet, CARDS.cMode],
] as const) {
  test(`Linux's ${cards[0].driver} and ${cards[1].driver} drivers carry TCP between two guests`, async (t) => {
    const kernel = debianKernel([...cards[0].modules, ...cards[1].modules]);
    if ('missing' in kernel) return t.skip(`cannot be had: ${kernel.missing}`);
    await talk(cards);
  });
}
