/**
 * Virtio console with several ports (Virtual I/O Device 1.2, §5.3 "Console Device"): each port is a channel between a
 * process of the guest and whoever serves it on the host.
 *
 *     queues   0, 1 port 0   2, 3 control   4, 5 port 1   6, 7 port 2 ...    from the host, then to it
 *     control  id u32, event u16, value u16, and for PORT_NAME the name
 *
 * Ports begin with 1; port 0, which drivers without VIRTIO_CONSOLE_F_MULTIPORT would use, leads nowhere.
 * Not modelled: sizes of terminals, emergency writes, ports that come and go.
 */

import type { ChannelBackend, ChannelPort } from '../../base/channel.ts';
import { bool, defineState, list, type StateOf, u8, u32 } from '../../base/state.ts';
import { Device } from '../device.ts';
import { DEVICE_CONSOLE, type VirtioDevice, type VirtioTransport } from './virtio-device.ts';
import type { VirtioChain, Virtqueue } from './virtqueue.ts';

const F_MULTIPORT = 1n << 1n;
const MAX_PORTS = 4;

const EVENT_DEVICE_READY = 0;
const EVENT_PORT_ADD = 1;
const EVENT_PORT_READY = 3;
const EVENT_PORT_OPEN = 6;
const EVENT_PORT_NAME = 7;
const CONTROL_BYTES = 8;

/** What the driver is to be told of a port, in this order. */
const TELL_ADD = 1;
const TELL_NAME = 2;
const TELL_OPEN = 4;

const CONTROL_FROM_HOST = 2;
const CONTROL_TO_HOST = 3;
const DATA_ENTRIES = 64;
const CONTROL_ENTRIES = 32;
export const MOST_PORTS = 30;
const LONGEST_NAME = 64;
/** What a back end is given at once. */
const PIECE_BYTES = 64 * 1024;
/**
 * Of what the guest writes in one request. Drivers come to 32 KiB, or a pipe's contents; a chain that names the same memory
 * over and over would hold the host for seconds.
 */
const LONGEST_REQUEST_BYTES = 2 ** 20;

const portState = defineState('virtio-console-port', 1, {
  guestOpen: bool(),
  tell: u8({ max: TELL_ADD | TELL_NAME | TELL_OPEN }),
  /** Of the guest's request at hand, what the back end has already. */
  receivedBytes: u32(),
});

type PortState = StateOf<typeof portState>;

function consoleState(ports: number) {
  return defineState('virtio-console', 1, { ports: list(portState, ports) });
}

export class VirtioConsole extends Device<StateOf<ReturnType<typeof consoleState>>> implements VirtioDevice {
  readonly deviceId = DEVICE_CONSOLE;
  readonly features = F_MULTIPORT;
  readonly queueSizes: readonly number[];
  /** Simple communication controller of another kind. */
  readonly classCode = 0x07_80_00;
  readonly #ports: readonly Port[];
  #transport: VirtioTransport | undefined;
  #queues: readonly Virtqueue[] = [];
  #isMultiport = false;
  /** The board is whole: back ends may be spoken to. */
  #isResumed = false;

  constructor(backends: readonly ChannelBackend[], host: { wake(): void }) {
    super(consoleState(backends.length));
    if (backends.length > MOST_PORTS) throw new RangeError(`A console has ${MOST_PORTS} ports at most`);
    this.queueSizes = Array.from({ length: 4 + 2 * backends.length }, (_, i) =>
      i === CONTROL_FROM_HOST || i === CONTROL_TO_HOST ? CONTROL_ENTRIES : DATA_ENTRIES,
    );
    this.#ports = backends.map((backend, i) => {
      const queue = (index: number): Virtqueue | undefined => (this.#isResumed ? this.#queues[index] : undefined);
      return new Port(backend, {
        state: this.state.ports[i] as PortState,
        toGuest: () => queue(4 + 2 * i),
        fromGuest: () => queue(5 + 2 * i),
        fail: () => this.#transport?.fail(),
        wake: host.wake,
      });
    });
    for (const [i, backend] of backends.entries()) backend.attach(this.#ports[i] as Port);
  }

  override reset(): void {
    const wereOpen = this.#ports.filter((port) => port.guestOpen);
    super.reset();
    this.#queues = [];
    this.#isResumed = false;
    for (const port of this.#ports) port.forget();
    for (const port of wereOpen) port.closed();
  }

  attached(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  readConfig(offset: number, size: number): number {
    const config = new Uint8Array(8);
    new DataView(config.buffer).setUint32(MAX_PORTS, this.#ports.length + 1, true);
    let value = 0;
    for (let i = 0; i < size; i++) value |= (config[offset + i] ?? 0) << (8 * i);
    return value;
  }

  writeConfig(): void {}

  started(features: bigint, queues: readonly Virtqueue[]): void {
    this.#isMultiport = (features & F_MULTIPORT) !== 0n;
    this.#queues = queues;
    for (const port of this.#ports) port.forget();
    this.#isResumed = false;
  }

  notified(index: number): void {
    if (!this.#isMultiport) return;
    if (!this.#isResumed) {
      this.#isResumed = true;
      for (const port of this.#ports) if (port.guestOpen) port.backend.opened(true);
    }
    if (index === CONTROL_FROM_HOST) this.#tell();
    else if (index === CONTROL_TO_HOST) this.#control();
    else if (index >= 4) {
      const port = this.#ports[(index - 4) >> 1];
      if (index % 2) port?.takeFromGuest();
      else port?.giveToGuest();
    }
  }

  // ---- Control -----------------------------------------------------------------------------------------------------

  #control(): void {
    const queue = this.#queues[CONTROL_TO_HOST];
    const message = new Uint8Array(CONTROL_BYTES);
    const view = new DataView(message.buffer);
    for (let chain = queue?.take(); queue && chain; chain = queue.take()) {
      if (chain.read(0, message) === CONTROL_BYTES) {
        this.#heard(view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true));
      }
      queue.complete(chain, 0);
    }
    this.#tell();
  }

  #heard(id: number, event: number, value: number): void {
    if (event === EVENT_DEVICE_READY && value === 1) {
      for (const port of this.state.ports) port.tell |= TELL_ADD;
      return;
    }
    const port = this.#ports[id - 1];
    if (port === undefined) return;
    if (event === EVENT_PORT_READY && value === 1) port.state.tell |= TELL_NAME | TELL_OPEN;
    else if (event === EVENT_PORT_OPEN) port.guestOpened(value !== 0);
  }

  /** Says what is to be said, as far as the driver has room for it. */
  #tell(): void {
    const queue = this.#queues[CONTROL_FROM_HOST];
    if (queue === undefined) return;
    this.#ports.forEach(({ state, backend }, index) => {
      while (state.tell !== 0) {
        const chain = queue.take();
        if (chain === undefined) return;
        const what = state.tell & -state.tell;
        state.tell &= ~what;
        const name = new TextEncoder().encode(backend.name).subarray(0, LONGEST_NAME);
        const message = new Uint8Array(CONTROL_BYTES + (what === TELL_NAME ? name.length : 0));
        const view = new DataView(message.buffer);
        const event = what === TELL_ADD ? EVENT_PORT_ADD : what === TELL_NAME ? EVENT_PORT_NAME : EVENT_PORT_OPEN;
        view.setUint32(0, index + 1, true);
        view.setUint16(4, event, true);
        view.setUint16(6, 1, true);
        if (what === TELL_NAME) message.set(name, CONTROL_BYTES);
        queue.complete(chain, chain.write(0, message));
      }
    });
  }
}

interface PortHost {
  readonly state: PortState;
  /** Undefined while there is no driver. */
  toGuest(): Virtqueue | undefined;
  fromGuest(): Virtqueue | undefined;
  /** The driver did what makes no sense. */
  fail(): void;
  wake(): void;
}

class Port implements ChannelPort {
  readonly backend: ChannelBackend;
  readonly #host: PortHost;
  /** Sent and not taken, oldest first. */
  #waiting: Uint8Array[] = [];
  pendingBytes = 0;
  #accepting = true;
  #isGiving = false;
  #isTaking = false;
  /** The guest's request at hand. */
  #chain: VirtioChain | undefined;

  constructor(backend: ChannelBackend, host: PortHost) {
    this.backend = backend;
    this.#host = host;
  }

  get state(): PortState {
    return this.#host.state;
  }

  get guestOpen(): boolean {
    return this.state.guestOpen;
  }

  send(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.pendingBytes += bytes.length;
    this.giveToGuest();
  }

  get accepting(): boolean {
    return this.#accepting;
  }

  set accepting(accepting: boolean) {
    this.#accepting = accepting;
    if (accepting) this.takeFromGuest();
  }

  guestOpened(isOpen: boolean): void {
    if (isOpen === this.guestOpen) return;
    this.state.guestOpen = isOpen;
    if (!isOpen) {
      this.closed();
      return;
    }
    this.backend.opened(true);
    this.giveToGuest();
  }

  /** The queues are gone. */
  forget(): void {
    this.#chain = undefined;
  }

  /** What nobody has taken by now nobody will. */
  closed(): void {
    this.#waiting = [];
    this.pendingBytes = 0;
    this.backend.opened(false);
  }

  /** Not while the port is closed: drivers throw away what comes then. */
  giveToGuest(): void {
    if (this.#isGiving) return;
    this.#isGiving = true;
    let gaveLast = false;
    for (;;) {
      const queue = this.#host.toGuest();
      const [first] = this.#waiting;
      if (first === undefined && gaveLast) {
        gaveLast = false;
        this.backend.drained();
        continue;
      }
      if (first === undefined || queue === undefined || !this.guestOpen) break;
      const chain = queue.take();
      if (chain === undefined) break;
      const count = chain.write(0, first.subarray(0, Math.min(first.length, chain.writableBytes)));
      if (count === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(count);
      this.pendingBytes -= count;
      gaveLast = this.pendingBytes === 0;
      queue.complete(chain, count);
    }
    this.#isGiving = false;
    this.#host.wake();
  }

  takeFromGuest(): void {
    if (this.#isTaking) return;
    this.#isTaking = true;
    const { state } = this;
    for (let queue = this.#host.fromGuest(); queue; queue = this.#host.fromGuest()) {
      if (this.#accepting) this.#chain ??= queue.take();
      const chain = this.#chain;
      if (chain === undefined) break;
      if (chain.readableBytes > LONGEST_REQUEST_BYTES) {
        this.#host.fail();
        break;
      }
      const left = chain.readableBytes - state.receivedBytes;
      if (left <= 0) {
        this.#chain = undefined;
        state.receivedBytes = 0;
        queue.complete(chain, 0);
        continue;
      }
      if (!this.#accepting) break;
      const piece = new Uint8Array(Math.min(PIECE_BYTES, left));
      if (chain.read(state.receivedBytes, piece) < piece.length) break;
      state.receivedBytes += piece.length;
      this.backend.received(piece);
    }
    this.#isTaking = false;
    this.#host.wake();
  }
}
