/**
 * One file on its way to a TFTP client (RFC 1350; options RFC 2348 "blksize", RFC 2349 "timeout" and "tsize", RFC 7440
 * "windowsize").
 *
 *     [OACK ->]   <- ACK 0   DATA 1 ... DATA w ->   <- ACK w   ...   DATA n, a short block ->   <- ACK n
 *
 * Block numbers go on from 65535 to 0. What is not acknowledged in time is sent again, so many times; the second of two
 * equal acknowledgments is ignored, or every packet would be sent twice from then on (RFC 1123 §4.2.3.1).
 */

import { NS_PER_SECOND } from '../base/clock.ts';
import type { Deadline, Deadlines } from './deadlines.ts';
import { TFTP_ERROR, tftpData, tftpError, tftpOptions } from './tftp-messages.ts';

/** A file to be read. */
export interface TftpFile {
  readonly sizeBytes: number;
  /** How many bytes there were; 0 at the end. May reject. */
  read(offset: number, into: Uint8Array): Promise<number>;
  close(): void;
}

const DEFAULT_BLOCK_BYTES = 512;
const SMALLEST_BLOCK_BYTES = 8;
/** What a frame has room for. */
const LARGEST_BLOCK_BYTES = 1468;
const LARGEST_BLOCK_ASKED_BYTES = 65_464;
const LARGEST_WINDOW = 64;
const LARGEST_WINDOW_ASKED = 65_535;
const DEFAULT_TIMEOUT_SECONDS = 1;
const LONGEST_TIMEOUT_SECONDS = 255;
const TRIES = 6;
/** What is read of the file at once: some windows of blocks. */
const CHUNK_BYTES = 256 * 1024;
const BLOCK_NUMBERS = 0x1_0000;

export interface TftpTransferHost {
  readonly deadlines: Deadlines;
  send(packet: Uint8Array): void;
  /** It is over, one way or the other. */
  ended(): void;
}

export class TftpTransfer {
  readonly #host: TftpTransferHost;
  readonly #file: TftpFile;
  readonly #timer: Deadline;
  readonly #accepted = new Map<string, string>();
  #blockBytes = DEFAULT_BLOCK_BYTES;
  #window = 1;
  #timeoutSeconds = DEFAULT_TIMEOUT_SECONDS;
  #triesLeft = TRIES;
  /** Blocks that the client has, counted from the file's start; -1 while it has not taken the options. */
  #acknowledged: number;
  /** Blocks that were sent. */
  #sent = 0;
  /** Of the file, from `offset` on. */
  #chunk = { offset: 0, bytes: new Uint8Array(0) };
  #isReading = false;
  #isOver = false;

  constructor(file: TftpFile, options: ReadonlyMap<string, string>, host: TftpTransferHost) {
    this.#file = file;
    this.#host = host;
    this.#timer = host.deadlines.add(() => this.#timedOut());
    this.#negotiate(options);
    this.#acknowledged = this.#accepted.size > 0 ? -1 : 0;
  }

  /** The file is being read: the client waits for the host, not for the time to pass. */
  get isReading(): boolean {
    return this.#isReading;
  }

  #negotiate(options: ReadonlyMap<string, string>): void {
    const number = (name: string, least: number, most: number): number | undefined => {
      const text = options.get(name) ?? '';
      const value = /^\d{1,5}$/.test(text) ? Number(text) : -1;
      return value >= least && value <= most ? value : undefined;
    };
    const blockBytes = number('blksize', SMALLEST_BLOCK_BYTES, LARGEST_BLOCK_ASKED_BYTES);
    if (blockBytes !== undefined) {
      this.#blockBytes = Math.min(blockBytes, LARGEST_BLOCK_BYTES);
      this.#accepted.set('blksize', String(this.#blockBytes));
    }
    const timeout = number('timeout', 1, LONGEST_TIMEOUT_SECONDS);
    if (timeout !== undefined) {
      this.#timeoutSeconds = timeout;
      this.#accepted.set('timeout', String(timeout));
    }
    if (options.has('tsize')) this.#accepted.set('tsize', String(this.#file.sizeBytes));
    const window = number('windowsize', 1, LARGEST_WINDOW_ASKED);
    if (window !== undefined) {
      this.#window = Math.min(window, LARGEST_WINDOW);
      this.#accepted.set('windowsize', String(this.#window));
    }
  }

  start(): void {
    if (this.#acknowledged < 0) this.#sendOptions();
    else this.#sendWindow();
  }

  /** `block` as it is on the wire: the last 16 bits of its number. */
  acknowledge(block: number): void {
    if (this.#isOver || this.#isReading) return;
    if (this.#acknowledged < 0) {
      if (block !== 0) return;
      this.#acknowledged = 0;
    } else {
      const ahead = (block - this.#acknowledged + BLOCK_NUMBERS) % BLOCK_NUMBERS;
      if (ahead === 0 || ahead > this.#sent - this.#acknowledged) return;
      this.#acknowledged += ahead;
      // A block that is not full was the last, and every file has one.
      if (this.#acknowledged > this.#file.sizeBytes / this.#blockBytes) return this.close();
    }
    this.#triesLeft = TRIES;
    this.#sendWindow();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer.remove();
    this.#file.close();
    this.#host.ended();
  }

  #timedOut(): void {
    if (this.#isReading) return;
    if (--this.#triesLeft === 0) this.close();
    else this.start();
  }

  #waitForAnswer(): void {
    this.#timer.set(this.#host.deadlines.clock.now() + this.#timeoutSeconds * NS_PER_SECOND);
  }

  #sendOptions(): void {
    this.#waitForAnswer();
    this.#host.send(tftpOptions(this.#accepted));
  }

  /** All blocks that the client may be sent without having acknowledged any; first, the file is read as far as it takes. */
  #sendWindow(): void {
    const { sizeBytes } = this.#file;
    const first = this.#acknowledged * this.#blockBytes;
    const end = Math.min(sizeBytes, first + this.#window * this.#blockBytes);
    const { offset, bytes } = this.#chunk;
    if (first < offset || end > offset + bytes.length) {
      void this.#read(first);
      return;
    }
    this.#waitForAnswer();
    const most = this.#acknowledged + this.#window;
    for (let block = this.#acknowledged; block < most && block * this.#blockBytes <= sizeBytes; block++) {
      // What is sent may be acknowledged from inside the call, and the transfer go on.
      this.#sent = Math.max(this.#sent, block + 1);
      const start = block * this.#blockBytes - offset;
      this.#host.send(
        tftpData(block + 1, bytes.subarray(start, Math.min(start + this.#blockBytes, sizeBytes - offset))),
      );
      if (this.#isOver || this.#acknowledged > block || this.#isReading) return;
    }
  }

  async #read(offset: number): Promise<void> {
    this.#isReading = true;
    this.#timer.clear();
    const bytes = new Uint8Array(Math.min(CHUNK_BYTES, this.#file.sizeBytes - offset));
    let done = 0;
    try {
      while (done < bytes.length) {
        const count = await this.#file.read(offset + done, bytes.subarray(done));
        if (count === 0) break;
        done += count;
      }
    } catch {
      done = -1;
    }
    this.#isReading = false;
    if (this.#isOver) return;
    // The file is shorter than it was, or cannot be read any more.
    if (done < bytes.length) {
      this.#host.send(tftpError(TFTP_ERROR.undefined, 'The file cannot be read'));
      this.close();
      return;
    }
    this.#chunk = { offset, bytes };
    this.#sendWindow();
  }
}
