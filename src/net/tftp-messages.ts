/**
 * TFTP's packets (RFC 1350; options of RFC 2347): requests are parsed as strictly as they are written.
 *
 *     RRQ 1, WRQ 2   name 0 mode 0 [option 0 value 0]...
 *     DATA 3         block u16, up to a block of bytes; a short one is the last
 *     ACK 4          block u16
 *     ERROR 5        code u16, text 0
 *     OACK 6         [option 0 value 0]...
 */

import { get16, put16 } from './bytes.ts';

export const TFTP_PORT = 69;

const RRQ = 1;
const WRQ = 2;
const DATA = 3;
const ACK = 4;
const ERROR = 5;
const OACK = 6;

const HEADER_BYTES = 4;
/** Of requests: more is no request that anybody would write (RFC 2347 "Packet Formats"). */
const LONGEST_REQUEST_BYTES = 512;

export const TFTP_ERROR = { undefined: 0, notFound: 1, access: 2, illegal: 4, unknownTransfer: 5 } as const;
export type TftpErrorCode = (typeof TFTP_ERROR)[keyof typeof TFTP_ERROR];

export type TftpRequest =
  | {
      readonly kind: 'read' | 'write';
      readonly name: string;
      readonly mode: string;
      /** By their names in lower case. */
      readonly options: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'ack'; readonly block: number }
  | { readonly kind: 'error' };

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Undefined for what a client has no reason to send. */
export function parseTftp(bytes: Uint8Array): TftpRequest | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  switch (get16(bytes, 0)) {
    case RRQ:
      return parseRequest('read', bytes);
    case WRQ:
      return parseRequest('write', bytes);
    case ACK:
      return { kind: 'ack', block: get16(bytes, 2) };
    case ERROR:
      return { kind: 'error' };
    default:
      return undefined;
  }
}

function parseRequest(kind: 'read' | 'write', bytes: Uint8Array): TftpRequest | undefined {
  if (bytes.length > LONGEST_REQUEST_BYTES) return undefined;
  // What follows the last zero says nothing: some clients pad.
  const words = textOf(bytes.subarray(2, Math.max(2, bytes.lastIndexOf(0))))?.split('\0');
  if (words === undefined || words.length < 2) return undefined;
  const [name, mode, ...rest] = words as [string, string, ...string[]];
  const options = new Map<string, string>();
  for (let i = 0; i + 1 < rest.length; i += 2) {
    const option = (rest[i] as string).toLowerCase();
    // RFC 2347: an option may be there once.
    if (!options.has(option)) options.set(option, rest[i + 1] as string);
  }
  return { kind, name, mode: mode.toLowerCase(), options };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function packet(code: number, number: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + content.length);
  put16(bytes, 0, code);
  put16(bytes, 2, number & 0xffff);
  bytes.set(content, HEADER_BYTES);
  return bytes;
}

export function tftpData(block: number, content: Uint8Array): Uint8Array {
  return packet(DATA, block, content);
}

export function tftpError(code: TftpErrorCode, text: string): Uint8Array {
  return packet(ERROR, code, encoder.encode(`${text}\0`));
}

export function tftpOptions(options: ReadonlyMap<string, string>): Uint8Array {
  const content = encoder.encode([...options].map(([option, value]) => `${option}\0${value}\0`).join(''));
  const bytes = new Uint8Array(2 + content.length);
  put16(bytes, 0, OACK);
  bytes.set(content, 2);
  return bytes;
}
