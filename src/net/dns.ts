/**
 * DNS messages (RFC 1035 §4), as far as one looks into them on their way to the host's name server and back: queries
 * with one question, and answers to just that.
 */

import { get16, put16 } from './bytes.ts';

export const DNS_PORT = 53;
const HEADER_BYTES = 12;
/** Bits of the third and fourth byte (RFC 1035 §4.1.1). */
const QR = 0x8000;
const OPCODE = 0x7800;
const RD = 0x0100;
const RA = 0x0080;
const SERVFAIL = 2;
/** Transfers of zones are not for guests (types of RFC 5936 and RFC 1995). */
const TYPE_IXFR = 251;
const TYPE_AXFR = 252;
const LONGEST_NAME_BYTES = 255;
const LONGEST_LABEL_BYTES = 63;

/** The end of the question section; undefined when the message is not one that has exactly one question. */
function questionEnd(message: Uint8Array): number | undefined {
  if (message.length < HEADER_BYTES || get16(message, 4) !== 1) return undefined;
  let at = HEADER_BYTES;
  while (at < message.length && message[at] !== 0) {
    if (message[at] > LONGEST_LABEL_BYTES) return undefined; // nothing before it that a pointer could point to
    at += 1 + message[at];
  }
  if (at - HEADER_BYTES >= LONGEST_NAME_BYTES || at + 5 > message.length) return undefined;
  return at + 5;
}

/** A question that may be passed on. */
export function isQuery(message: Uint8Array): boolean {
  const end = questionEnd(message);
  if (end === undefined || (get16(message, 2) & (QR | OPCODE)) !== 0) return false;
  const type = get16(message, end - 4);
  return type !== TYPE_AXFR && type !== TYPE_IXFR;
}

/** A copy with another identification: the guest's is not for the world to see, nor the other way round. */
export function withIdentification(message: Uint8Array, identification: number): Uint8Array {
  const copy = message.slice();
  put16(copy, 0, identification);
  return copy;
}

/** Whether `answer` is one to `query`: same identification, same question (RFC 5452 §9.1). */
export function isAnswerTo(answer: Uint8Array, query: Uint8Array): boolean {
  const end = questionEnd(query);
  if (end === undefined || answer.length < HEADER_BYTES || (get16(answer, 2) & QR) === 0) return false;
  if (get16(answer, 0) !== get16(query, 0)) return false;
  // Servers that cannot read a query answer without a question.
  if (get16(answer, 4) === 0) return true;
  if (get16(answer, 4) !== 1 || answer.length < end) return false;
  for (let at = HEADER_BYTES; at < end; at++) if (lowerCase(answer[at]) !== lowerCase(query[at])) return false;
  return true;
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** What to say when the host's server does not answer: SERVFAIL. */
export function serverFailure(query: Uint8Array): Uint8Array {
  const end = questionEnd(query) ?? HEADER_BYTES;
  const answer = new Uint8Array(end);
  answer.set(query.subarray(0, end));
  put16(answer, 2, QR | (get16(query, 2) & RD) | RA | SERVFAIL);
  for (const section of [6, 8, 10]) put16(answer, section, 0);
  return answer;
}
