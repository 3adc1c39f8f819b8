import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PF } from '../algebra.ts';
import { NO_FAULT, NON_CANONICAL } from '../emit/emitter.ts';
import { TestMachine } from '../interpreter/test-machine.ts';
import { vcpu } from '../state.ts';
import { DEVICE } from './translate.ts';
import { ACCESS_FETCH, ACCESS_SMAP_OFF, ACCESS_USER, ACCESS_WRITE, PHYSICAL_ADDRESS_BITS } from './walk.ts';

/**
 * The page walk against SDM Vol. 3A chapter 4 "Paging". Pages are mapped to where there is no memory, so that
 * `devicePhysical` tells the whole address.
 */

const P = 1n;
const W = 2n;
const U = 4n;
const A = 0x20n;
const D = 0x40n;
const PS = 0x80n;
const NX = 1n << 63n;

const CR0_PE = 1n;
const CR0_WP = 1n << 16n;
const CR0_PG = 1n << 31n;
const CR4_PSE = 1n << 4n;
const CR4_PAE = 1n << 5n;
const CR4_SMEP = 1n << 20n;
const CR4_SMAP = 1n << 21n;
const EFER_LMA = 1n << 10n;
const EFER_NXE = 1n << 11n;

/** Error-code bits, SDM Vol. 3A Figure 4-12 "Page-Fault Error Code". */
const E_PRESENT = 1;
const E_WRITE = 2;
const E_USER = 4;
const E_RESERVED = 8;
const E_FETCH = 16;

const TABLES = 0x10000;
const PAGE = 0x1000;

interface Mode {
  readonly name: string;
  readonly linear: bigint;
  readonly entryBytes: 4 | 8;
  readonly cr4: bigint;
  readonly efer: bigint;
  /** Offset in its table of each level's entry, top first; which of them have rights. */
  readonly places: readonly number[];
  readonly firstWithRights: number;
  readonly physical: bigint;
}

const MODES: readonly Mode[] = [
  {
    name: '32-bit paging',
    linear: 0x9234_5abcn,
    entryBytes: 4,
    cr4: CR4_PSE,
    efer: 0n,
    places: [0x248 * 4, 0x345 * 4],
    firstWithRights: 0,
    physical: 0xfedc_b000n,
  },
  {
    name: 'PAE paging',
    linear: 0x9234_5abcn,
    entryBytes: 8,
    cr4: CR4_PAE,
    efer: 0n,
    places: [2 * 8, 0x91 * 8, 0x145 * 8],
    firstWithRights: 1,
    physical: 0xab_cdef_0000n,
  },
  {
    name: '4-level paging',
    linear: 0xffff_9234_5678_9abcn,
    entryBytes: 8,
    cr4: CR4_PAE,
    efer: EFER_LMA,
    places: [0x124 * 8, 0xd1 * 8, 0xb3 * 8, 0x189 * 8],
    firstWithRights: 0,
    physical: 0xab_cdef_0000n,
  },
];

const machine = new TestMachine();
const { cpu } = machine;
const translate = machine.engine.callable(machine.engine.core.translate) as (...args: unknown[]) => number;

type Outcome = bigint | { readonly error: number } | { readonly vector: number };

function outcome(linear: bigint, access: number): Outcome {
  cpu.set32(vcpu.faultVector, NO_FAULT);
  const found = translate(cpu.base, 0, BigInt.asIntN(64, linear), access);
  const vector = cpu.get32(vcpu.faultVector);
  if (vector === PF) {
    assert.equal(cpu.get(vcpu.faultLinear), linear);
    assert.equal(cpu.get32(vcpu.faultHasCode), 1);
    return { error: cpu.get32(vcpu.faultCode) };
  }
  if (vector !== NO_FAULT) return { vector };
  assert.equal(found, DEVICE);
  return cpu.get(vcpu.devicePhysical);
}

function readEntry(mode: Mode, level: number): bigint {
  const at = TABLES + level * PAGE + (mode.places[level] as number);
  return mode.entryBytes === 8 ? machine.read64(at) : machine.read64(at) & 0xffff_ffffn;
}

/** Enters `mode` with the tables of `entries`: the bits of each level's entry beyond the next table's address. */
function map(mode: Mode, entries: readonly bigint[], leafAddress = mode.physical, controls: Partial<Controls> = {}) {
  entries.forEach((bits, level) => {
    machine.page(TABLES + level * PAGE).fill(0);
    const next = level === entries.length - 1 ? leafAddress : BigInt(TABLES + (level + 1) * PAGE);
    machine.write64(TABLES + level * PAGE + (mode.places[level] as number), bits | next);
  });
  cpu.set(vcpu.cr0, CR0_PE | CR0_PG | (controls.wp ? CR0_WP : 0n));
  cpu.set(vcpu.cr3, BigInt(TABLES));
  cpu.set(vcpu.cr4, mode.cr4 | (controls.smep ? CR4_SMEP : 0n) | (controls.smap ? CR4_SMAP : 0n));
  cpu.set(vcpu.efer, mode.efer | (controls.nxe ? EFER_NXE : 0n));
  loadPointers();
}

/** As MOV to CR3 does with PAE paging. */
function loadPointers(): void {
  for (let i = 0; i < 4; i++) cpu.set(vcpu.pdpte, machine.read64(TABLES + 8 * i), i);
}

/** All levels' entries with every right; PAE's top level has none to give. */
function generous(mode: Mode, levels = mode.places.length): bigint[] {
  return Array.from({ length: levels }, (_, level) => (level < mode.firstWithRights ? P : P | W | U));
}

interface Controls {
  readonly wp: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly nxe: boolean;
}

interface Access {
  readonly name: string;
  readonly bits: number;
  readonly kind: 'read' | 'write' | 'fetch';
  readonly user: boolean;
  readonly smapOff: boolean;
}

const ACCESSES: readonly Access[] = (['read', 'write', 'fetch'] as const).flatMap((kind) =>
  (['user', 'supervisor', 'supervisor with AC'] as const).map((who) => {
    const kindBits = { read: 0, write: ACCESS_WRITE, fetch: ACCESS_FETCH }[kind];
    const whoBits = { user: ACCESS_USER, supervisor: 0, 'supervisor with AC': ACCESS_SMAP_OFF }[who];
    return {
      name: `${who} ${kind}`,
      bits: kindBits | whoBits,
      kind,
      user: who === 'user',
      smapOff: who === 'supervisor with AC',
    };
  }),
);

/** SDM Vol. 3A §4.6.1 "Determination of Access Rights", sentence by sentence. */
function mayAccess(
  access: Access,
  page: { user: boolean; writable: boolean; noExecute: boolean },
  c: Controls,
): boolean {
  if (access.user) {
    if (!page.user) return false;
    if (access.kind === 'write') return page.writable;
    return access.kind === 'read' || !page.noExecute;
  }
  if (access.kind === 'fetch') return !page.noExecute && !(page.user && c.smep);
  if (page.user && c.smap && !access.smapOff) return false;
  return access.kind === 'read' || page.writable || !c.wp;
}

const CONTROLS: readonly Controls[] = Array.from({ length: 16 }, (_, i) => ({
  wp: (i & 1) !== 0,
  smep: (i & 2) !== 0,
  smap: (i & 4) !== 0,
  nxe: (i & 8) !== 0,
}));

function errorCode(access: Access, mode: Mode, controls: Controls, cause: number): number {
  const fetchTold = controls.smep || (controls.nxe && mode.entryBytes === 8);
  return (
    cause |
    (access.kind === 'write' ? E_WRITE : 0) |
    (access.user ? E_USER : 0) |
    (access.kind === 'fetch' && fetchTold ? E_FETCH : 0)
  );
}

for (const mode of MODES) {
  const levels = mode.places.length;
  const leaf = levels - 1;
  const target = mode.physical | (mode.linear & 0xfffn);

  describe(mode.name, () => {
    it('allows what the manual allows, with any one right missing at any level', () => {
      const missing: readonly bigint[] = mode.entryBytes === 8 ? [0n, W, U, NX] : [0n, W, U];
      for (const controls of CONTROLS) {
        for (let level = mode.firstWithRights; level < levels; level++) {
          for (const right of missing) {
            if (right === NX && !controls.nxe) continue;
            const page = { user: right !== U, writable: right !== W, noExecute: right === NX };
            for (const access of ACCESSES) {
              const entries = generous(mode);
              entries[level] = (entries[level] as bigint) ^ right;
              map(mode, entries, mode.physical, controls);
              const expected = mayAccess(access, page, controls)
                ? target
                : { error: errorCode(access, mode, controls, E_PRESENT) };
              const where = `${access.name}, level ${level} without ${right}, ${JSON.stringify(controls)}`;
              assert.deepEqual(outcome(mode.linear, access.bits), expected, where);
            }
          }
        }
      }
    });

    it('faults where an entry is not present, whatever else it says', () => {
      const [controls] = CONTROLS as [Controls];
      for (let level = 0; level < levels; level++) {
        for (const access of ACCESSES) {
          const entries = generous(mode);
          entries[level] = mode.entryBytes === 8 ? ~P & 0xfff0_0000_0000_0ffen : 0xffen;
          map(mode, entries);
          assert.deepEqual(outcome(mode.linear, access.bits), { error: errorCode(access, mode, controls, 0) });
          for (let below = level; below < levels; below++) {
            if (below > level) assert.equal(readEntry(mode, below) & A, 0n);
          }
        }
      }
    });

    it('sets the accessed bits on every access and the dirty bit on writes, if the access is allowed', () => {
      for (const [access, bits, error] of [
        [ACCESS_USER, A, undefined],
        [ACCESS_USER | ACCESS_FETCH, A, undefined],
        [ACCESS_USER | ACCESS_WRITE, A | D, undefined],
        [ACCESS_USER | ACCESS_WRITE, 0n, E_PRESENT | E_WRITE | E_USER],
      ] as const) {
        const entries = generous(mode);
        if (error !== undefined) entries[leaf] = P | U;
        map(mode, entries);
        assert.deepEqual(outcome(mode.linear, access), error === undefined ? target : { error });
        assert.equal(readEntry(mode, leaf) & (A | D), bits);
        for (let level = 0; level < leaf; level++) {
          const expected = level < mode.firstWithRights ? 0n : A;
          if (error === undefined) assert.equal(readEntry(mode, level) & (A | D), expected, `level ${level}`);
        }
      }
    });

    it('does not clear what software keeps in its bits', () => {
      const entries = generous(mode).map((bits) => bits | 0xe00n);
      map(mode, entries);
      assert.equal(outcome(mode.linear, ACCESS_WRITE), target);
      for (let level = 0; level < levels; level++) assert.equal(readEntry(mode, level) & 0xe00n, 0xe00n);
    });

    it('faults with the reserved bit where an entry has a reserved bit set', () => {
      const wide: bigint[] = [];
      for (let bit = PHYSICAL_ADDRESS_BITS; bit < 52; bit++) wide.push(1n << BigInt(bit));
      if (mode.efer === 0n) for (let bit = 52; bit < 63; bit++) wide.push(1n << BigInt(bit));
      // PAE paging's first level is checked when it is loaded.
      for (let level = mode.firstWithRights; level < levels; level++) {
        let reserved = mode.entryBytes === 8 ? [...wide, NX] : [];
        if (mode.name === '4-level paging' && level === 0) reserved = [...reserved, PS];
        for (const bit of reserved) {
          const entries = generous(mode);
          entries[level] = (entries[level] as bigint) | bit;
          map(mode, entries);
          const expected = { error: E_PRESENT | E_RESERVED | E_WRITE };
          assert.deepEqual(outcome(mode.linear, ACCESS_WRITE), expected, `level ${level}, bit 0x${bit.toString(16)}`);
        }
      }
    });

    it('reads all ones where a table is not in memory', () => {
      map(mode, generous(mode));
      const away = 0x8000_0000n | (generous(mode)[0] as bigint);
      machine.write64(TABLES + (mode.places[0] as number), away);
      loadPointers();
      // In 4-byte entries no bit is reserved: they map the last page.
      const expected =
        mode.entryBytes === 8 ? { error: E_PRESENT | E_RESERVED } : 0xffff_f000n | (mode.linear & 0xfffn);
      assert.deepEqual(outcome(mode.linear, 0), expected);
    });
  });
}

describe('a large page', () => {
  const [narrow, pae, long] = MODES as [Mode, Mode, Mode];
  const cases: readonly (readonly [name: string, mode: Mode, levels: number, pageBits: number, base: bigint])[] = [
    ['of 4 MiB', narrow, 1, 22, 0xfec0_0000n],
    ['of 2 MiB in PAE paging', pae, 2, 21, 0xab_cde0_0000n],
    ['of 2 MiB in 4-level paging', long, 3, 21, 0xab_cde0_0000n],
    ['of 1 GiB', long, 2, 30, 0xab_c000_0000n],
  ];

  for (const [name, mode, levels, pageBits, base] of cases) {
    const offset = mode.linear & ((1n << BigInt(pageBits)) - 1n);
    const entries = (): bigint[] => {
      const all = generous(mode, levels);
      all[levels - 1] = (all[levels - 1] as bigint) | PS;
      return all;
    };

    it(`${name} keeps the lower bits of the address`, () => {
      map(mode, entries(), base);
      assert.equal(outcome(mode.linear, ACCESS_USER | ACCESS_WRITE), base | offset);
      assert.equal(readEntry(mode, levels - 1) & (A | D), A | D);
    });

    it(`${name} may have its PAT bit set, and no other below its address`, () => {
      const pat = 1n << 12n;
      map(mode, entries(), base | pat);
      assert.equal(outcome(mode.linear, 0), base | offset);
      // In 32-bit paging bits 13-20 are more of the address, and only bit 21 is reserved.
      for (let bit = pageBits === 22 ? 21 : 13; bit < pageBits; bit++) {
        map(mode, entries(), base | (1n << BigInt(bit)));
        assert.deepEqual(outcome(mode.linear, 0), { error: E_PRESENT | E_RESERVED }, `bit ${bit}`);
      }
    });

    it(`${name} has rights like any other`, () => {
      const bits = entries();
      bits[levels - 1] = P | PS;
      map(mode, bits, base, { wp: true });
      assert.deepEqual(outcome(mode.linear, ACCESS_USER), { error: E_PRESENT | E_USER });
      assert.deepEqual(outcome(mode.linear, ACCESS_WRITE), { error: E_PRESENT | E_WRITE });
      assert.equal(outcome(mode.linear, ACCESS_FETCH), base | offset);
    });
  }

  it('of 4 MiB reaches beyond 4 GiB (PSE-36)', () => {
    map(narrow, [P | W | U | PS], 0xfec0_0000n | (0xa5n << 13n));
    assert.equal(outcome(narrow.linear, 0), 0xa5_fec0_0000n | (narrow.linear & 0x3f_ffffn));
  });

  it('needs CR4.PSE in 32-bit paging', () => {
    map(narrow, [P | W | U | PS, P | W | U]);
    cpu.set(vcpu.cr4, 0n);
    assert.equal(outcome(narrow.linear, 0), narrow.physical | (narrow.linear & 0xfffn));
  });
});

describe('outside of tables', () => {
  const [, , long] = MODES as [Mode, Mode, Mode];

  it('a linear address is the physical one while paging is off', () => {
    cpu.set(vcpu.cr0, CR0_PE);
    cpu.set(vcpu.cr4, 0n);
    cpu.set(vcpu.efer, 0n);
    for (const access of ACCESSES) assert.equal(outcome(0xfedc_ba98n, access.bits), 0xfedc_ba98n);
  });

  it('an address that is not canonical has no translation', () => {
    map(long, generous(long));
    for (const linear of [0x8000_0000_0000n, 0xffff_7fff_ffff_ffffn, 1n << 63n, 0x1_0000_0000_0000n]) {
      assert.deepEqual(outcome(linear, 0), { vector: NON_CANONICAL });
    }
  });
});
