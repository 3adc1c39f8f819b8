/** A disk of the caller's: each request is a call to where it is. */

import type { BlockBackend } from '../../base/block.ts';
import type { RemoteDisk as Described } from '../machine-calls.ts';
import type { ToCaller } from './to-caller.ts';

export class RemoteDisk implements BlockBackend {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly name?: string;
  readonly version?: () => Promise<string>;
  readonly #remote: number;
  readonly #caller: ToCaller;

  constructor({ remote, sizeBytes, readOnly, name, hasVersion }: Described, caller: ToCaller) {
    this.#remote = remote;
    this.#caller = caller;
    this.sizeBytes = sizeBytes;
    this.readOnly = readOnly;
    if (name !== undefined) this.name = name;
    if (hasVersion) this.version = () => caller.call('diskVersion', [remote]);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const bytes = await this.#caller.call('diskRead', [this.#remote, offset, into.length]);
    into.set(bytes);
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    const bytes = Uint8Array.from(from);
    await this.#caller.call('diskWrite', [this.#remote, offset, bytes], [bytes.buffer]);
  }

  flush(): Promise<void> {
    return this.#caller.call('diskFlush', [this.#remote]);
  }

  close(): Promise<void> {
    return this.#caller.call('diskClose', [this.#remote]);
  }
}
