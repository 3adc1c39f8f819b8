/**
 * Regions made by another thread, so that the one that runs the guest does not wait for it. What is on it begins with
 * `serveRegions`; how it is started is the platform's business.
 */

import type { MessageEnd, WorkerEnd } from '../../base/message-end.ts';
import { type MadeRegions, type MakerOptions, RegionMaker } from './region-maker.ts';
import type { PackedRegion } from './region-request.ts';

/** Where regions are made. */
export interface MakesRegions {
  region(request: PackedRegion): void;
  /** Ends a module: with all regions asked for since the last one. */
  finish(done: (made: MadeRegions) => void): void;
  /** Nothing is to be made any more. */
  close(): void;
}

type ToThread =
  | { readonly kind: 'begin'; readonly options: MakerOptions }
  | { readonly kind: 'region'; readonly request: PackedRegion }
  | { readonly kind: 'finish' };

/** At once, on this thread. */
export class MakesHere implements MakesRegions {
  readonly #maker: RegionMaker;

  constructor(options: MakerOptions) {
    this.#maker = new RegionMaker(options);
  }

  region(request: PackedRegion): void {
    this.#maker.region(request);
  }

  finish(done: (made: MadeRegions) => void): void {
    done(this.#maker.finish());
  }

  close(): void {}
}

/** On the thread given. */
export class MakesAside implements MakesRegions {
  readonly #thread: WorkerEnd;
  /** Who waits for modules, in order. */
  readonly #waiting: ((made: MadeRegions) => void)[] = [];

  /** `failed`: what has been asked for will not come. */
  constructor(thread: WorkerEnd, options: MakerOptions, failed: () => void) {
    this.#thread = thread;
    thread.listen((message) => this.#waiting.shift()?.(message as MadeRegions));
    thread.failed(failed);
    this.#post({ kind: 'begin', options });
  }

  #post(message: ToThread, transfer: ArrayBuffer[] = []): void {
    this.#thread.post(message, transfer);
  }

  region(request: PackedRegion): void {
    this.#post({ kind: 'region', request }, [request.words.buffer, request.code.buffer]);
  }

  finish(done: (made: MadeRegions) => void): void {
    this.#waiting.push(done);
    this.#post({ kind: 'finish' });
  }

  close(): void {
    void this.#thread.terminate();
  }
}

/** Makes, on a thread of its own, what is asked for through the channel. */
export function serveRegions(end: MessageEnd): void {
  let maker: RegionMaker | undefined;
  end.listen((message) => {
    const asked = message as ToThread;
    if (asked.kind === 'begin') maker = new RegionMaker(asked.options);
    else if (asked.kind === 'region') maker?.region(asked.request);
    else if (maker !== undefined) {
      const made = maker.finish();
      end.post(made, [made.bytes.buffer]);
    }
  });
}
