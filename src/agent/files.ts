/** The guest's files, by way of its agent. Paths are the guest's; relative ones start from the agent's directory. */

import type { AgentConnection, Request } from './connection.ts';
import { AgentProtocolError, GuestError } from './errors.ts';
import {
  type GuestDirectoryEntry,
  type GuestFileInfo,
  MkdirFlag,
  PayloadWriter,
  RECORD_BYTES,
  RemoveFlag,
  readRecord,
  StatFlag,
  ToAgent,
  UNCHANGED_ID,
  WriteFlag,
} from './protocol.ts';
import { bounded, requireText, type Waiting } from './waiting.ts';

export interface ReadOptions extends Waiting {
  readonly offset?: number;
  /** At most; to the end if not given. */
  readonly length?: number;
}

export interface WriteOptions extends Waiting {
  /** Permissions of a file that is made; 0o644 if not given. */
  readonly mode?: number;
  /** `replace`: the file has these bytes and no others; `append`; `create`: it must not be there yet; `update`: written over from `offset`. */
  readonly how?: 'replace' | 'append' | 'create' | 'update';
  readonly offset?: number;
}

const END = 0xffff_ffff_ffff_ffffn;

const WRITE_FLAGS = {
  replace: WriteFlag.CREATE | WriteFlag.TRUNCATE,
  append: WriteFlag.CREATE | WriteFlag.APPEND,
  create: WriteFlag.CREATE | WriteFlag.EXCLUSIVE,
  update: WriteFlag.CREATE,
};

export class GuestFiles {
  readonly #connection: AgentConnection;
  readonly #window: number;

  constructor(connection: AgentConnection, window: number) {
    this.#connection = connection;
    this.#window = window;
  }

  async read(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.#collect(this.#startReading(path, options), options, `Reading ${path}`);
  }

  /** The file as it is read; the stream fails if reading does. */
  readStream(path: string, options: ReadOptions = {}): ReadableStream<Uint8Array> {
    const request = this.#startReading(path, options);
    bounded(request.exit, options, `Reading ${path}`, (why) => request.cancel(why)).catch((why) =>
      request.output.fail(why),
    );
    return request.output.stream;
  }

  async write(
    path: string,
    data: Uint8Array | ReadableStream<Uint8Array>,
    { how = 'replace', mode = 0o644, offset = 0, ...waiting }: WriteOptions = {},
  ): Promise<void> {
    const payload = new PayloadWriter().u32(WRITE_FLAGS[how]).u32(mode).u64(BigInt(offset)).string(requireText(path));
    const request = this.#request(ToAgent.WRITE, payload, `Cannot write ${path} in the guest`, path);
    request.output.discard();
    const written = writeAll(request, data).catch(async (reason) => {
      // The end of the request says why nobody takes the bytes; whatever else went wrong is the data's own failure.
      if (!(reason instanceof GuestError)) request.cancel(reason);
      await request.exit;
      throw reason;
    });
    const both = Promise.all([written, request.exit]);
    await bounded(both, waiting, `Writing ${path}`, (why) => request.cancel(why));
  }

  async list(path: string, waiting: Waiting = {}): Promise<GuestDirectoryEntry[]> {
    const request = this.#request(ToAgent.LIST, text(path), `Cannot list ${path} in the guest`, path);
    const bytes = await this.#collect(request, waiting, `Listing ${path}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const entries: GuestDirectoryEntry[] = [];
    const decoder = new TextDecoder();
    for (let at = 0; at < bytes.length; ) {
      const nul = bytes.indexOf(0, at + RECORD_BYTES);
      if (at + RECORD_BYTES > bytes.length || nul < 0) throw new AgentProtocolError('a list ends within an entry');
      entries.push({ name: decoder.decode(bytes.subarray(at + RECORD_BYTES, nul)), ...readRecord(view, at) });
      at = nul + 1;
    }
    return entries;
  }

  /** Of what a symbolic link leads to. */
  stat(path: string, waiting?: Waiting): Promise<GuestFileInfo> {
    return this.#stat(path, StatFlag.FOLLOW, waiting);
  }

  /** Of the symbolic link itself. */
  lstat(path: string, waiting?: Waiting): Promise<GuestFileInfo> {
    return this.#stat(path, 0, waiting);
  }

  mkdir(path: string, options: Waiting & { readonly recursive?: boolean; readonly mode?: number } = {}): Promise<void> {
    const payload = new PayloadWriter().u32(options.recursive ? MkdirFlag.PARENTS : 0).u32(options.mode ?? 0o755);
    return this.#simple(ToAgent.MKDIR, payload.string(requireText(path)), 'make', path, options);
  }

  /** A file, an empty directory, or with `recursive` whatever is there. */
  remove(path: string, options: Waiting & { readonly recursive?: boolean } = {}): Promise<void> {
    const payload = new PayloadWriter().u32(options.recursive ? RemoveFlag.RECURSIVE : 0).string(requireText(path));
    return this.#simple(ToAgent.REMOVE, payload, 'remove', path, options);
  }

  rename(path: string, newPath: string, waiting?: Waiting): Promise<void> {
    return this.#simple(ToAgent.RENAME, text(path, newPath), 'rename', path, waiting);
  }

  chmod(path: string, mode: number, waiting?: Waiting): Promise<void> {
    const payload = new PayloadWriter().u32(mode).string(requireText(path));
    return this.#simple(ToAgent.CHMOD, payload, 'change the permissions of', path, waiting);
  }

  chown(path: string, owner: { readonly uid?: number; readonly gid?: number }, waiting?: Waiting): Promise<void> {
    const payload = new PayloadWriter().u32(owner.uid ?? UNCHANGED_ID).u32(owner.gid ?? UNCHANGED_ID);
    return this.#simple(ToAgent.CHOWN, payload.string(requireText(path)), 'change the owner of', path, waiting);
  }

  /** Makes a symbolic link at `path`. */
  symlink(target: string, path: string, waiting?: Waiting): Promise<void> {
    return this.#simple(ToAgent.SYMLINK, text(target, path), 'make the link', path, waiting);
  }

  async readlink(path: string, waiting: Waiting = {}): Promise<string> {
    const request = this.#request(ToAgent.READLINK, text(path), `Cannot read the link ${path} in the guest`, path);
    return new TextDecoder().decode(await this.#collect(request, waiting, `Reading the link ${path}`));
  }

  #startReading(path: string, { offset = 0, length }: ReadOptions): Request {
    const most = length === undefined ? END : BigInt(length);
    const payload = new PayloadWriter().u64(BigInt(offset)).u64(most).string(requireText(path));
    return this.#request(ToAgent.READ, payload, `Cannot read ${path} in the guest`, path);
  }

  async #stat(path: string, flags: number, waiting: Waiting = {}): Promise<GuestFileInfo> {
    const payload = new PayloadWriter().u32(flags).string(requireText(path));
    const request = this.#request(ToAgent.STAT, payload, `Cannot look at ${path} in the guest`, path);
    const bytes = await this.#collect(request, waiting, `Looking at ${path}`);
    if (bytes.length !== RECORD_BYTES) throw new AgentProtocolError('STAT is not of its length');
    return readRecord(new DataView(bytes.buffer, bytes.byteOffset), 0);
  }

  #request(type: number, payload: PayloadWriter, what: string, path: string): Request {
    const options = { type, payload: payload.finish(), window: this.#window, hasErrors: false, what, path };
    return this.#connection.request(options);
  }

  async #simple(type: number, payload: PayloadWriter, verb: string, path: string, waiting: Waiting = {}) {
    const what = `Cannot ${verb} ${path} in the guest`;
    const request = this.#request(type, payload, what, path);
    request.output.discard();
    await bounded(request.exit, waiting, what, (why) => request.cancel(why));
  }

  /** All output of a request that succeeds. */
  async #collect(request: Request, waiting: Waiting, what: string): Promise<Uint8Array> {
    const all = Promise.all([request.exit, readAll(request.output.stream)]);
    const [, bytes] = await bounded(all, waiting, what, (why) => request.cancel(why));
    return bytes;
  }
}

function text(...strings: string[]): PayloadWriter {
  const payload = new PayloadWriter();
  for (const string of strings) payload.string(requireText(string));
  return payload;
}

async function writeAll(request: Request, data: Uint8Array | ReadableStream<Uint8Array>): Promise<void> {
  if (!(data instanceof Uint8Array)) return data.pipeTo(request.input.stream);
  const writer = request.input.stream.getWriter();
  await writer.write(data);
  await writer.close();
}

/** Everything a stream has, as one. */
export async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.length;
  }
  if (chunks.length === 1) return chunks[0]!;
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
