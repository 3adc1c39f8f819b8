/**
 * The page walk: 32-bit, PAE and 4-level paging (SDM Vol. 3A chapter 4 "Paging"), in the algebra.
 *
 * Not modelled: 5-level paging, protection keys.
 */

import { type Algebra, defineRoutine, PF, type Value, type Variable } from '../algebra.ts';
import { vcpu } from '../state.ts';

/** Width of physical addresses, as CPUID 80000008H says. */
export const PHYSICAL_ADDRESS_BITS = 40;

/** Access being made, for `walk`. */
export const ACCESS_WRITE = 1;
export const ACCESS_FETCH = 2;
/** User-mode access: CPL 3 and not one to a system structure. */
export const ACCESS_USER = 4;
/** Supervisor-mode access that SMAP lets through to user pages: explicit, with RFLAGS.AC set. */
export const ACCESS_SMAP_OFF = 8;

/** What the translation found allows, from `walk`. */
export const MAY_READ = 1;
export const MAY_WRITE = 2;
export const MAY_FETCH = 4;
/** From a page of 2 or 4 MiB, or of 1 GiB. */
export const LARGE = 8;
export const HUGE = 16;
/** It does not depend on the address space. */
export const GLOBAL = 32;

const PRESENT = 1;
const ACCESSED = 0x20;
const PAGE_SIZE = 0x80;
const ADDRESS = ((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n) & ~0xfffn;
/** Address bits above the width supported; must be 0. */
const RESERVED = ((1n << 52n) - 1n) & ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n);
/** Of a page-directory-pointer entry of PAE paging, which has no rights and no accessed bit. */
export const PDPTE_RESERVED = ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n) | 0x1e6n;
/** Bits 52-62: free for software with 4-level paging, reserved with PAE paging. */
const UPPER = 0x7ffn << 52n;

const ERROR_PRESENT = 1;
const ERROR_RESERVED = 8;

interface Walk {
  readonly linear: Value;
  readonly access: Value;
  readonly writable: Variable;
  readonly user: Variable;
  readonly executable: Variable;
}

function fault(m: Algebra, walk: Walk, cause: number): void {
  const { access } = walk;
  const write = m.shl(m.and(access, m.const(32, ACCESS_WRITE)), 1);
  const user = m.and(access, m.const(32, ACCESS_USER));
  // The I/D bit is given only where fetches can be forbidden: SMEP, or NXE with PAE entries.
  const smep = m.bit(m.get(vcpu.cr4), 20);
  const nxe = m.and(m.bit(m.get(vcpu.efer), 11), m.bit(m.get(vcpu.cr4), 5));
  const fetch = m.and(m.bit(access, 1), m.or(smep, nxe));
  m.set(vcpu.faultLinear, walk.linear);
  m.raise(PF, m.or(m.or(m.or(write, user), m.shl(m.zext(fetch, 32), 4)), m.const(32, cause)));
}

/** Takes one entry's permissions into account; faults where it is not present or has reserved bits set. */
function enter(m: Algebra, walk: Walk, entry: Value, reserved: bigint): void {
  m.if(m.isZero(m.and(entry, m.const(64, PRESENT))), () => fault(m, walk, 0));
  const nxReserved = m.and(m.msb(entry), m.not(m.bit(m.get(vcpu.efer), 11)));
  const others = m.ne(m.and(entry, m.const(64, reserved)), m.const(64, 0));
  m.if(m.or(nxReserved, others), () => fault(m, walk, ERROR_PRESENT | ERROR_RESERVED));
  m.assign(walk.writable, m.and(m.use(walk.writable), m.bit(entry, 1)));
  m.assign(walk.user, m.and(m.use(walk.user), m.bit(entry, 2)));
  m.assign(walk.executable, m.and(m.use(walk.executable), m.not(m.msb(entry))));
}

function setAccessed(m: Algebra, entry: Value, address: Value): void {
  const bit = m.const(entry.type, ACCESSED);
  m.if(m.isZero(m.and(entry, bit)), () => m.storePhysical(address, m.or(entry, bit)));
}

/** Checks rights, sets accessed and dirty in the leaf, and gives what the translation allows. */
function leaf(m: Algebra, walk: Walk, entry: Value, address: Value): Value {
  const { access } = walk;
  const allowed = rights(m, walk);
  const wanted = m.select(
    m.bit(access, 1),
    m.const(32, MAY_FETCH),
    m.select(m.bit(access, 0), m.const(32, MAY_WRITE), m.const(32, MAY_READ)),
  );
  m.if(m.isZero(m.and(allowed, wanted)), () => fault(m, walk, ERROR_PRESENT));
  const dirty = m.shl(m.zext(m.bit(access, 0), entry.type), 6);
  const marks = m.or(m.const(entry.type, ACCESSED), dirty);
  m.if(m.ne(m.and(entry, marks), marks), () => m.storePhysical(address, m.or(entry, marks)));
  // A page not yet dirty must come back here for its first write.
  const isDirty = m.or(m.bit(entry, 6), m.bit(access, 0));
  const global = m.and(m.bit(entry, 8), m.bit(m.get(vcpu.cr4), 7));
  return m.or(
    m.select(isDirty, allowed, m.and(allowed, m.const(32, ~MAY_WRITE))),
    m.shl(m.zext(global, 32), Math.log2(GLOBAL)),
  );
}

/** SDM Vol. 3A §4.6 "Access Rights". */
function rights(m: Algebra, walk: Walk): Value {
  const { access } = walk;
  const cr4 = m.get(vcpu.cr4);
  const userAccess = m.bit(access, 2);
  const writable = m.use(walk.writable);
  const userPage = m.use(walk.user);
  const executable = m.use(walk.executable);
  const smap = m.and(m.bit(cr4, 21), m.not(m.bit(access, 3)));
  const read = m.select(userAccess, userPage, m.not(m.and(userPage, smap)));
  const writeProtect = m.bit(m.get(vcpu.cr0), 16);
  const write = m.and(read, m.or(writable, m.not(m.or(userAccess, writeProtect))));
  const fetch = m.and(executable, m.select(userAccess, userPage, m.not(m.and(userPage, m.bit(cr4, 20)))));
  const bit = (condition: Value, mask: number): Value => m.shl(m.zext(condition, 32), Math.log2(mask));
  return m.or(m.or(bit(read, MAY_READ), bit(write, MAY_WRITE)), bit(fetch, MAY_FETCH));
}

/** Page address of a leaf at `shift`: its own bits above, the linear address's between it and bit 12. */
function pageOf(m: Algebra, walk: Walk, entry: Value, shift: number): Value {
  const offsetMask = (1n << BigInt(shift)) - 0x1000n;
  const base = m.and(entry, m.const(64, ADDRESS & ~((1n << BigInt(shift)) - 1n)));
  return shift === 12 ? base : m.or(base, m.and(walk.linear, m.const(64, offsetMask)));
}

/** Address of the page directory, from the PDPTE register that the address selects. */
function pageDirectory(m: Algebra, walk: Walk): Value {
  const index = m.and(m.trunc(m.shr(walk.linear, 30), 32), m.const(32, 3));
  const entry = m.getAt(vcpu.pdpte, index);
  m.if(m.isZero(m.and(entry, m.const(64, PRESENT))), () => fault(m, walk, 0));
  return m.and(entry, m.const(64, ADDRESS));
}

/** 4-level and PAE paging: 8-byte entries, 9 index bits a level. */
function walkWide(m: Algebra, walk: Walk, page: Variable, allowed: Variable, long: boolean): void {
  const top = long ? m.and(m.get(vcpu.cr3), m.const(64, ADDRESS)) : pageDirectory(m, walk);
  const table = m.variable(top);
  const done = m.variable(m.const(1, 0));
  const levels = long ? [39, 30, 21, 12] : [21, 12];
  for (const shift of levels) {
    m.if(m.not(m.use(done)), () => {
      const index = m.and(m.shr(walk.linear, shift - 3), m.const(64, 0xff8n));
      const address = m.add(m.use(table), index);
      const entry = m.loadPhysical(64, address);
      const finish = (): void => {
        const rightsHere = leaf(m, walk, entry, address);
        const size = shift === 30 ? HUGE : shift === 21 ? LARGE : 0;
        m.assign(page, pageOf(m, walk, entry, shift));
        m.assign(allowed, m.or(rightsHere, m.const(32, size)));
        m.assign(done, m.const(1, 1));
      };
      const above = long ? RESERVED : RESERVED | UPPER;
      if (shift === 12) {
        enter(m, walk, entry, above);
        finish();
        return;
      }
      const descend = (): void => {
        setAccessed(m, entry, address);
        m.assign(table, m.and(entry, m.const(64, ADDRESS)));
      };
      if (shift === 39) {
        enter(m, walk, entry, above | BigInt(PAGE_SIZE));
        descend();
        return;
      }
      m.if(
        m.bit(entry, 7),
        () => {
          enter(m, walk, entry, above | ((1n << BigInt(shift)) - 0x2000n));
          finish();
        },
        () => {
          enter(m, walk, entry, above);
          descend();
        },
      );
    });
  }
}

/** 32-bit paging: 4-byte entries, 10 index bits a level, 4 MiB pages with CR4.PSE. */
function walkNarrow(m: Algebra, walk: Walk, page: Variable, allowed: Variable): void {
  const directoryAddress = m.or(
    m.and(m.get(vcpu.cr3), m.const(64, 0xfffff000n)),
    m.and(m.shr(walk.linear, 20), m.const(64, 0xffcn)),
  );
  const directory = m.loadPhysical(32, directoryAddress);
  const wide = m.zext(directory, 64);
  m.if(
    m.and(m.bit(directory, 7), m.bit(m.get(vcpu.cr4), 4)),
    () => {
      // PSE-36: bits 13-20 of the entry are bits 32-39 of the address; bit 21 is reserved.
      enter(m, walk, wide, 0x200000n);
      const rightsHere = leaf(m, walk, directory, directoryAddress);
      const high = m.shl(m.and(m.shr(wide, 13), m.const(64, 0xffn)), 32);
      const offset = m.and(walk.linear, m.const(64, 0x3ff000n));
      m.assign(page, m.or(m.or(m.and(wide, m.const(64, 0xffc00000n)), high), offset));
      m.assign(allowed, m.or(rightsHere, m.const(32, LARGE)));
    },
    () => {
      enter(m, walk, wide, 0n);
      setAccessed(m, directory, directoryAddress);
      const address = m.or(m.and(wide, m.const(64, 0xfffff000n)), m.and(m.shr(walk.linear, 10), m.const(64, 0xffcn)));
      const entry = m.loadPhysical(32, address);
      enter(m, walk, m.zext(entry, 64), 0n);
      m.assign(allowed, leaf(m, walk, entry, address));
      m.assign(page, m.and(m.zext(entry, 64), m.const(64, 0xfffff000n)));
    },
  );
}

/**
 * (linear, access) -> (guest-physical address of the 4 KiB page, what it allows). Faults with #PF, `faultLinear` set.
 * Sets accessed and dirty bits. The address must be canonical.
 */
export const walk = defineRoutine({
  name: 'walk',
  params: [64, 32],
  results: [64, 32],
  faults: true,
  body(m, linear, access) {
    const page = m.variable(m.and(linear, m.const(64, 0xfffff000n)));
    const allowed = m.variable(m.const(32, MAY_READ | MAY_WRITE | MAY_FETCH));
    m.if(m.msb(m.trunc(m.get(vcpu.cr0), 32)), () => {
      const state: Walk = {
        linear,
        access,
        writable: m.variable(m.const(1, 1)),
        user: m.variable(m.const(1, 1)),
        executable: m.variable(m.const(1, 1)),
      };
      m.if(
        m.bit(m.get(vcpu.efer), 10),
        () => walkWide(m, state, page, allowed, true),
        () =>
          m.if(
            m.bit(m.get(vcpu.cr4), 5),
            () => walkWide(m, state, page, allowed, false),
            () => walkNarrow(m, state, page, allowed),
          ),
      );
    });
    return [m.use(page), m.use(allowed)];
  },
});
