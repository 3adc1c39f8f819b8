/**
 * Virtio network card (Virtual I/O Device 1.2, §5.1 "Network Device"): a queue to receive, one to send, and what saves the
 * driver most: checksums of what it sends, and cutting TCP over IPv4 into segments.
 *
 *     header   flags u8, kind of segments u8, header length u16, segment u16, checksum from u16, at u16, buffers u16
 *
 * Not modelled: buffers merged for one frame, control queue (every frame is passed on), several pairs of queues.
 */

import type { Clock, Timer } from '../../base/clock.ts';
import { isFrame, LONGEST_FRAME_BYTES, type NetworkDevice, type NetworkPort } from '../../base/network.ts';
import { bool, defineState, f64, type StateOf } from '../../base/state.ts';
import { Device } from '../device.ts';
import {
  fillIpv4Checksum,
  fillTransportChecksum,
  insertChecksum,
  ipv4Headers,
  readBig16,
  segment,
} from '../nic/offload.ts';
import { DEVICE_NET, type VirtioDevice, type VirtioTransport } from './virtio-device.ts';
import type { VirtioChain, Virtqueue } from './virtqueue.ts';

const F_CSUM = 1n << 0n;
const F_MAC = 1n << 5n;
const F_HOST_TSO4 = 1n << 11n;
const F_STATUS = 1n << 16n;
const CONFIG_MAC_BYTES = 6;
const CONFIG_BYTES = 8;
const STATUS_LINK_UP = 1;

const RECEIVE = 0;
const SEND = 1;
const ENTRIES = 256;

const HEADER_BYTES = 12;
const FLAG_NEEDS_CSUM = 1;
const GSO_NONE = 0;
const GSO_TCPV4 = 1;
const GSO_ECN = 0x80;
const IPV4_PROTOCOL = 9;
const PROTOCOL_TCP = 6;
/** What IPv4 can say the length of, behind Ethernet's header. */
const LONGEST_PACKET_BYTES = 0xffff + 18;

/** Frames that go out while the guest waits; segments are many. The rest follows a moment later. */
const MOST_AT_ONCE = 1024;
const MOMENT_NS = 10_000;

const netState = defineState('virtio-net', 2, {
  /** When the rest is sent; 0 if nothing is left. */
  goesOnNs: f64({ min: 0, max: Number.MAX_VALUE }),
  /** The driver may have seen that there is no link. */
  saidNoLink: bool({ since: 2 }),
});

export interface VirtioNetHost {
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly network: NetworkPort;
  readonly clock: Clock;
  readonly rom?: Uint8Array | undefined;
  wake(): void;
}

export class VirtioNet extends Device<StateOf<typeof netState>> implements VirtioDevice, NetworkDevice {
  readonly deviceId = DEVICE_NET;
  readonly features = F_CSUM | F_MAC | F_HOST_TSO4 | F_STATUS;
  readonly queueSizes = [ENTRIES, ENTRIES];
  readonly classCode = 0x02_00_00;
  readonly mac: Uint8Array;
  readonly rom: Uint8Array | undefined;
  onReady: (() => void) | undefined;
  readonly #host: VirtioNetHost;
  readonly #goesOn: Timer;
  #transport: VirtioTransport | undefined;
  #queues: readonly Virtqueue[] = [];
  /** The board is whole: frames may come. */
  #isResumed = false;
  /** A frame was refused. */
  #isFull = false;
  #sentFrames = 0;

  constructor(host: VirtioNetHost) {
    super(netState);
    this.#host = host;
    this.mac = host.mac;
    this.rom = host.rom;
    this.#goesOn = host.clock.timer(() => {
      this.state.goesOnNs = 0;
      this.#send();
    });
  }

  override reset(): void {
    super.reset();
    this.#queues = [];
    this.#isResumed = false;
    this.#tellReady();
  }

  protected override derive(): void {
    if (this.state.goesOnNs > 0) this.#goesOn.arm(this.state.goesOnNs);
    else this.#goesOn.disarm();
  }

  attached(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  readConfig(offset: number, size: number): number {
    const config = new Uint8Array(CONFIG_BYTES);
    config.set(this.mac);
    config[CONFIG_MAC_BYTES] = this.#hasLink ? STATUS_LINK_UP : 0;
    let value = 0;
    for (let i = 0; i < size; i++) value |= (config[offset + i] ?? 0) << (8 * i);
    return value;
  }

  writeConfig(): void {}

  started(_features: bigint, queues: readonly Virtqueue[]): void {
    this.#queues = queues;
    this.#isResumed = false;
  }

  notified(index: number): void {
    if (!this.#isResumed) {
      this.#isResumed = true;
      this.#sayLink();
    }
    if (index === RECEIVE) this.#tellReady();
    else if (index === SEND && this.state.goesOnNs === 0) this.#send();
  }

  get #hasLink(): boolean {
    return this.#host.network.isConnected ?? true;
  }

  /** A guest that is restored may have come to a network, or have lost it. */
  #sayLink(): void {
    if (this.state.saidNoLink === !this.#hasLink) return;
    this.state.saidNoLink = !this.#hasLink;
    this.#transport?.configChanged();
  }

  // ---- To the guest ------------------------------------------------------------------------------------------------

  #tellReady(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.onReady?.();
  }

  get #receiveQueue(): Virtqueue | undefined {
    return this.#isResumed ? this.#queues[RECEIVE] : undefined;
  }

  get canReceive(): boolean {
    return this.#receiveQueue?.hasNext ?? false;
  }

  receive(frame: Uint8Array): boolean {
    const queue = this.#receiveQueue;
    if (queue === undefined || !queue.isWorking || !isFrame(frame)) return true;
    const chain = queue.take();
    if (chain === undefined) {
      this.#isFull = queue.isWorking;
      return !this.#isFull;
    }
    if (chain.writableBytes < HEADER_BYTES + frame.length) {
      this.#transport?.fail();
      return true;
    }
    const bytes = new Uint8Array(HEADER_BYTES + frame.length);
    bytes[HEADER_BYTES - 2] = 1;
    bytes.set(frame, HEADER_BYTES);
    queue.complete(chain, chain.write(0, bytes));
    this.#host.wake();
    return true;
  }

  // ---- From the guest ----------------------------------------------------------------------------------------------

  #send(): void {
    const queue = this.#queues[SEND];
    const before = this.#sentFrames;
    for (let chain = queue?.take(); queue && chain; chain = queue.take()) {
      this.#sendOne(chain);
      queue.complete(chain, 0);
      if (this.#sentFrames - before < MOST_AT_ONCE) continue;
      this.state.goesOnNs = this.#host.clock.now() + MOMENT_NS;
      this.derive();
      break;
    }
  }

  #pass(frame: Uint8Array): void {
    this.#sentFrames++;
    this.#host.network.send(frame);
  }

  /** What makes no sense as a frame is lost, as on any wire. */
  #sendOne(chain: VirtioChain): void {
    const length = chain.readableBytes - HEADER_BYTES;
    if (length <= 0 || length > LONGEST_PACKET_BYTES) return;
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    const packet = new Uint8Array(length);
    if (chain.read(0, new Uint8Array(header.buffer)) < HEADER_BYTES) return;
    if (chain.read(HEADER_BYTES, packet) < length) return;
    const start = header.getUint16(6, true);
    const needsChecksum = (header.getUint8(0) & FLAG_NEEDS_CSUM) !== 0;
    const kind = header.getUint8(1) & ~GSO_ECN;
    if (kind === GSO_TCPV4 && needsChecksum) this.#sendSegments(packet, start, header.getUint16(4, true));
    if (kind !== GSO_NONE || length > LONGEST_FRAME_BYTES) return;
    if (needsChecksum) insertChecksum(packet, start, length, start + header.getUint16(8, true), true);
    if (isFrame(packet)) this.#pass(packet);
  }

  #sendSegments(packet: Uint8Array, transportAt: number, mss: number): void {
    const headers = ipv4Headers(packet, true);
    if (headers === undefined || transportAt !== headers.transportAt || transportAt + 13 > packet.length) return;
    const { ipAt } = headers;
    if (packet[ipAt + IPV4_PROTOCOL] !== PROTOCOL_TCP) return;
    const headerBytes = transportAt + ((packet[transportAt + 12] as number) >> 4) * 4;
    const plan = { headerBytes, mss, ipAt, ipVersion: 4, transportAt, transport: 'tcp' } as const;
    if (headerBytes + mss > LONGEST_FRAME_BYTES || readBig16(packet, ipAt) >> 12 !== 4) return;
    segment(packet, plan, (frame) => {
      const found = ipv4Headers(frame);
      if (found?.transport !== 'tcp') return;
      fillIpv4Checksum(frame, found);
      fillTransportChecksum(frame, found);
      this.#pass(frame);
    });
  }
}
