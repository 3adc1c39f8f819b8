/** The host's side of the guest agent: commands and files of the guest, its clock and the like; docs/agent.md. */

import type { ChannelBackend, ChannelPort } from '../base/channel.ts';
import { VivariumError } from '../base/errors.ts';
import { AgentConnection, type ExitStatus, type Request } from './connection.ts';
import { signalNumber } from './errno.ts';
import { AgentLostError } from './errors.ts';
import { GuestFiles } from './files.ts';
import {
  CHANNEL_NAME,
  ExecFlag,
  MAX_ENTROPY_BYTES,
  MountFlag,
  PayloadWriter,
  ToAgent,
  UNCHANGED_ID,
} from './protocol.ts';
import { bounded, requireText, type Waiting } from './waiting.ts';

export interface AgentOptions {
  /** Bytes of output, and of errors, that are kept of a command nobody reads from; it waits then. 256 KiB if not given. */
  readonly window?: number;
  /** Makes what tells a connection from others; cryptographic randomness if not given. */
  readonly fillRandom?: (bytes: Uint8Array) => void;
}

export interface TerminalWindow {
  readonly rows: number;
  readonly columns: number;
}

export interface ExecOptions extends Waiting {
  /** The command, looked for in PATH, and its arguments. */
  readonly argv: readonly string[];
  /** Variables beside the agent's own, or instead of them with `ownEnvironment`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly ownEnvironment?: boolean;
  /** The agent's own directory if not given. */
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** The command gets a terminal; errors then come with the output. */
  readonly tty?: TerminalWindow;
}

/** Addresses are IPv4, as numbers; 0 for none. */
export interface NetworkSettings {
  /** Of the card: eth0. */
  readonly name: string;
  readonly address: number;
  readonly prefixBits: number;
  readonly gateway: number;
  readonly nameServer: number;
}

/** A command in the guest. Output that nobody reads holds it up, once there is too much. */
export interface AgentProcess {
  readonly stdin: WritableStream<Uint8Array>;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** When the command has ended; its children may go on writing. Rejected if it could not be started or was given up. */
  readonly exit: Promise<ExitStatus>;
  /** Sends a signal to the command and what it started: `SIGTERM`, or its number; SIGTERM if not given. */
  kill(signal?: string | number): void;
  /** Size of its terminal. */
  resize(rows: number, columns: number): void;
}

const DEFAULT_WINDOW = 256 << 10;
const MIN_WINDOW = 4096;

export class AgentClient implements ChannelBackend {
  readonly name = CHANNEL_NAME;
  readonly files: GuestFiles;
  readonly #connection: AgentConnection;
  readonly #window: number;
  readonly #readyWaiters = new Set<{ resolve(): void; reject(reason: unknown): void }>();
  #closed: AgentLostError | undefined;

  constructor(options: AgentOptions = {}) {
    this.#window = Math.max(MIN_WINDOW, options.window ?? DEFAULT_WINDOW);
    this.#connection = new AgentConnection({
      ...(options.fillRandom && { fillRandom: options.fillRandom }),
      onChange: () => this.#changed(),
    });
    this.files = new GuestFiles(this.#connection, this.#window);
  }

  /** Whether the agent has answered. */
  get isReady(): boolean {
    return this.#connection.isOpen;
  }

  /** The version of the protocol that is spoken; 0 before the agent has answered. */
  get version(): number {
    return this.#connection.version;
  }

  /** Waits for the agent to answer. What is asked for earlier waits by itself. */
  ready(waiting: Waiting = {}): Promise<void> {
    const reason = this.#closed ?? this.#connection.failure;
    if (reason) return Promise.reject(reason);
    if (this.isReady) return Promise.resolve();
    let waiter: { resolve(): void; reject(reason: unknown): void };
    const answered = new Promise<void>((resolve, reject) => {
      waiter = { resolve, reject };
      this.#readyWaiters.add(waiter);
    });
    return bounded(answered, waiting, "Waiting for the guest's agent", (why) => {
      this.#readyWaiters.delete(waiter);
      waiter.reject(why);
    });
  }

  /** Starts a command. That it cannot be started is told by `exit`. */
  exec(options: ExecOptions): AgentProcess {
    const { argv, env = {}, tty } = options;
    if (argv.length === 0) throw new VivariumError({ kind: 'bad-option', option: 'argv' }, 'A command needs a name.');
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const flags = (tty ? ExecFlag.TERMINAL : 0) | (options.ownEnvironment ? ExecFlag.OWN_ENVIRONMENT : 0);
    const payload = new PayloadWriter()
      .u32(flags)
      .u32(options.uid ?? UNCHANGED_ID)
      .u32(options.gid ?? UNCHANGED_ID)
      .u16(tty?.rows ?? 0)
      .u16(tty?.columns ?? 0)
      .u32(argv.length)
      .u32(variables.length);
    for (const text of [options.cwd ?? '', ...argv, ...variables]) payload.string(requireText(text));
    const request = this.#connection.request({
      type: ToAgent.EXEC,
      payload: payload.finish(),
      window: this.#window,
      hasErrors: tty === undefined,
      what: `Cannot run ${argv[0]} in the guest`,
      path: argv[0]!,
    });
    const exit = bounded(request.exit, options, `The command ${argv[0]}`, (why) => request.cancel(why));
    exit.catch(() => undefined);
    let errors: ReadableStream<Uint8Array> | undefined;
    return {
      get stdin() {
        return request.input.stream;
      },
      get stdout() {
        return request.output.stream;
      },
      get stderr() {
        errors ??= request.errors?.stream ?? emptyStream();
        return errors;
      },
      exit,
      kill: (signal = 'SIGTERM') => kill(request, signal),
      resize: (rows, columns) => request.send(ToAgent.WINDOW, new PayloadWriter().u16(rows).u16(columns).finish()),
    };
  }

  /** Sets the guest's time of day: milliseconds since 1970. */
  setClock(ms: number, waiting?: Waiting): Promise<void> {
    const ns = BigInt(Math.round(ms)) * 1_000_000n;
    return this.#simple(ToAgent.CLOCK, new PayloadWriter().u64(ns), "Cannot set the guest's clock", waiting);
  }

  /** Adds up to 4096 random bytes to the guest's, which then start anew from them. */
  addEntropy(bytes: Uint8Array, waiting?: Waiting): Promise<void> {
    const some = bytes.subarray(0, MAX_ENTROPY_BYTES);
    return this.#simple(ToAgent.ENTROPY, new PayloadWriter().bytes(some), 'Cannot add to random numbers', waiting);
  }

  /** Tells the guest how large the terminal at its console is. */
  resize(rows: number, columns: number, waiting?: Waiting): Promise<void> {
    const payload = new PayloadWriter().u16(rows).u16(columns);
    return this.#simple(ToAgent.RESIZE, payload, "Cannot set the size of the guest's console", waiting);
  }

  /** Mounts what a virtio-9p device offers as `tag`. */
  mount(tag: string, path: string, options: Waiting & { readonly readOnly?: boolean; readonly options?: string } = {}) {
    const payload = new PayloadWriter()
      .u32(options.readOnly ? MountFlag.READ_ONLY : 0)
      .string(requireText(tag))
      .string(requireText(path))
      .string(requireText(options.options ?? ''));
    return this.#simple(ToAgent.MOUNT, payload, `Cannot mount ${tag} at ${path} in the guest`, options, path);
  }

  /** Makes a directory of the guest appear at another path as well, unless it does already. Since version 2. */
  bind(directory: string, path: string, options: Waiting & { readonly readOnly?: boolean } = {}): Promise<void> {
    const payload = new PayloadWriter()
      .u32(options.readOnly ? MountFlag.READ_ONLY : 0)
      .string(requireText(directory))
      .string(requireText(path));
    return this.#simple(ToAgent.BIND, payload, `Cannot mount ${directory} at ${path} in the guest`, options, path);
  }

  /** Gives a network card its address, and the guest its way out and its name server. Since version 2. */
  setNetwork({ name, address, prefixBits, gateway, nameServer }: NetworkSettings, waiting?: Waiting): Promise<void> {
    const payload = new PayloadWriter().u32(address).u32(prefixBits).u32(gateway).u32(nameServer);
    return this.#simple(ToAgent.NETWORK, payload.string(requireText(name)), `Cannot set up ${name}`, waiting);
  }

  /** Has the guest write all its file systems back. */
  sync(waiting?: Waiting): Promise<void> {
    return this.#simple(ToAgent.SYNC, new PayloadWriter(), "Cannot write the guest's disks back", waiting);
  }

  /** Writes back and switches off, or restarts, without asking anybody. Resolves when the agent is gone. */
  async power(action: 'off' | 'restart', waiting?: Waiting): Promise<void> {
    const payload = new PayloadWriter().u32(action === 'off' ? 0 : 1);
    try {
      await this.#simple(ToAgent.POWER, payload, 'Cannot switch the guest off', waiting);
    } catch (error) {
      if (!(error instanceof AgentLostError)) throw error;
    }
  }

  /** Gives up all that is under way, for good: the guest is going. */
  close(): void {
    this.#closed ??= new AgentLostError('The guest has ended.');
    this.#connection.giveUp(this.#closed);
    this.#changed();
  }

  attach(port: ChannelPort): void {
    this.#connection.attach(port);
  }

  received(bytes: Uint8Array): void {
    if (!this.#closed) this.#connection.received(bytes);
  }

  opened(isOpen: boolean): void {
    if (!this.#closed) this.#connection.opened(isOpen);
  }

  drained(): void {
    this.#connection.drained();
  }

  async #simple(type: number, payload: PayloadWriter, what: string, waiting?: Waiting, path?: string): Promise<void> {
    const request = this.#connection.request({
      type,
      payload: payload.finish(),
      window: MIN_WINDOW,
      hasErrors: false,
      what,
      ...(path !== undefined && { path }),
    });
    request.output.discard();
    await bounded(request.exit, waiting ?? {}, what, (why) => request.cancel(why));
  }

  #changed(): void {
    const reason = this.#closed ?? this.#connection.failure;
    if (!reason && !this.isReady) return;
    for (const waiter of this.#readyWaiters) {
      if (reason) waiter.reject(reason);
      else waiter.resolve();
    }
    this.#readyWaiters.clear();
  }
}

function kill(request: Request, signal: string | number): void {
  const number = typeof signal === 'number' ? signal : signalNumber(signal);
  if (number === undefined || !Number.isInteger(number) || number < 1 || number > 64) {
    throw new VivariumError({ kind: 'bad-option', option: 'signal' }, `There is no signal ${signal}.`);
  }
  request.send(ToAgent.SIGNAL, new PayloadWriter().u32(number).finish());
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}
