/**
 * Calls between two threads, by messages. Each side serves some functions and calls those of the other; both are interfaces
 * of plain functions, so that the compiler checks names, arguments and results.
 *
 *     [CALL, number, name, arguments]   ->    [RESULT, number, value]  or  [FAILED, number, error]
 *     [TELL, name, arguments]                 nobody waits for it
 */

import type { MessageEnd } from '../../base/message-end.ts';
import { type PackedError, packError, unpackError } from '../errors.ts';

const CALL = 0;
const RESULT = 1;
const FAILED = 2;
const TELL = 3;

type Message =
  | readonly [typeof CALL, number, string, readonly unknown[]]
  | readonly [typeof RESULT, number, unknown]
  | readonly [typeof FAILED, number, PackedError]
  | readonly [typeof TELL, string, readonly unknown[]];

/** Of functions, whatever they take. */
type Serves<Ours> = { readonly [Name in keyof Ours]: (...args: never[]) => unknown };

/** What the functions of `Ours` are served by: they may take their time, and may give their bytes away. */
export type Handlers<Ours extends Serves<Ours>> = {
  readonly [Name in keyof Ours]: (...args: Parameters<Ours[Name]>) => Answer<ReturnType<Ours[Name]>>;
};
type Answer<T> = T | Given<T> | Promise<T | Given<T>>;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** A result, and the buffers in it that need not be copied. */
export class Given<T> {
  readonly value: T;
  readonly transfer: readonly ArrayBuffer[];

  constructor(value: T, transfer: readonly ArrayBuffer[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

/** These bytes, so that their buffer can be given away: all of a buffer of their own. */
export function givable(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  return isWhole ? new Uint8Array(buffer) : Uint8Array.from(bytes);
}

/** A result of bytes that nobody here needs any more. */
export function given(bytes: Uint8Array): Given<Uint8Array<ArrayBuffer>> {
  const own = givable(bytes);
  return new Given(own, [own.buffer]);
}

export class Rpc<Theirs extends Serves<Theirs>, Ours extends Serves<Ours>> {
  readonly #end: MessageEnd;
  readonly #handlers: Handlers<Ours>;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed: Error | undefined;

  constructor(end: MessageEnd, handlers: Handlers<Ours>) {
    this.#end = end;
    this.#handlers = handlers;
    end.listen((message) => this.#received(message));
  }

  /** Rejects with what the function there throws, or with the error of `close`. */
  call<Name extends keyof Theirs & string>(
    name: Name,
    args: Parameters<Theirs[Name]>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const number = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
      try {
        this.#end.post([CALL, number, name, args], transfer);
      } catch (error) {
        // Something in it cannot be cloned.
        this.#waiting.delete(number);
        reject(error);
      }
    });
  }

  /** Nothing comes back, not even an error. */
  tell<Name extends keyof Theirs & string>(
    name: Name,
    args: Parameters<Theirs[Name]>,
    transfer: readonly ArrayBuffer[] = [],
  ): void {
    if (this.#closed === undefined) this.#end.post([TELL, name, args], transfer);
  }

  /** Nothing is sent or received any more; who waits is told `error`. */
  close(error: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #received(received: unknown): void {
    if (this.#closed !== undefined) return;
    const message = received as Message;
    switch (message[0]) {
      case CALL:
        void this.#serve(message[1], message[2], message[3]);
        break;
      case TELL:
        void this.#hear(message[1], message[2]);
        break;
      case RESULT:
        this.#take(message[1])?.resolve(message[2]);
        break;
      case FAILED:
        this.#take(message[1])?.reject(unpackError(message[2]));
        break;
    }
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    return waiting;
  }

  #invoke(name: string, args: readonly unknown[]): unknown {
    return this.#handlers[name as keyof Ours](...(args as Parameters<Ours[keyof Ours]>));
  }

  async #hear(name: string, args: readonly unknown[]): Promise<void> {
    try {
      await this.#invoke(name, args);
    } catch {
      // Who tells has not asked.
    }
  }

  async #serve(number: number, name: string, args: readonly unknown[]): Promise<void> {
    let answer: unknown;
    try {
      answer = await this.#invoke(name, args);
    } catch (error) {
      this.#answer([FAILED, number, packError(error)], []);
      return;
    }
    if (answer instanceof Given) this.#answer([RESULT, number, answer.value], answer.transfer);
    else this.#answer([RESULT, number, answer], []);
  }

  #answer(message: Message, transfer: readonly ArrayBuffer[]): void {
    if (this.#closed === undefined) this.#end.post(message, transfer);
  }
}
