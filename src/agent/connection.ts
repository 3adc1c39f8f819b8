/**
 * A connection to the guest's agent: greeting, frames, and the table of requests; docs/agent.md. What is asked for
 * while there is no connection, or while the agent has all the requests it can take, waits its turn.
 */

import type { ChannelBackend, ChannelPort } from '../base/channel.ts';
import { errorName, signalName } from './errno.ts';
import { AgentLostError, AgentProtocolError, GuestError } from './errors.ts';
import { InputFlow, OutputFlow } from './flows.ts';
import { type Answer, AnswerFinder, FrameReader } from './frame-reader.ts';
import {
  CHANNEL_NAME,
  ERRORS_WAY,
  encodeFrame,
  FromAgent,
  How,
  MAGIC,
  MAX_PAYLOAD_BYTES,
  MAX_REQUEST_BYTES,
  NONCE_BYTES,
  OUTPUT_WAY,
  PayloadWriter,
  PREAMBLE_BYTES,
  PROTOCOL_VERSION,
  ToAgent,
} from './protocol.ts';

/** Input waits while more than this has not been taken by the guest. */
const MOST_PENDING_BYTES = 1 << 20;

/** How a command ended: one of the two is there. */
export interface ExitStatus {
  readonly code: number | undefined;
  /** `SIGKILL`. */
  readonly signal: string | undefined;
}

export interface RequestOptions {
  readonly type: number;
  /** Behind the window. */
  readonly payload: Uint8Array;
  readonly window: number;
  /** Has a way out for errors. */
  readonly hasErrors: boolean;
  /** Begins the message if it fails: "Cannot read /x in the guest". */
  readonly what: string;
  readonly path?: string;
}

/** One request, waiting, on its way, or over. */
export class Request {
  readonly options: RequestOptions;
  readonly output: OutputFlow;
  readonly errors: OutputFlow | undefined;
  readonly input: InputFlow;
  /** Rejected with a GuestError if the agent could not do it. */
  readonly exit: Promise<ExitStatus>;
  /** Its stream; 0 while it waits. */
  stream = 0;
  isExitKnown = false;
  settle!: { resolve(status: ExitStatus): void; reject(reason: unknown): void };
  readonly #connection: AgentConnection;

  constructor(connection: AgentConnection, options: RequestOptions) {
    this.#connection = connection;
    this.options = options;
    this.output = new OutputFlow(options.window, (bytes) => this.#credit(OUTPUT_WAY, bytes));
    this.errors = options.hasErrors
      ? new OutputFlow(options.window, (bytes) => this.#credit(ERRORS_WAY, bytes))
      : undefined;
    this.input = new InputFlow(
      (bytes) => this.send(ToAgent.INPUT, bytes),
      () => connection.isFull,
    );
    this.exit = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    // Whoever asks for the exit gets the reason; that nobody asks is no failure of the program.
    this.exit.catch(() => undefined);
  }

  /** Frames for a request that waits, or is over, are not sent. */
  send(type: number, payload: Uint8Array = new Uint8Array(0)): void {
    this.#connection.sendFor(this, type, payload);
  }

  /** Ends it, for the caller at once, for the guest by SIGKILL. */
  cancel(reason: unknown): void {
    this.#connection.cancel(this, reason);
  }

  get isOver(): boolean {
    return this.isExitKnown && this.output.isEnded && (this.errors?.isEnded ?? true);
  }

  /** The caller sees this, whatever else comes. */
  fail(reason: unknown): void {
    this.settle.reject(reason);
    this.output.fail(reason);
    this.errors?.fail(reason);
    this.input.stop(() => reason);
  }

  #credit(way: number, bytes: number): void {
    this.send(ToAgent.CREDIT, new PayloadWriter().u8(way).u32(bytes).finish());
  }
}

export interface ConnectionOptions {
  /** Makes the nonce of a connection; cryptographic randomness if not given. */
  readonly fillRandom?: (bytes: Uint8Array) => void;
  /** A connection begins or ends. */
  readonly onChange: () => void;
}

export class AgentConnection implements ChannelBackend {
  readonly name = CHANNEL_NAME;
  readonly #fillRandom: (bytes: Uint8Array) => void;
  readonly #onChange: () => void;
  #port: ChannelPort | undefined;
  #finder: AnswerFinder | undefined;
  #frames: FrameReader | undefined;
  #answer: Answer | undefined;
  #failure: AgentProtocolError | undefined;
  readonly #active = new Map<number, Request>();
  readonly #waiting = new Set<Request>();
  #lastStream = 0;

  constructor(options: ConnectionOptions) {
    this.#fillRandom =
      options.fillRandom ?? ((bytes) => globalThis.crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>));
    this.#onChange = options.onChange;
  }

  get isOpen(): boolean {
    return this.#answer !== undefined;
  }

  /** What the agent and this side both speak; 0 while there is no connection. */
  get version(): number {
    return this.#answer?.version ?? 0;
  }

  /** More is on its way than the guest takes, whatever credit its agent gives. */
  get isFull(): boolean {
    return this.#port !== undefined && this.#port.pendingBytes > MOST_PENDING_BYTES;
  }

  /** Why there will be no connection before the agent is started anew. */
  get failure(): AgentProtocolError | undefined {
    return this.#failure;
  }

  request(options: RequestOptions): Request {
    const request = new Request(this, options);
    if (this.#failure) {
      request.fail(this.#failure);
    } else if (options.payload.length + 4 > MAX_REQUEST_BYTES) {
      request.fail(new GuestError('E2BIG', options.what, options.path));
    } else {
      this.#waiting.add(request);
      this.#startWaiting();
    }
    return request;
  }

  sendFor(request: Request, type: number, payload: Uint8Array): void {
    if (this.#active.get(request.stream) === request) this.#send(type, request.stream, payload);
  }

  cancel(request: Request, reason: unknown): void {
    if (!this.#waiting.delete(request)) this.sendFor(request, ToAgent.CANCEL, new Uint8Array(0));
    request.fail(reason);
  }

  /** All that is under way and all that waits fails; nothing is sent. */
  giveUp(reason: unknown): void {
    this.#end(reason);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const request of waiting) request.fail(reason);
  }

  // --- ChannelBackend ---

  attach(port: ChannelPort): void {
    this.#port = port;
  }

  opened(isOpen: boolean): void {
    this.#end(new AgentLostError("The guest's agent has ended, or begun anew."));
    this.#failure = undefined;
    if (isOpen) this.#greet();
    this.#onChange();
  }

  received(bytes: Uint8Array): void {
    let rest = bytes;
    if (this.#finder) {
      const found = this.#finder.push(bytes);
      if (!found) return;
      this.#finder = undefined;
      const { version } = found.answer;
      if (version === 0 || version > PROTOCOL_VERSION) return this.#refuse(`it speaks version ${version}`);
      if (found.answer.maxStreams === 0) return this.#refuse('it allows no streams');
      this.#answer = found.answer;
      this.#frames = new FrameReader((type, stream, payload) => this.#take(type, stream, payload));
      rest = found.rest;
      this.#startWaiting();
      this.#onChange();
    }
    const problem = this.#frames?.push(rest, () => this.isOpen);
    if (problem) this.#refuse(problem);
  }

  drained(): void {
    for (const request of this.#active.values()) request.input.resume();
  }

  // --- Inside ---

  #greet(): void {
    const nonce = new Uint8Array(NONCE_BYTES);
    this.#fillRandom(nonce);
    this.#finder = new AnswerFinder(nonce);
    this.#lastStream = 0;
    this.#port?.send(new Uint8Array(PREAMBLE_BYTES));
    const magic = new TextEncoder().encode(MAGIC);
    this.#send(ToAgent.HELLO, 0, new PayloadWriter().bytes(magic).bytes(nonce).u32(PROTOCOL_VERSION).finish());
  }

  #end(reason: unknown): void {
    this.#finder = undefined;
    this.#frames = undefined;
    this.#answer = undefined;
    const active = [...this.#active.values()];
    this.#active.clear();
    for (const request of active) request.fail(reason);
  }

  #refuse(problem: string): void {
    this.#failure = new AgentProtocolError(problem);
    this.giveUp(this.#failure);
    this.#onChange();
  }

  #send(type: number, stream: number, payload: Uint8Array): void {
    this.#port?.send(encodeFrame(type, stream, payload));
  }

  #startWaiting(): void {
    for (const request of this.#waiting) {
      if (!this.#answer || this.#active.size >= this.#answer.maxStreams) return;
      this.#waiting.delete(request);
      do this.#lastStream = this.#lastStream === 0xffffffff ? 1 : this.#lastStream + 1;
      while (this.#active.has(this.#lastStream));
      request.stream = this.#lastStream;
      this.#active.set(request.stream, request);
      const { type, window, payload } = request.options;
      const whole = new PayloadWriter().u32(window).bytes(payload).finish();
      let at = 0;
      for (; whole.length - at > MAX_PAYLOAD_BYTES; at += MAX_PAYLOAD_BYTES) {
        this.#send(ToAgent.MORE, request.stream, whole.subarray(at, at + MAX_PAYLOAD_BYTES));
      }
      this.#send(type, request.stream, whole.subarray(at));
      request.input.open();
    }
  }

  #take(type: number, stream: number, payload: Uint8Array): void {
    if (type === FromAgent.REFUSED) {
      const words = new TextDecoder().decode(payload.subarray(0, 200)).replace(/[^ -~]/g, '?');
      return this.#refuse(`it refuses ours, saying "${words}"`);
    }
    const request = this.#active.get(stream);
    if (!request) {
      if (stream === 0 || stream > this.#lastStream) this.#refuse(`there is no stream ${stream}`);
      return;
    }
    const problem = this.#takeFor(request, type, payload);
    if (problem) return this.#refuse(problem);
    if (request.isOver) {
      this.#active.delete(stream);
      this.#startWaiting();
    }
  }

  #takeFor(request: Request, type: number, payload: Uint8Array): string | undefined {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    switch (type) {
      case FromAgent.OUTPUT:
        return request.output.push(payload);
      case FromAgent.ERRORS:
        return request.errors ? request.errors.push(payload) : 'there are errors from a request without a way for them';
      case FromAgent.CREDIT: {
        if (payload.length !== 4) return 'CREDIT is not of its length';
        const bytes = view.getUint32(0, true);
        if (bytes > 0) return request.input.grant(bytes);
        request.input.stop(() => new GuestError('EPIPE', 'Cannot write to what reads no more in the guest'));
        return undefined;
      }
      case FromAgent.EXIT:
        if (payload.length !== 5 || view.getUint8(0) > How.FAILED) return 'EXIT is not of its form';
        if (request.isExitKnown) return 'there are two ends of one request';
        return this.#takeExit(request, view.getUint8(0), view.getUint32(1, true));
      default:
        return `there is no frame of type ${type}`;
    }
  }

  #takeExit(request: Request, how: number, value: number): undefined {
    request.isExitKnown = true;
    const { what, path } = request.options;
    request.input.stop(() => new GuestError('EPIPE', 'Cannot write to what has ended in the guest'));
    if (how === How.ENDED) request.settle.resolve({ code: value, signal: undefined });
    else if (how === How.KILLED) request.settle.resolve({ code: undefined, signal: signalName(value) });
    else request.settle.reject(new GuestError(errorName(value), what, path));
  }
}
