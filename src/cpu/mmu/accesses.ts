/**
 * The slow paths of loads and stores: TLB misses, page crossing, devices, frames that hold code, alignment checks and
 * data breakpoints. Generated code comes here when the TLB entry does not allow the access straight away.
 *
 * An access that reaches a device or writes over decoded code must be the last of its block (so that time, interrupts
 * and the code that follows are exact). Where it is not, the fault REPLAY makes the run loop run the instruction alone.
 */

import { AC, type Type } from '../algebra.ts';
import type { ModuleBuilder } from '../emit/code-space.ts';
import { bytesOf, type EmitterContext, REPLAY } from '../emit/emitter.ts';
import type { FunctionRef, Node } from '../emit/nodes.ts';
import { OPERATION_REMAINING } from '../interpreter/operation.ts';
import { CODE_GRANULE, CODE_MAP_BYTES, FRAME_CODE, TLB, TLB_ADDEND, TLB_ENTRIES, TLB_ENTRY_BYTES } from '../layout.ts';
import { vcpu } from '../state.ts';
import { type CoreEmitter, defineCore } from './core-emitter.ts';
import { DEVICE, NO_TRANSLATION, programAccess } from './translate.ts';
import { ACCESS_WRITE } from './walk.ts';

const types = [8, 16, 32, 64, 128] as const;
type AccessType = (typeof types)[number];

interface Path {
  /** Accesses to system structures: supervisor whatever CPL is. */
  readonly system: boolean;
  load(type: Type): FunctionRef;
  store(type: Type): FunctionRef;
}

function crosses(m: CoreEmitter, linear: Node, bytes: number): Node {
  return m.ltU(m.number(4096 - bytes), m.and(m.trunc(linear, 32), m.number(0xfff)));
}

/** Leaves for a replay unless this operation is the last of its block. */
function requireLast(m: CoreEmitter): void {
  m.if(m.ne(m.field8(OPERATION_REMAINING), m.number(1)), () => m.raise(REPLAY));
}

/** Leaves for a replay unless the instruction runs alone: what it brings about must come right behind it. */
function requireAlone(m: CoreEmitter): void {
  const goesOn = m.ne(m.get(vcpu.budget), m.number(0));
  m.if(m.or(goesOn, m.ne(m.field8(OPERATION_REMAINING), m.number(1))), () => m.raise(REPLAY));
}

/** 2, 4 and 8 bytes are checked for alignment; processors spare 128-bit accesses, and areas are no single access. */
function isChecked(m: CoreEmitter, size: Node): Node {
  return m.bit(m.shr(m.number((1 << 2) | (1 << 4) | (1 << 8)), m.and(size, m.number(31))), 0);
}

/** Alignment checks (SDM Vol. 3A §6.15 "Interrupt 17") and data breakpoints (Vol. 3B §17.2). */
function checkAccess(
  m: CoreEmitter,
  context: EmitterContext,
  linear: Node,
  bytes: number | Node,
  write: boolean,
): void {
  const size = typeof bytes === 'number' ? m.number(bytes) : bytes;
  if (typeof bytes !== 'number' || (bytes > 1 && bytes < 16)) {
    const asked = m.and(m.bit(m.get(vcpu.rflags), 18), m.bit(m.get(vcpu.cr0), 18));
    const checked = typeof bytes === 'number' ? asked : m.and(asked, isChecked(m, size));
    const user = m.eq(m.get(vcpu.cpl), m.number(3));
    const unaligned = m.ne(m.and(m.trunc(linear, 32), m.sub(size, m.number(1))), m.number(0));
    m.if(m.and(m.and(checked, user), unaligned), () => {
      const canonical = m.eq(m.sar(m.shl(linear, 16), 16), linear);
      m.if(canonical, () => m.raise(AC, 0));
    });
  }
  const breakpoints = m.and(m.trunc(m.getAt(vcpu.dr, 7), 32), m.number(0xff));
  m.if(m.ne(breakpoints, m.number(0)), () => {
    const hit = m.run(context.core.dataAccess, linear, size, m.number(write ? 1 : 0));
    m.if(m.ne(hit, m.number(0)), () => requireAlone(m));
  });
}

/** The translation of an access, or a fault. System accesses look in the supervisor TLB first. */
function locate(m: CoreEmitter, context: EmitterContext, path: Path, linear: Node, write: boolean): Node {
  const { builder: b } = m;
  const access = m.or(path.system ? m.number(0) : programAccess(m), m.number(write ? ACCESS_WRITE : 0));
  const found = m.variable(m.number(NO_TRANSLATION));
  const translate = (): void => {
    if (context.countHits) m.set(vcpu.tlbMisses, m.add(m.get(vcpu.tlbMisses), m.const(64, 1)));
    m.assign(found, m.run(context.core.translate, linear, access));
    m.if(m.isZero(m.use(found)), () => m.leaveWithFault());
  };
  if (path.system && !write) {
    const shift = Math.log2(TLB_ENTRY_BYTES);
    const index = m.and(m.trunc(m.shr(linear, 12 - shift), 32), m.number((TLB_ENTRIES - 1) << shift));
    const entry = m.add(m.vcpuBlock, index);
    const tag = m.or(m.shr(linear, 12), m.get(vcpu.tlbTag));
    m.if(
      m.eq(b.load(64, entry, TLB), tag),
      () => m.assign(found, m.add(m.trunc(linear, 32), b.load(32, entry, TLB + TLB_ADDEND))),
      translate,
    );
  } else {
    translate();
  }
  return m.use(found) as Node;
}

/** Both pages of an access that crosses must be there before either part is made. */
function locateBoth(m: CoreEmitter, context: EmitterContext, path: Path, linear: Node, write: boolean): void {
  locate(m, context, path, linear, write);
  locate(m, context, path, nextPage(m, linear), write);
}

function nextPage(m: CoreEmitter, linear: Node): Node {
  return m.and(m.add(linear, m.const(64, 0x1000)), m.const(64, ~0xfffn));
}

function defineLoad(module: ModuleBuilder, context: EmitterContext, path: Path, type: AccessType): void {
  const bytes = bytesOf(type);
  defineCore(module, context, `load${type}`, path.load(type), (m, linear) => {
    const { builder: b } = m;
    if (linear === undefined) return undefined;
    if (!path.system) checkAccess(m, context, linear, bytes, false);
    if (bytes > 1) {
      m.if(crosses(m, linear, bytes), () => {
        locateBoth(m, context, path, linear, false);
        b.return([loadPieces(m, path, linear, type)]);
      });
    }
    const machine = locate(m, context, path, linear, false);
    const value = m.variable(type === 128 ? m.op('i64x2.splat', [m.const(64, 0n)]) : m.const(type, 0));
    m.if(
      m.eq(machine, m.number(DEVICE)),
      () => {
        requireLast(m);
        const address = m.get(vcpu.devicePhysical);
        const part = (offset: number, size: number): Node =>
          m.run(context.core.deviceRead, m.add(address, m.const(64, offset)), m.number(size));
        m.assign(value, type === 128 ? m.join(part(0, 8), part(8, 8)) : m.trunc(part(0, bytes), type));
      },
      () => m.assign(value, b.load(type, machine, 0)),
    );
    return [m.use(value) as Node];
  });
}

/** An access across pages, byte by byte (128 bits as two halves). Devices across a page boundary see single bytes. */
function loadPieces(m: CoreEmitter, path: Path, linear: Node, type: AccessType): Node {
  const half = (offset: number, count: number): Node => {
    let value = m.const(64, 0n);
    for (let i = 0; i < count; i++) {
      const byte = m.run(path.load(8), m.add(linear, m.const(64, offset + i)));
      value = m.or(value, m.shl(m.zext(m.trunc(byte, 8), 64), 8 * i));
    }
    return value;
  };
  const checked = type === 128 ? m.join(half(0, 8), half(8, 8)) : m.trunc(half(0, type / 8), type);
  const result = m.variable(checked);
  m.if(m.ne(m.get(vcpu.faultVector), m.number(0xffff)), () => m.leaveWithFault());
  return m.use(result) as Node;
}

function storePieces(m: CoreEmitter, path: Path, linear: Node, value: Node, type: AccessType): void {
  const bytes = bytesOf(type);
  for (let i = 0; i < bytes; i++) {
    const source = type === 128 ? m.op('i64x2.extract_lane', [value], [i >> 3]) : value;
    const shift = 8 * (i & 7);
    const byte = m.trunc(shift === 0 ? source : m.shr(source, shift), 8);
    m.builder.call(path.store(8), [m.vcpuBlock, m.operation, m.add(linear, m.const(64, i)), byte]);
    m.if(m.ne(m.get(vcpu.faultVector), m.number(0xffff)), () => m.leaveWithFault());
  }
}

/** Whether decoded code lies in the bytes about to be written (which do not cross pages). */
function overCode(m: CoreEmitter, codeMap: number, machine: Node, bytes: number): Node {
  const map = m.add(m.mul(m.shr(machine, 12), m.number(CODE_MAP_BYTES)), m.number(codeMap));
  const bitAt = (address: Node): Node => {
    const granule = m.shr(m.and(address, m.number(0xfff)), Math.log2(CODE_GRANULE));
    const byte = m.builder.load(8, m.add(map, m.shr(granule, 3)), 0);
    return m.bit(m.shr(m.zext(byte, 32), m.and(granule, m.number(7))), 0);
  };
  return bytes === 1 ? bitAt(machine) : m.or(bitAt(machine), bitAt(m.add(machine, m.number(bytes - 1))));
}

function defineStore(
  module: ModuleBuilder,
  context: EmitterContext,
  path: Path,
  type: AccessType,
  codeMap: number,
): void {
  const bytes = bytesOf(type);
  defineCore(module, context, `store${type}`, path.store(type), (m, linear, value) => {
    const { builder: b } = m;
    if (linear === undefined || value === undefined) return undefined;
    // Callers pass values on with whatever lies above their width.
    value.dirty = type < 32;
    if (!path.system) checkAccess(m, context, linear, bytes, true);
    if (bytes > 1) {
      m.if(crosses(m, linear, bytes), () => {
        locateBoth(m, context, path, linear, true);
        // A replay must be asked for before the first byte is written.
        requireLast(m);
        storePieces(m, path, linear, value, type);
        b.return([]);
      });
    }
    const machine = locate(m, context, path, linear, true);
    m.if(m.eq(machine, m.number(DEVICE)), () => {
      requireLast(m);
      const address = m.get(vcpu.devicePhysical);
      const part = (offset: number, size: number, half: Node): void => {
        const at = m.add(address, m.const(64, offset));
        b.call(context.core.deviceWrite, [m.vcpuBlock, m.operation, at, m.number(size), half]);
      };
      if (type === 128) {
        part(0, 8, m.op('i64x2.extract_lane', [value], [0]));
        part(8, 8, m.op('i64x2.extract_lane', [value], [1]));
      } else {
        part(0, bytes, m.zext(value, 64));
      }
      b.return([]);
    });
    const code = m.ne(m.and(m.get(vcpu.frameEntry), m.number(FRAME_CODE)), m.number(0));
    m.if(m.and(code, overCode(m, codeMap, machine, bytes)), () => {
      requireLast(m);
      b.store(type, machine, 0, value);
      b.call(context.core.codeWritten, [m.vcpuBlock, m.operation, machine, m.number(bytes)]);
      b.return([]);
    });
    b.store(type, machine, 0, value);
    return [];
  });
}

/** `codeMap`: machine address of the code map. */
export function defineAccesses(module: ModuleBuilder, context: EmitterContext, codeMap: number): void {
  const { core } = context;
  const program: Path = { system: false, load: (type) => core.load(type), store: (type) => core.store(type) };
  const system: Path = { system: true, load: (type) => core.loadSystem(type), store: (type) => core.storeSystem(type) };
  for (const type of types) {
    for (const path of [program, system]) {
      defineLoad(module, context, path, type);
      defineStore(module, context, path, type, codeMap);
    }
  }

  defineCore(module, context, 'probe', core.probe, (m, linear, bytes) => {
    const { builder: b } = m;
    if (linear === undefined || bytes === undefined) return undefined;
    checkAccess(m, context, linear, bytes, true);
    const last = m.add(linear, m.zext(m.sub(bytes, m.number(1)), 64));
    const machine = locate(m, context, program, linear, true);
    const code = m.and(m.get(vcpu.frameEntry), m.number(FRAME_CODE));
    m.if(m.ne(m.shr(last, 12), m.shr(linear, 12)), () => {
      locate(m, context, program, nextPage(m, linear), true);
      b.return([m.number(0)]);
    });
    m.if(m.eq(machine, m.number(DEVICE)), () => b.return([m.number(0)]));
    return [m.select(m.isZero(code), machine, m.number(0))];
  });

  defineCore(module, context, 'probeRange', core.probeRange, (m, linear, bytes) => {
    if (linear === undefined || bytes === undefined) return undefined;
    checkAccess(m, context, linear, bytes, true);
    locate(m, context, program, linear, true);
    const last = m.add(linear, m.zext(m.sub(bytes, m.number(1)), 64));
    m.if(m.ne(m.shr(last, 12), m.shr(linear, 12)), () => void locate(m, context, program, nextPage(m, linear), true));
    return [];
  });
}
