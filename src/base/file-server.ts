/**
 * Files offered to a guest: whole messages of a file protocol in, answers out. What is in the messages is the server's
 * affair (src/files/9p); the device only carries them.
 *
 *     virtio-9p  <->  FilePort  <->  vmm/file-port.ts  <->  FileServer
 */

/** The host's end. */
export interface FileServer {
  /**
   * Answers one message; the answer is a fresh array of at most `roomBytes`, empty when not even a refusal fits. Never
   * rejects: what goes wrong is in the answer. The message is the server's. Messages are served in the order of the calls.
   */
  request(message: Uint8Array, roomBytes: number): Promise<Uint8Array>;
  /** The guest starts again: what it had open is closed. Requests under way may or may not happen. */
  reset(): void;
  /** What the guest has open. Taken while no request is under way, if such a moment comes. */
  save(): Uint8Array;
  /** Throws StateError, and changes nothing, when `saved` is not of this kind of server. Files are opened again as asked for. */
  restore(saved: Uint8Array): void;
}

/** What a device sees: answers by callback, at virtual times that the vmm decides, never within the call that asked. */
export interface FilePort {
  /** The message is the port's; the answer is the receiver's. */
  request(message: Uint8Array, roomBytes: number, done: (answer: Uint8Array) => void): void;
  /** None of the requests under way calls back any more, and the server starts anew. */
  reset(): void;
  /** None of the requests under way calls back any more; they may or may not happen. */
  abandon(): void;
  save(): Uint8Array;
  restore(saved: Uint8Array): void;
}
