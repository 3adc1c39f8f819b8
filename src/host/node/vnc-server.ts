/** A guest's screen, keyboard and pointer for VNC clients of this machine: RFB over TCP, on loopback only. */

import { createServer, type Server, type Socket } from 'node:net';
import { VivariumError } from '../../base/errors.ts';
import type { Keyboard, Pointer } from '../../base/input.ts';
import type { Screen } from '../../base/screen.ts';
import { ByteQueue } from '../../net/byte-queue.ts';
import { Framebuffer } from '../rfb/framebuffer.ts';
import type { SharedKeyboard } from '../rfb/keys.ts';
import { Mouse } from '../rfb/mouse.ts';
import { RfbSession } from '../rfb/session.ts';
import { listenError } from './sockets.ts';

/** Both, where the host has both. */
const ADDRESSES = ['127.0.0.1', '::1'] as const;
const FIRST_PORT = 5900;
const LAST_PORT = 5999;
const MOST_CLIENTS = 16;
/** How often the screen is looked at, while somebody waits for a change. */
const LOOK_MS = 33;
/** Looking and encoding take one part in four of the time at most; the rest is the guest's. */
const REST = 3;
/** How long a client may take over the handshake, or over a piece of what it is sent. */
const PATIENCE_MS = 30_000;
const PIECE_BYTES = 64 * 1024;

/** The parts of a guest that clients see and move. */
export interface VncGuest {
  readonly screen: Screen;
  readonly keyboard: Keyboard;
  readonly pointer: Pointer;
}

export interface VncOptions {
  /** The first from 5900 on that is free, if none is given; any that is free, if it is 0. */
  readonly port?: number;
  /** For the title of clients' windows. */
  readonly name: string;
  /** A client had to go: a sentence why. */
  dropped(message: string): void;
  readonly patienceMs?: number;
}

export class VncServer {
  readonly #options: VncOptions;
  readonly #framebuffer: Framebuffer;
  readonly #keyboard: SharedKeyboard;
  readonly #mouse: Mouse;
  #servers: readonly Server[] = [];
  readonly #connections = new Set<Connection>();
  #timer: NodeJS.Timeout | undefined;

  private constructor({ screen, keyboard, pointer }: VncGuest, options: VncOptions) {
    this.#options = options;
    this.#framebuffer = new Framebuffer(screen);
    this.#keyboard = { capsLock: false, key: (code, pressed) => keyboard.key(code, pressed) };
    this.#mouse = new Mouse(pointer);
  }

  /** Throws a VivariumError where no port is to be had. */
  static async listen(guest: VncGuest, options: VncOptions): Promise<VncServer> {
    const server = new VncServer(guest, options);
    if (options.port !== undefined) {
      await server.#listenOn(options.port);
      return server;
    }
    for (let port = FIRST_PORT; port <= LAST_PORT; port++) {
      try {
        await server.#listenOn(port);
        return server;
      } catch (error) {
        if (!isInUse(error)) throw error;
      }
    }
    throw new VivariumError({ kind: 'host' }, `No port from ${FIRST_PORT} to ${LAST_PORT} is free for VNC.`);
  }

  get port(): number {
    return portOf(this.#servers[0] as Server);
  }

  /** On all addresses, or on none. */
  async #listenOn(port: number): Promise<void> {
    const servers: Server[] = [];
    try {
      for (const address of ADDRESSES) {
        const server = createServer((socket) => this.#accept(socket));
        if (await listenAt(server, address, servers[0] ? portOf(servers[0]) : port)) servers.push(server);
      }
    } catch (error) {
      for (const server of servers) server.close();
      throw error;
    }
    this.#servers = servers;
  }

  /** Sends all clients away, and listens no more. */
  close(): void {
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.destroy();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= MOST_CLIENTS) {
      socket.destroy();
      return;
    }
    this.#framebuffer.look();
    const connection = new Connection(socket, {
      session: (send, ended) =>
        new RfbSession({
          name: this.#options.name,
          framebuffer: this.#framebuffer,
          keyboard: this.#keyboard,
          mouse: this.#mouse,
          send,
          ended,
        }),
      dropped: (reason) => this.#options.dropped(`A VNC client was sent away: ${reason}.`),
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    const startedMs = performance.now();
    const waiting = [...this.#connections].filter(({ session }) => session.isWaiting);
    if (waiting.length > 0) this.#framebuffer.look();
    for (const { session } of waiting) session.update();
    for (const connection of this.#connections) {
      connection.dropIfStuck(startedMs - (this.#options.patienceMs ?? PATIENCE_MS));
    }
    const tookMs = performance.now() - startedMs;
    this.#timer =
      this.#connections.size === 0 ? undefined : setTimeout(() => this.#look(), Math.max(LOOK_MS, REST * tookMs));
  }
}

interface ConnectionParts {
  session(send: (bytes: Uint8Array) => void, ended: (reason: string) => void): RfbSession;
  dropped(reason: string): void;
  closed(): void;
}

/** A client's socket: what is to be sent waits here, and goes piece by piece. */
class Connection {
  readonly session: RfbSession;
  readonly #socket: Socket;
  readonly #parts: ConnectionParts;
  readonly #waiting = new ByteQueue();
  #isWriting = false;
  #isEnding = false;
  /** When it last took something, or what was sent began to wait. */
  #progressMs = performance.now();

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket;
    this.#parts = parts;
    socket.setNoDelay();
    this.session = parts.session(
      (bytes) => this.#send(bytes),
      (reason) => this.#end(reason),
    );
    socket.on('data', (bytes) => this.session.receive(bytes));
    // A client that goes without a word is no failure.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.session.close();
      parts.closed();
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Lets go of a client that has taken nothing, or not come through the handshake, since `beforeMs`. */
  dropIfStuck(beforeMs: number): void {
    if (this.#progressMs > beforeMs || (this.session.isReady && !this.#isWriting)) return;
    const reason = this.session.isReady ? 'it stopped reading' : 'it did not finish the handshake';
    if (!this.#isEnding) this.#parts.dropped(reason);
    this.destroy();
  }

  /** What it was told last is to reach it. */
  #end(reason: string): void {
    this.#parts.dropped(reason);
    this.#isEnding = true;
    if (!this.#isWriting) this.#socket.destroySoon();
  }

  #send(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    if (!this.#isWriting) this.#write();
  }

  #write(): void {
    const piece = this.#waiting.copy(0, PIECE_BYTES);
    this.#waiting.discard(piece.length);
    this.#isWriting = piece.length > 0;
    if (this.session?.isReady) this.#progressMs = performance.now();
    if (this.#isWriting) this.#socket.write(piece, () => this.#write());
    else if (this.#isEnding) this.#socket.destroySoon();
    else this.session.drained();
  }
}

/** False where the host does without IPv6. */
function listenAt(server: Server, address: string, port: number): Promise<boolean> {
  return new Promise((listening, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT';
      if (isMissing && address !== ADDRESSES[0]) listening(false);
      else failed(listenError('TCP', { address, port }, error));
    });
    server.listen({ host: address, port, exclusive: true }, () => {
      // What cannot be accepted, for want of descriptors for instance, is not our guest's business.
      server.removeAllListeners('error').on('error', () => {});
      listening(true);
    });
  });
}

function portOf(server: Server): number {
  return (server.address() as { readonly port: number }).port;
}

function isInUse(error: unknown): boolean {
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE';
}
