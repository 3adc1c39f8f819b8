/** What a virtio-9p device asks of whoever has the files. */

export interface FileServer {
  /** One 9P message in, one out; resolves always, for errors are messages, too. */
  request(message: Uint8Array): Promise<Uint8Array>;
  /** The guest knows of no file any more. */
  reset(): void;
  save(): Uint8Array;
  restore(saved: Uint8Array): void;
}
