/** Standard input that is not a terminal, as the guest's console: its bytes as they are, then end-of-file. */

import type { Readable } from 'node:stream';
import { reasonOf } from './files.ts';

const EOT = 0x04;
/**
 * A terminal line has no lasting end of file: an EOT ends one reader's input, or only hands over an unfinished line.
 * There are enough of them for an unfinished line, and for programs inside programs that each read to the end.
 */
const END_OF_FILE = new Uint8Array(16).fill(EOT);

export interface PipedInputEvents {
  input(bytes: Uint8Array): void;
  /** Reading failed; `reason` is the end of a sentence. What was read so far, and the end of file, have been passed. */
  failed(reason: string): void;
}

/** Passes on what comes, when it comes; and its end, to a reader that knows what that is. */
export function passInput(stream: Readable, events: PipedInputEvents, tellsEnd = true): void {
  const end = (): void => {
    if (tellsEnd) events.input(END_OF_FILE);
  };
  stream.on('data', (bytes: Buffer) => events.input(bytes));
  stream.on('end', end);
  stream.on('error', (error) => {
    end();
    events.failed(reasonOf(error));
  });
}

/** Waits for all of it, and resolves to what the guest is to be given. */
export async function gatherInput(stream: Readable, tellsEnd = true): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(tellsEnd ? [...chunks, END_OF_FILE] : chunks);
}
