/**
 * Between a virtio-9p device and a file server of the host: answers come by the queue of the disks, with its order and its
 * virtual times, so that a deterministic guest sees the same whatever the host takes.
 */

import type { FilePort, FileServer } from '../base/file-server.ts';
import type { BlockQueue } from './block-queue.ts';

export class QueuedFilePort implements FilePort {
  readonly #server: FileServer;
  readonly #queue: BlockQueue;

  constructor(server: FileServer, queue: BlockQueue) {
    this.#server = server;
    this.#queue = queue;
  }

  request(message: Uint8Array, roomBytes: number, done: (answer: Uint8Array) => void): void {
    let answer = new Uint8Array(0);
    const finished = this.#server.request(message, roomBytes).then(
      (bytes) => {
        answer = bytes.length <= roomBytes ? (bytes as Uint8Array<ArrayBuffer>) : answer;
        return undefined;
      },
      // A server of an embedder's own that breaks its word.
      () => undefined,
    );
    this.#queue.submit(this, message.length + roomBytes, finished, () => done(answer));
  }

  reset(): void {
    this.abandon();
    this.#server.reset();
  }

  abandon(): void {
    this.#queue.abandon(this);
  }

  save(): Uint8Array {
    return this.#server.save();
  }

  restore(saved: Uint8Array): void {
    this.#server.restore(saved);
  }
}
