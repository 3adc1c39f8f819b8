/**
 * Large bytes on their way to the machine's side. A message copies what is in it while the sender waits, so they are copied
 * before, in pieces with turns of the event loop in between, and the copy is given away.
 */

/** What is copied in a millisecond or so. */
const PIECE_BYTES = 2 ** 20;

/** Bytes that have been sent ahead, by number. */
export interface Uploaded {
  readonly upload: number;
}

/** `bytes` are the receiver's. */
export type Upload = (number: number, bytes: Uint8Array<ArrayBuffer>) => void;

/** The caller's side. */
export class Uploads {
  readonly #waiting: { readonly number: number; bytes(): Promise<Uint8Array<ArrayBuffer>> }[] = [];
  #last = 0;

  /** The same bytes if they are few, else where they will be. */
  pack(bytes: Uint8Array): Uint8Array | Uploaded {
    if (bytes.length <= PIECE_BYTES) return bytes;
    return this.#add(() => copied(bytes));
  }

  /** Bytes that nobody else wants; none if they are not to be had. */
  give(bytes: Promise<Uint8Array<ArrayBuffer>>): Uploaded {
    const own = bytes.catch(() => new Uint8Array(0));
    return this.#add(() => own);
  }

  #add(bytes: () => Promise<Uint8Array<ArrayBuffer>>): Uploaded {
    const number = ++this.#last;
    this.#waiting.push({ number, bytes });
    return { upload: number };
  }

  /** What was packed is on its way when this resolves, before any message that is sent later. */
  async send(upload: Upload): Promise<void> {
    for (const { number, bytes } of this.#waiting.splice(0)) upload(number, await bytes());
  }
}

async function copied(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const copy = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    copy.set(bytes.subarray(at, at + PIECE_BYTES), at);
    await turn();
  }
  return copy;
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

  add(number: number, bytes: Uint8Array): void {
    this.#arrived.set(number, bytes);
  }

  /** They are kept no longer. */
  take({ upload }: Uploaded): Uint8Array {
    const bytes = this.#arrived.get(upload) ?? new Uint8Array(0);
    this.#arrived.delete(upload);
    return bytes;
  }
}
