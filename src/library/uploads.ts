/**
 * Large bytes on their way to the machine's side: a message copies what is in it while the sender waits, so they go in
 * pieces, with turns of the event loop in between.
 */

/** What is copied in a millisecond or so. */
const PIECE_BYTES = 2 ** 20;

/** Bytes that have been sent ahead, by number. */
export interface Uploaded {
  readonly upload: number;
}

export type Upload = (number: number, sizeBytes: number, offset: number, piece: Uint8Array) => void;

/** The caller's side. */
export class Uploads {
  readonly #waiting: { readonly number: number; readonly bytes: Uint8Array }[] = [];
  #last = 0;

  /** The same bytes if they are few, else where they will be. */
  pack(bytes: Uint8Array): Uint8Array | Uploaded {
    if (bytes.length <= PIECE_BYTES) return bytes;
    const number = ++this.#last;
    this.#waiting.push({ number, bytes });
    return { upload: number };
  }

  /** What was packed is on its way when this resolves, before any message that is sent later. */
  async send(upload: Upload): Promise<void> {
    for (const { number, bytes } of this.#waiting.splice(0)) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        upload(number, bytes.length, at, bytes.slice(at, at + PIECE_BYTES));
        await turn();
      }
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}

/** The machine's side. */
export class Arrivals {
  readonly #arrived = new Map<number, Uint8Array>();

  add(number: number, sizeBytes: number, offset: number, piece: Uint8Array): void {
    let bytes = this.#arrived.get(number);
    if (bytes === undefined) {
      bytes = new Uint8Array(sizeBytes);
      this.#arrived.set(number, bytes);
    }
    bytes.set(piece, offset);
  }

  /** They are kept no longer. */
  take({ upload }: Uploaded): Uint8Array {
    const bytes = this.#arrived.get(upload) ?? new Uint8Array(0);
    this.#arrived.delete(upload);
    return bytes;
  }
}
