/**
 * What a session has open, as bytes for a snapshot: fids by the paths of their files, which are opened again when they are
 * used. What had no name any more is lost with the process that had it open.
 *
 *     version u8, message bytes u32 (0: none agreed), fids u32, of each:
 *     number u32, flags u8, depth u16, names (u16 length, UTF-8)
 */

import { StateError } from '../../base/state.ts';
import { FileError, isName } from '../file-tree.ts';
import type { Fids } from './fids.ts';
import type { Place } from './places.ts';

const PART = '9p';
const SAVED_VERSION = 1;

const IS_OPEN = 1;
const CAN_READ = 2;
const CAN_WRITE = 4;
const APPENDS = 8;
const IS_LISTING = 16;
const IS_GONE = 32;
const ALL_FLAGS = 63;

export function writeSaved(messageBytes: number | undefined, fids: Fids): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  const number = (value: number, size: 1 | 2 | 4): void => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    parts.push(bytes.subarray(0, size));
  };
  const all = [...fids.all()];
  number(SAVED_VERSION, 1);
  number(messageBytes ?? 0, 4);
  number(all.length, 4);
  for (const { number: fid, place, open, isListing } of all) {
    const names = pathOf(place);
    number(fid, 4);
    let flags = isListing ? IS_LISTING : 0;
    if (names === undefined) flags |= IS_GONE;
    if (open) flags |= IS_OPEN;
    if (open?.options.read) flags |= CAN_READ;
    if (open?.options.write) flags |= CAN_WRITE;
    if (open?.options.append) flags |= APPENDS;
    number(flags, 1);
    number(names?.length ?? 0, 2);
    for (const name of names ?? []) {
      const bytes = encoder.encode(name);
      number(bytes.length, 2);
      parts.push(bytes);
    }
  }
  const saved = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    saved.set(part, at);
    at += part.length;
  }
  return saved;
}

function pathOf(place: Place): readonly string[] | undefined {
  try {
    return place.path();
  } catch (error) {
    if (error instanceof FileError) return undefined;
    throw error;
  }
}

/** Puts what was saved into `fids`, which has nothing yet; returns the size of messages. Throws StateError. */
export function readSaved(saved: Uint8Array, fids: Fids, largestMessageBytes: number): number | undefined {
  const view = new DataView(saved.buffer, saved.byteOffset, saved.length);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let at = 0;
  const refuse = (problem: string): never => {
    throw new StateError(PART, undefined, problem);
  };
  const advance = (length: number): number => {
    if (at + length > saved.length) refuse('is cut short');
    at += length;
    return at - length;
  };
  const name = (): string => {
    const length = view.getUint16(advance(2), true);
    const start = advance(length);
    return decoder.decode(saved.subarray(start, start + length));
  };
  try {
    if (view.getUint8(advance(1)) !== SAVED_VERSION) refuse('is of a version that this program does not know');
    const messageBytes = view.getUint32(advance(4), true);
    if (messageBytes > largestMessageBytes) refuse('has messages that are too large');
    const count = view.getUint32(advance(4), true);
    for (let i = 0; i < count; i++) {
      const number = view.getUint32(advance(4), true);
      const flags = view.getUint8(advance(1));
      if (flags & ~ALL_FLAGS || (flags & IS_OPEN && flags & IS_LISTING)) refuse('has flags that make no sense');
      const names = Array.from({ length: view.getUint16(advance(2), true) }, name);
      if (!names.every(isName)) refuse('has a path that is none');
      let place = fids.places.use(fids.places.root);
      // Under a name that no file can have, so that nothing else is there.
      const path = flags & IS_GONE ? [`/${number}`] : names;
      for (const step of path) {
        const next = fids.places.enter(place, step);
        fids.places.leave(place);
        place = next;
      }
      if (flags & IS_GONE) fids.places.removed(fids.places.root, `/${number}`);
      const fid = fids.add(number, place);
      fid.isListing = (flags & IS_LISTING) !== 0;
      if ((flags & IS_OPEN) === 0) continue;
      fids.checkOpen(fid);
      const has = (flag: number): boolean => (flags & flag) !== 0;
      const options = { read: has(CAN_READ), write: has(CAN_WRITE), append: has(APPENDS), truncate: false };
      fids.opened(fid, options, undefined);
    }
    if (at !== saved.length) refuse(`has ${saved.length - at} bytes too many`);
    return messageBytes === 0 ? undefined : messageBytes;
  } catch (error) {
    if (error instanceof StateError) throw error;
    return refuse(error instanceof FileError ? `has more than there can be (${error.code})` : 'is damaged');
  }
}
