/** For tests: says 9P to a server, message by message. */

import type { FileServer } from '../../base/file-server.ts';
import * as p9 from './protocol.ts';

type Field = readonly ['u8' | 'u16' | 'u32' | 'u64', number | bigint] | string | Uint8Array;

export const u8 = (value: number): Field => ['u8', value];
export const u16 = (value: number): Field => ['u16', value];
export const u32 = (value: number): Field => ['u32', value];
export const u64 = (value: number | bigint): Field => ['u64', value];

const ROOM_BYTES = 1 << 20;

export function message(type: number, tag: number, ...fields: readonly Field[]): Uint8Array {
  const bytes: number[] = [0, 0, 0, 0, type, tag & 0xff, tag >> 8];
  const put = (value: bigint, size: number): void => {
    for (let i = 0; i < size; i++) bytes.push(Number((value >> BigInt(8 * i)) & 0xffn));
  };
  for (const field of fields) {
    if (typeof field === 'string') {
      const text = new TextEncoder().encode(field);
      put(BigInt(text.length), 2);
      bytes.push(...text);
    } else if (field instanceof Uint8Array) {
      for (const byte of field) bytes.push(byte);
    } else {
      put(BigInt(field[1]), Number(field[0].slice(1)) / 8);
    }
  }
  const done = Uint8Array.from(bytes);
  new DataView(done.buffer).setUint32(0, done.length, true);
  return done;
}

/** An answer's fields, one after the other; `error` is the number of a refusal. */
export class Answer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = p9.HEADER_BYTES;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get type(): number {
    return this.#view.getUint8(4);
  }

  get error(): number | undefined {
    return this.type === p9.ERROR ? this.#view.getUint32(p9.HEADER_BYTES, true) : undefined;
  }

  get isOver(): boolean {
    return this.#at >= this.bytes.length;
  }

  #take(size: number): number {
    this.#at += size;
    return this.#at - size;
  }

  u8 = (): number => this.#view.getUint8(this.#take(1));
  u16 = (): number => this.#view.getUint16(this.#take(2), true);
  u32 = (): number => this.#view.getUint32(this.#take(4), true);
  u64 = (): bigint => this.#view.getBigUint64(this.#take(8), true);
  data = (length: number): Uint8Array => {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  };
  text = (): string => new TextDecoder().decode(this.data(this.u16()));
  qid = (): { type: number; version: number; path: bigint } => ({
    type: this.u8(),
    version: this.u32(),
    path: this.u64(),
  });
}

export class Client {
  readonly #server: FileServer;

  constructor(server: FileServer) {
    this.#server = server;
  }

  /** A session with fid 0 at the root. */
  static async attached(server: FileServer, messageBytes = 65536): Promise<Client> {
    const client = new Client(server);
    await client.ask(p9.VERSION_MESSAGE, u32(messageBytes), p9.VERSION);
    await client.ask(p9.ATTACH, u32(0), u32(p9.NO_FID), 'root', '', u32(0));
    return client;
  }

  async ask(type: number, ...fields: readonly Field[]): Promise<Answer> {
    return new Answer(await this.#server.request(message(type, 1, ...fields), ROOM_BYTES));
  }

  walk(fid: number, newFid: number, ...names: readonly string[]): Promise<Answer> {
    return this.ask(p9.WALK, u32(fid), u32(newFid), u16(names.length), ...names);
  }

  open(fid: number, flags = 0): Promise<Answer> {
    return this.ask(p9.LOPEN, u32(fid), u32(flags));
  }

  create(fid: number, name: string, flags = p9.OPEN_READ_WRITE, mode = 0o644): Promise<Answer> {
    return this.ask(p9.LCREATE, u32(fid), name, u32(flags), u32(mode), u32(0));
  }

  mkdir(fid: number, name: string, mode = 0o755): Promise<Answer> {
    return this.ask(p9.MKDIR, u32(fid), name, u32(mode), u32(0));
  }

  symlink(fid: number, name: string, target: string): Promise<Answer> {
    return this.ask(p9.SYMLINK, u32(fid), name, target, u32(0));
  }

  write(fid: number, offset: number | bigint, data: Uint8Array | string): Promise<Answer> {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    return this.ask(p9.WRITE, u32(fid), u64(offset), u32(bytes.length), bytes);
  }

  async read(fid: number, offset: number | bigint, count: number): Promise<string | number> {
    const answer = await this.ask(p9.READ, u32(fid), u64(offset), u32(count));
    return answer.error ?? new TextDecoder().decode(answer.data(answer.u32()));
  }

  clunk(fid: number): Promise<Answer> {
    return this.ask(p9.CLUNK, u32(fid));
  }

  unlink(fid: number, name: string, flags = 0): Promise<Answer> {
    return this.ask(p9.UNLINKAT, u32(fid), name, u32(flags));
  }

  rename(from: number, name: string, to: number, newName: string): Promise<Answer> {
    return this.ask(p9.RENAMEAT, u32(from), name, u32(to), newName);
  }

  async attributes(
    fid: number,
  ): Promise<number | { mode: number; size: number; links: number; uid: number; path: bigint }> {
    const answer = await this.ask(p9.GETATTR, u32(fid), u64(p9.ATTRIBUTES_BASIC));
    if (answer.error !== undefined) return answer.error;
    answer.u64();
    const { path } = answer.qid();
    const mode = answer.u32();
    const uid = answer.u32();
    answer.u32();
    const links = Number(answer.u64());
    answer.u64();
    return { mode, uid, links, path, size: Number(answer.u64()) };
  }

  /** Names from a place on, and the place behind the last of them. */
  async names(fid: number, offset: bigint, count: number): Promise<{ names: string[]; next: bigint }> {
    const answer = await this.ask(p9.READDIR, u32(fid), u64(offset), u32(count));
    if (answer.error !== undefined) throw new Error(`error ${answer.error}`);
    const names: string[] = [];
    let next = offset;
    answer.u32();
    while (!answer.isOver) {
      answer.qid();
      next = answer.u64();
      answer.u8();
      names.push(answer.text());
    }
    return { names, next };
  }
}
