/**
 * A server of 9P2000.L over a tree of files: what Linux mounts with `-t 9p -o version=9p2000.L`.
 *
 * Requests are served one after the other, whatever the tree takes for each; so nothing happens between the parts of one,
 * and FLUSH finds what it would flush answered. Fids, open files, listings and the size of messages have bounds.
 *
 * Not there: authentication (whoever has the device has the files), extended attributes, device nodes, and locks that
 * others than the guest's own processes would see. Names are UTF-8.
 */

import type { FileServer } from '../../base/file-server.ts';
import { errorNumber, FileError } from '../errors.ts';
import type { FileTree } from '../file-tree.ts';
import { Fids } from './fids.ts';
import { HANDLERS, type Session } from './handlers.ts';
import { Listings } from './listings.ts';
import * as p9 from './protocol.ts';
import { readSaved, writeSaved } from './saved.ts';
import { MessageReader, MessageWriter } from './wire.ts';

/** Of a message, as far as we are asked. Linux comes to 512,000 over virtio. */
export const LARGEST_MESSAGE_BYTES = 1 << 20;
const SMALLEST_MESSAGE_BYTES = 512;
/** Where there is no room for that, a request is not even served. */
const REFUSAL_BYTES = p9.HEADER_BYTES + 4;

export class Server9p implements FileServer {
  readonly #tree: FileTree;
  #session: Session;
  /** Counts resets: who asked before one is not there any more. */
  #generation = 0;
  /** Undefined before VERSION. */
  #messageBytes: number | undefined;
  /** The last request is over. Never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(tree: FileTree) {
    this.#tree = tree;
    this.#session = this.#newSession();
  }

  #newSession(): Session {
    const tree = this.#tree;
    return { tree, fids: new Fids(tree), listings: new Listings() };
  }

  request(message: Uint8Array, roomBytes: number): Promise<Uint8Array> {
    const generation = this.#generation;
    const isCurrent = (): boolean => this.#generation === generation;
    const answer = this.#last.then(() => (isCurrent() ? this.#serve(message, roomBytes) : new Uint8Array(0)));
    this.#last = answer;
    return answer;
  }

  reset(): void {
    const { fids } = this.#session;
    this.#generation++;
    this.#session = this.#newSession();
    this.#messageBytes = undefined;
    // What is under way may have one of them in use.
    this.#last = this.#last.then(() => fids.removeAll());
  }

  /** Closes what the guest has open; the tree is the caller's to close. */
  async close(): Promise<void> {
    this.reset();
    await this.#last;
  }

  async #serve(message: Uint8Array, roomBytes: number): Promise<Uint8Array> {
    if (roomBytes < REFUSAL_BYTES) return new Uint8Array(0);
    if (message.length < p9.HEADER_BYTES) return refusal(new FileError('EPROTO'), p9.NO_TAG);
    const from = new MessageReader(message);
    const { type, tag } = from;
    const to = new MessageWriter(Math.min(roomBytes, this.#messageBytes ?? SMALLEST_MESSAGE_BYTES));
    try {
      if (type === p9.VERSION_MESSAGE) {
        await this.#agree(from, to);
      } else {
        const handler = HANDLERS[type];
        if (handler === undefined) throw new FileError('EOPNOTSUPP');
        if (this.#messageBytes === undefined || message.length > this.#messageBytes) throw new FileError('EPROTO');
        await handler(this.#session, from, to);
      }
      return to.finish(type + 1, tag);
    } catch (error) {
      return refusal(error, tag);
    }
  }

  /** A session begins: all fids of the one before are gone. */
  async #agree(from: MessageReader, to: MessageWriter): Promise<void> {
    const messageBytes = Math.min(from.u32(), LARGEST_MESSAGE_BYTES);
    const version = from.text();
    if (messageBytes < SMALLEST_MESSAGE_BYTES) throw new FileError('EMSGSIZE');
    const generation = this.#generation;
    await this.#session.fids.removeAll();
    if (this.#generation !== generation) return;
    this.#session = this.#newSession();
    this.#messageBytes = undefined;
    to.u32(messageBytes);
    if (version === p9.VERSION) {
      this.#messageBytes = messageBytes;
      to.text(p9.VERSION);
    } else {
      to.text('unknown');
    }
  }

  save(): Uint8Array {
    return writeSaved(this.#messageBytes, this.#session.fids);
  }

  restore(saved: Uint8Array): void {
    const session = this.#newSession();
    const messageBytes = readSaved(saved, session.fids, LARGEST_MESSAGE_BYTES);
    this.reset();
    this.#session = session;
    this.#messageBytes = messageBytes;
  }
}

function refusal(error: unknown, tag: number): Uint8Array {
  const to = new MessageWriter(REFUSAL_BYTES);
  to.u32(errorNumber(error));
  return to.finish(p9.ERROR, tag);
}
