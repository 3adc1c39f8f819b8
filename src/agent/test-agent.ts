/** An agent for tests: takes the client's frames apart and answers what it is told to. */

import type { ChannelPort } from '../base/channel.ts';
import { AgentClient, type AgentOptions } from './client.ts';
import { FrameReader } from './frame-reader.ts';
import {
  encodeFrame,
  type Frame,
  FromAgent,
  HEADER_BYTES,
  How,
  MAGIC,
  NONCE_BYTES,
  PayloadWriter,
  PREAMBLE_BYTES,
  PROTOCOL_VERSION,
  ToAgent,
} from './protocol.ts';

export class FakeAgent implements ChannelPort {
  readonly client: AgentClient;
  /** What the client has sent since its last HELLO. */
  frames: Frame[] = [];
  nonce: Uint8Array = new Uint8Array(NONCE_BYTES);
  pendingBytes = 0;
  accepting = true;
  guestOpen = false;
  maxStreams = 256;
  #reader = this.#newReader();

  constructor(options?: AgentOptions) {
    this.client = new AgentClient(options);
    this.client.attach(this);
  }

  /** Opens the port and answers the greeting. */
  static async connected(options?: AgentOptions, maxStreams = 256): Promise<FakeAgent> {
    const fake = new FakeAgent(options);
    fake.maxStreams = maxStreams;
    fake.open();
    fake.answer();
    await fake.client.ready();
    return fake;
  }

  open(): void {
    this.guestOpen = true;
    this.client.opened(true);
  }

  send(bytes: Uint8Array): void {
    if (bytes.length === PREAMBLE_BYTES && bytes.every((byte) => byte === 0)) {
      this.frames = [];
      this.#reader = this.#newReader();
      return;
    }
    const problem = this.#reader.push(bytes, () => true);
    if (problem) throw new Error(problem);
  }

  answerBytes(version: number = PROTOCOL_VERSION, nonce = this.nonce): Uint8Array {
    const magic = new TextEncoder().encode(MAGIC);
    const payload = new PayloadWriter().bytes(magic).bytes(nonce).u32(version).u32(this.maxStreams).finish();
    return encodeFrame(FromAgent.HELLO, 0, payload);
  }

  answer(): void {
    this.client.received(this.answerBytes());
  }

  reply(type: number, stream: number, payload: Uint8Array | string = ''): void {
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
    this.client.received(encodeFrame(type, stream, bytes));
  }

  /** EXIT and the ends of both ways out, or of one. */
  finish(stream: number, how: number = How.ENDED, value = 0, hasErrors = true): void {
    this.reply(FromAgent.EXIT, stream, new PayloadWriter().u8(how).u32(value).finish());
    this.reply(FromAgent.OUTPUT, stream);
    if (hasErrors) this.reply(FromAgent.ERRORS, stream);
  }

  /** The frames of a type, in order. */
  sent(type: number): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  #newReader(): FrameReader {
    return new FrameReader((type, stream, payload) => {
      if (type === ToAgent.HELLO) this.nonce = payload.slice(MAGIC.length, MAGIC.length + NONCE_BYTES);
      else this.frames.push({ type, stream, payload: payload.slice() });
    });
  }
}

/** A header for a frame of this length, which need not be one there can be. */
export function header(length: number, type: number, stream: number): Uint8Array {
  const bytes = new PayloadWriter().u32(length).u8(type).u32(stream).finish();
  return bytes.slice(0, HEADER_BYTES);
}
