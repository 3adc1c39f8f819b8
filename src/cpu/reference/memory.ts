/**
 * Where the reference's accesses go: something that finds a page for a linear address, or the error code of a page
 * fault. Here a flat one for tests (linear is physical, permissions are given page by page); a walk of the guest's
 * page tables fits the same interface.
 */

import { PF } from '../algebra.ts';
import { GuestFault } from './fault.ts';

export const PAGE_BYTES = 4096;
const OFFSET = 0xfffn;

export type PageAccess = 'read' | 'write' | 'execute';

export interface ReferenceMemory {
  /** The page that holds `linear`, or a page fault's error code. */
  page(linear: bigint, access: PageAccess, user: boolean): Uint8Array | number;
  /** The page that holds a guest-physical address, if it is RAM. */
  physicalPage(address: bigint): Uint8Array | undefined;
}

export interface FlatPage {
  readonly bytes: Uint8Array;
  readonly user: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
}

/** Bits of a page fault's error code, SDM Vol. 3A Figure 4-12 "Page-Fault Error Code". */
const PRESENT = 1;
const WRITE = 2;
const USER = 4;
const FETCH = 16;

export class FlatMemory implements ReferenceMemory {
  readonly #pages = new Map<bigint, FlatPage>();

  /** `page.bytes` is one page, at a multiple of 4096. */
  map(address: bigint, page: FlatPage): void {
    this.#pages.set(address >> 12n, page);
  }

  page(linear: bigint, access: PageAccess, user: boolean): Uint8Array | number {
    const code = (user ? USER : 0) | (access === 'write' ? WRITE : access === 'execute' ? FETCH : 0);
    const page = this.#pages.get(linear >> 12n);
    if (page === undefined) return code;
    // Supervisor writes are checked too, as with CR0.WP.
    const allowed =
      (page.user || !user) && (page.writable || access !== 'write') && (page.executable || access !== 'execute');
    return allowed ? page.bytes : code | PRESENT;
  }

  physicalPage(address: bigint): Uint8Array | undefined {
    return this.#pages.get(address >> 12n)?.bytes;
  }
}

/** The pages that an access of `bytes` touches, lowest first; throws the page fault of the first that is not to be had. */
function pagesOf(
  memory: ReferenceMemory,
  linear: bigint,
  bytes: number,
  access: PageAccess,
  user: boolean,
): Uint8Array[] {
  const pages: Uint8Array[] = [];
  const last = (linear + BigInt(bytes) - 1n) & ~OFFSET;
  for (let at = linear; at <= last || pages.length === 0; at = (at & ~OFFSET) + BigInt(PAGE_BYTES)) {
    const page = memory.page(at, access, user);
    if (typeof page === 'number') throw new GuestFault(PF, page, at);
    pages.push(page);
  }
  return pages;
}

export function checkAccess(
  memory: ReferenceMemory,
  linear: bigint,
  bytes: number,
  access: PageAccess,
  user: boolean,
): void {
  pagesOf(memory, linear, bytes, access, user);
}

/** The unsigned little-endian number at `linear`. */
export function loadBits(memory: ReferenceMemory, linear: bigint, bytes: number, user: boolean): bigint {
  const pages = pagesOf(memory, linear, bytes, 'read', user);
  const start = Number(linear & OFFSET);
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) {
    const at = start + i;
    value = (value << 8n) | BigInt(pages[at >> 12][at & (PAGE_BYTES - 1)]);
  }
  return value;
}

export function storeBits(memory: ReferenceMemory, linear: bigint, bytes: number, value: bigint, user: boolean): void {
  const pages = pagesOf(memory, linear, bytes, 'write', user);
  const start = Number(linear & OFFSET);
  for (let i = 0; i < bytes; i++) {
    const at = start + i;
    pages[at >> 12][at & (PAGE_BYTES - 1)] = Number((value >> BigInt(8 * i)) & 0xffn);
  }
}
