/**
 * From a linear address to machine memory, beyond what the TLB check in generated code does: permission context, page
 * walk, frame table, and filling the TLB (DESIGN.md §2).
 */

import type { ModuleBuilder } from '../emit/code-space.ts';
import { type EmitterContext, NON_CANONICAL } from '../emit/emitter.ts';
import type { Node } from '../emit/nodes.ts';
import {
  FRAME_CODE,
  FRAME_DIRTY,
  FRAME_MASK,
  FRAME_RAM,
  FRAME_SHARED,
  LOCAL_ENTRIES,
  MOST_LOCAL_ENTRIES,
  TLB,
  TLB_ADDEND,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_FETCH,
  TLB_FRAME,
  TLB_GLOBAL,
  TLB_READ,
  TLB_SUPERVISOR,
  TLB_SUPERVISOR_AC,
  TLB_USER,
  TLB_WRITE,
} from '../layout.ts';
import { vcpu } from '../state.ts';
import { type CoreEmitter, defineCore } from './core-emitter.ts';
import {
  ACCESS_FETCH,
  ACCESS_SMAP_OFF,
  ACCESS_USER,
  ACCESS_WRITE,
  GLOBAL,
  HUGE,
  LARGE,
  MAY_FETCH,
  MAY_READ,
  MAY_WRITE,
  walk,
} from './walk.ts';

/** Results of `translate` that are no addresses. */
export const NO_TRANSLATION = 0;
export const DEVICE = 1;

/**
 * Where in the vCPU block walks of large pages are noted, so that INVLPG of any part of one can drop all of it: one bit
 * for each hash of a 4 MiB region that has large pages, and of a 1 GiB region that is one.
 */
export const LARGE_PAGE_MAPS = [
  { map: 0x4000, shift: 22, size: LARGE },
  { map: 0x4400, shift: 30, size: HUGE },
] as const;
export const PAGE_MAP_BITS = 4096;

/** The access bits that follow from CPL and RFLAGS.AC, for accesses made on the program's behalf. */
export function programAccess(m: CoreEmitter): Node {
  const user = m.eq(m.get(vcpu.cpl), m.number(3));
  const ac = m.bit(m.get(vcpu.rflags), 18);
  return m.select(user, m.number(ACCESS_USER), m.select(ac, m.number(ACCESS_SMAP_OFF), m.number(0)));
}

function fillTlb(m: CoreEmitter, linear: Node, access: Node, allowed: Node, entry: Node): void {
  const { builder: b } = m;
  const which = m.select(
    m.bit(access, 2),
    m.number(TLB_USER),
    m.select(m.bit(access, 3), m.number(TLB_SUPERVISOR_AC), m.number(TLB_SUPERVISOR)),
  );
  const index = m.and(m.trunc(m.shr(linear, 12), 32), m.number(TLB_ENTRIES - 1));
  const table = m.add(m.vcpuBlock, m.mul(which, m.number(TLB_BYTES)));
  const place = m.add(table, m.mul(index, m.number(TLB_ENTRY_BYTES)));
  const supervisor = m.eq(which, m.number(TLB_SUPERVISOR));
  const space = m.select(supervisor, m.get(vcpu.supervisorTag), m.get(vcpu.spaceTag));
  const tag = m.or(m.shr(linear, 12), space);
  const tagIf = (condition: Node): Node => m.select(condition, tag, m.const(64, 0));
  const may = (mask: number): Node => m.ne(m.and(allowed, m.number(mask)), m.number(0));
  // Writes stay on the slow path until the frame is dirty, private and free of code.
  const plain = m.eq(m.and(entry, m.number(FRAME_DIRTY | FRAME_CODE | FRAME_SHARED)), m.number(FRAME_DIRTY));
  b.store(64, place, TLB + TLB_READ, tagIf(may(MAY_READ)));
  b.store(64, place, TLB + TLB_WRITE, tagIf(m.and(may(MAY_WRITE), plain)));
  b.store(64, place, TLB + TLB_FETCH, tagIf(may(MAY_FETCH)));
  const page = m.and(m.trunc(linear, 32), m.number(FRAME_MASK));
  b.store(32, place, TLB + TLB_ADDEND, m.sub(m.and(entry, m.number(FRAME_MASK)), page));
  const global = m.select(may(GLOBAL), m.number(TLB_GLOBAL), m.number(0));
  b.store(32, place, TLB + TLB_FRAME, m.or(entry, global));
  const outlives = m.and(supervisor, m.ne(m.get(vcpu.supervisorTag), m.get(vcpu.spaceTag)));
  m.if(m.and(outlives, m.not(may(GLOBAL))), () => noteLocal(m, index, access));
  for (const { map, shift, size } of LARGE_PAGE_MAPS) {
    m.if(may(size), () => {
      const hash = m.and(m.trunc(m.shr(linear, shift), 32), m.number(PAGE_MAP_BITS - 1));
      const word = m.add(m.vcpuBlock, m.shl(m.shr(hash, 5), 2));
      const bit = m.shl(m.number(1), m.and(hash, m.number(31)));
      b.store(32, word, map, m.or(b.load(32, word, map), bit));
    });
  }
}

/** An entry that the next address space is not to find. One past the end of the list says that it does not hold all. */
function noteLocal(m: CoreEmitter, index: Node, access: Node): void {
  const { builder: b } = m;
  const count = m.get(vcpu.localEntries);
  m.if(m.leU(count, m.number(MOST_LOCAL_ENTRIES)), () => {
    m.if(m.ne(count, m.number(MOST_LOCAL_ENTRIES)), () =>
      b.store(16, m.add(m.vcpuBlock, m.shl(count, 1)), LOCAL_ENTRIES, m.trunc(index, 16)),
    );
    m.set(vcpu.localEntries, m.add(count, m.number(1)));
  });
  const fetches = m.shr(m.and(access, m.number(ACCESS_FETCH)), Math.log2(ACCESS_FETCH));
  m.set(vcpu.localFetches, m.add(m.get(vcpu.localFetches), fetches));
}

export function defineTranslation(module: ModuleBuilder, context: EmitterContext): void {
  const { core } = context;
  defineCore(module, context, 'translate', core.translate, (m, linear, access) => {
    const { builder: b } = m;
    if (linear === undefined || access === undefined) return undefined;
    const canonical = m.eq(m.sar(m.shl(linear, 16), 16), linear);
    m.if(m.and(m.bit(m.get(vcpu.efer), 10), m.not(canonical)), () => {
      m.raise(NON_CANONICAL, 0);
    });
    const [pageValue, allowedValue] = m.call(walk, linear, access);
    const page = m.and(pageValue as Node, m.get(vcpu.a20Mask));
    const allowed = allowedValue as Node;
    const physical = m.or(page, m.and(linear, m.const(64, 0xfff)));
    const pageNumber = m.shr(page, 12);
    m.if(m.leU(m.zext(m.get(vcpu.framePages), 64), pageNumber), () => {
      m.set(vcpu.devicePhysical, physical);
      b.return([m.number(DEVICE)]);
    });
    const place = m.add(m.get(vcpu.frameTable), m.shl(m.trunc(pageNumber, 32), 2));
    const entry = m.variable(b.load(32, place, 0));
    m.if(m.isZero(m.and(m.use(entry), m.number(FRAME_RAM))), () => {
      m.set(vcpu.devicePhysical, physical);
      b.return([m.number(DEVICE)]);
    });
    const write = m.ne(m.and(access, m.number(ACCESS_WRITE)), m.number(0));
    const absent = m.isZero(m.and(m.use(entry), m.number(FRAME_MASK)));
    const copy = m.and(write, m.ne(m.and(m.use(entry), m.number(FRAME_SHARED)), m.number(0)));
    m.if(m.or(absent, copy), () => {
      m.assign(entry, m.run(core.assignFrame, physical, m.zext(write, 32)));
    });
    m.if(m.and(write, m.isZero(m.and(m.use(entry), m.number(FRAME_DIRTY)))), () => {
      m.assign(entry, m.or(m.use(entry), m.number(FRAME_DIRTY)));
      b.store(32, place, 0, m.use(entry) as Node);
    });
    // A write that went to another frame than reads go to (ROM) leaves the TLB as it is.
    const apart = m.and(write, m.ne(m.and(m.use(entry), m.number(FRAME_SHARED)), m.number(0)));
    m.if(m.not(apart), () => fillTlb(m, linear, access, allowed, m.use(entry) as Node));
    m.set(vcpu.frameEntry, m.use(entry));
    return [m.or(m.and(m.use(entry), m.number(FRAME_MASK)), m.and(m.trunc(linear, 32), m.number(0xfff))) as Node];
  });

  const throughGate = (m: CoreEmitter, address: Node): Node => m.and(address, m.get(vcpu.a20Mask));

  const frameOf = (m: CoreEmitter, address: Node): Node => {
    const pageNumber = m.shr(address, 12);
    const inside = m.ltU(pageNumber, m.zext(m.get(vcpu.framePages), 64));
    const place = m.add(m.get(vcpu.frameTable), m.shl(m.trunc(pageNumber, 32), 2));
    const entry = m.variable(m.number(0));
    m.if(inside, () => m.assign(entry, m.builder.load(32, place, 0)));
    return m.use(entry) as Node;
  };

  defineCore(module, context, 'loadPhysical', core.loadPhysical, (m, bus) => {
    const { builder: b } = m;
    if (bus === undefined) return undefined;
    const address = throughGate(m, bus);
    const entry = m.variable(frameOf(m, address));
    m.if(m.isZero(m.and(m.use(entry), m.number(FRAME_RAM))), () => b.return([m.const(64, -1n)]));
    const absent = m.isZero(m.and(m.use(entry), m.number(FRAME_MASK)));
    m.if(absent, () => m.assign(entry, m.run(core.assignFrame, address, m.number(0))));
    const machine = m.or(m.and(m.use(entry), m.number(FRAME_MASK)), m.and(m.trunc(address, 32), m.number(0xfff)));
    return [b.load(64, machine as Node, 0)];
  });

  for (const [type, ref] of [
    [32, core.storePhysical32],
    [64, core.storePhysical64],
  ] as const) {
    defineCore(module, context, `storePhysical${type}`, ref, (m, bus, value) => {
      const { builder: b } = m;
      if (bus === undefined || value === undefined) return undefined;
      const address = throughGate(m, bus);
      const entry = m.variable(frameOf(m, address));
      m.if(m.isZero(m.and(m.use(entry), m.number(FRAME_RAM))), () => b.return([]));
      const absent = m.isZero(m.and(m.use(entry), m.number(FRAME_MASK)));
      const shared = m.ne(m.and(m.use(entry), m.number(FRAME_SHARED)), m.number(0));
      m.if(
        m.or(absent, shared),
        () => m.assign(entry, m.run(core.assignFrame, address, m.number(1))),
        () => {
          const place = m.add(m.get(vcpu.frameTable), m.shl(m.trunc(m.shr(address, 12), 32), 2));
          b.store(32, place, 0, m.or(m.use(entry), m.number(FRAME_DIRTY)) as Node);
        },
      );
      const machine = m.or(m.and(m.use(entry), m.number(FRAME_MASK)), m.and(m.trunc(address, 32), m.number(0xfff)));
      b.store(type, machine as Node, 0, value);
      m.if(m.ne(m.and(m.use(entry), m.number(FRAME_CODE)), m.number(0)), () => {
        m.builder.call(core.codeWritten, [m.vcpuBlock, m.operation, machine as Node, m.number(type / 8)]);
      });
      return [];
    });
  }
}
