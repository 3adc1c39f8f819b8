/**
 * Hardware task switches: SDM Vol. 3A §7.3 "Task Switching", with 16- and 32-bit TSSs (Figures 7-2 and 7-10).
 */

import {
  type Algebra,
  CS,
  DS,
  defineRoutine,
  ES,
  FS,
  GP,
  GS,
  LDTR,
  NP,
  SS,
  TR,
  TS,
  type Value,
} from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { CR0_PG, CR0_TS, CR4_PAE, DR6_BT, WRITTEN_CR3 } from './control-bits.ts';
import { loadPageDirectoryPointers } from './control-registers.ts';
import { deliverException, SOURCE_EXCEPTION } from './deliver.ts';
import { TSS_BUSY } from './descriptor-tables.ts';
import {
  ACCESS_UNUSABLE,
  descriptorAccess,
  descriptorAddress,
  descriptorBase,
  descriptorDpl,
  descriptorLimit,
  markAccessed,
  selectorError,
  setSegment,
} from './descriptors.ts';
import { anySet, isVirtual8086, requestRunLoop } from './modes.ts';
import { FLAG_NT, FLAGS_ALL, readRflags, writeRflags } from './rflags.ts';
import {
  checkDataDescriptor,
  checkStackDescriptor,
  isNullSelector,
  requestedPrivilege,
  setCodeSegment,
  setNullSegment,
  setRealSegment,
} from './segment-registers.ts';
import { Stack } from './stacks.ts';

/** What brings a task switch about. */
export const SWITCH_JUMP = 0;
/** CALL, or an interrupt through a task gate: nests. */
export const SWITCH_CALL = 1;
export const SWITCH_RETURN = 2;

/** Local breakpoint enables of DR7. */
const DR7_LOCAL = 0x155;
const SEGMENTS = [ES, CS, SS, DS, FS, GS];

/** Offsets in a TSS. */
interface Layout {
  readonly width: 16 | 32;
  readonly ip: number;
  readonly flags: number;
  readonly registers: number;
  readonly segments: number;
  readonly segmentCount: number;
  readonly localTable: number;
}

const LAYOUT_16: Layout = {
  width: 16,
  ip: 0x0e,
  flags: 0x10,
  registers: 0x12,
  segments: 0x22,
  segmentCount: 4,
  localTable: 0x2a,
};
const LAYOUT_32: Layout = {
  width: 32,
  ip: 0x20,
  flags: 0x24,
  registers: 0x28,
  segments: 0x48,
  segmentCount: 6,
  localTable: 0x60,
};
const TSS_CR3 = 0x1c;
const TSS_TRAP = 0x64;
const LIMIT_16 = 0x2b;
const LIMIT_32 = 0x67;

function byLayout(m: Algebra, access: Value, use: (layout: Layout) => void): void {
  m.if(
    m.bit(access, 3),
    () => use(LAYOUT_32),
    () => use(LAYOUT_16),
  );
}

/** (offset to return to, RFLAGS image): the registers into the TSS of the task that is left. */
const saveTask = defineRoutine({
  name: 'saveTask',
  params: [64, 32],
  results: [],
  faults: true,
  body(m, ip, flags) {
    const base = m.getAt(vcpu.segmentBase, TR);
    byLayout(m, m.getAt(vcpu.segmentAccess, TR), (layout) => {
      const { width } = layout;
      const store = (offset: number, value: Value): void =>
        m.storeSystem(m.add(base, m.const(64, offset)), m.trunc(value, width));
      // The last place first: all of it lies within two pages, so that a fault comes before anything is written.
      const lastSegment = layout.segments + (width / 8) * (layout.segmentCount - 1);
      for (let i = layout.segmentCount - 1; i >= 0; i--) {
        const place = layout.segments + (width / 8) * i;
        m.storeSystem(m.add(base, m.const(64, place)), m.getAt(vcpu.segmentSelector, SEGMENTS[i] as number));
        if (place === lastSegment) store(layout.ip, ip);
      }
      store(layout.flags, flags);
      for (let i = 0; i < 8; i++) store(layout.registers + (width / 8) * i, m.getGpr(i, 32));
    });
    return [];
  },
});

/** Selectors of the new task whose descriptors are not loaded yet: nothing can be reached through them. */
function setUnloadedSegment(m: Algebra, segment: number, selector: Value): void {
  m.setAt(vcpu.segmentSelector, segment, selector);
  m.setAt(vcpu.segmentAccess, segment, m.const(32, ACCESS_UNUSABLE));
}

/**
 * (base, access) of the new TSS -> (offset to go on at, 1 if the new page-directory pointers cannot be loaded).
 * Everything but descriptors. The TSS is read before its address space is entered.
 */
const loadTask = defineRoutine({
  name: 'loadTask',
  params: [64, 32],
  results: [64, 32],
  faults: true,
  body(m, base, access) {
    const ip = m.variable(m.const(64, 0));
    const unmapped = m.variable(m.const(32, 0));
    byLayout(m, access, (layout) => {
      const { width } = layout;
      const load = (offset: number): Value => m.zext(m.loadSystem(width, m.add(base, m.const(64, offset))), 32);
      const selector = (offset: number): Value => m.loadSystem(16, m.add(base, m.const(64, offset)));
      const newIp = load(layout.ip);
      const flags = load(layout.flags);
      const registers = Array.from({ length: 8 }, (_, i) => load(layout.registers + (width / 8) * i));
      const segments = Array.from({ length: layout.segmentCount }, (_, i) =>
        selector(layout.segments + (width / 8) * i),
      );
      const localTable = selector(layout.localTable);
      if (width === 32) {
        const traps = m.bit(m.loadSystem(16, m.add(base, m.const(64, TSS_TRAP))), 0);
        const cr3 = m.loadSystem(32, m.add(base, m.const(64, TSS_CR3)));
        m.if(traps, () => {
          m.set(vcpu.pendingDebug, m.or(m.get(vcpu.pendingDebug), m.const(32, DR6_BT)));
          requestRunLoop(m);
        });
        m.if(anySet(m, m.get(vcpu.cr0), CR0_PG), () => {
          m.set(vcpu.cr3, m.zext(cr3, 64));
          m.if(anySet(m, m.get(vcpu.cr4), CR4_PAE), () => {
            m.assign(unmapped, m.call(loadPageDirectoryPointers, m.zext(cr3, 64))[0] as Value);
          });
          m.host('controlWritten', m.const(32, WRITTEN_CR3));
        });
      }
      m.assign(ip, m.zext(newIp, 64));
      writeRflags(m, flags, m.const(32, FLAGS_ALL));
      registers.forEach((value, i) => {
        // A 16-bit TSS has no upper halves.
        m.setGpr(i, width === 32 ? value : m.or(value, m.const(32, 0xffff0000)));
      });
      SEGMENTS.forEach((segment, i) => {
        setUnloadedSegment(m, segment, segments[i] ?? m.const(16, 0));
      });
      setUnloadedSegment(m, LDTR, localTable);
    });
    return [m.use(ip), m.use(unmapped)];
  },
});

/** LDTR from the selector in it. */
function loadTaskLocalTable(m: Algebra): void {
  const selector = m.getAt(vcpu.segmentSelector, LDTR);
  const error = selectorError(m, selector);
  m.if(m.not(isNullSelector(m, selector)), () => {
    m.if(m.bit(selector, 2), () => m.raise(TS, error));
    const descriptor = m.loadSystem(64, descriptorAddress(m, selector, TS));
    const access = descriptorAccess(m, descriptor);
    const usable = m.eq(m.and(access, m.const(32, 0x9f)), m.const(32, 0x82));
    m.if(m.not(usable), () => m.raise(TS, error));
    m.setAt(vcpu.segmentBase, LDTR, descriptorBase(m, descriptor));
    m.setAt(vcpu.segmentLimit, LDTR, descriptorLimit(m, descriptor));
    m.setAt(vcpu.segmentAccess, LDTR, access);
  });
}

function loadTaskCode(m: Algebra): void {
  const selector = m.getAt(vcpu.segmentSelector, CS);
  const error = selectorError(m, selector);
  const level = requestedPrivilege(m, selector);
  m.if(isNullSelector(m, selector), () => m.raise(TS, error));
  const address = descriptorAddress(m, selector, TS);
  const descriptor = m.loadSystem(64, address);
  const access = descriptorAccess(m, descriptor);
  const dpl = descriptorDpl(m, access);
  const isCode = m.eq(m.and(access, m.const(32, 0x18)), m.const(32, 0x18));
  const wrongLevel = m.select(m.bit(access, 2), m.ltU(level, dpl), m.ne(level, dpl));
  m.if(m.or(m.not(isCode), wrongLevel), () => m.raise(TS, error));
  m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
  markAccessed(m, address, access);
  setCodeSegment(m, selector, descriptor, level);
}

function loadTaskStack(m: Algebra): void {
  const selector = m.getAt(vcpu.segmentSelector, SS);
  m.if(isNullSelector(m, selector), () => m.raise(TS, selectorError(m, selector)));
  const address = descriptorAddress(m, selector, TS);
  const descriptor = m.loadSystem(64, address);
  const access = descriptorAccess(m, descriptor);
  checkStackDescriptor(m, selector, access, m.get(vcpu.cpl), TS);
  markAccessed(m, address, access);
  setSegment(m, SS, selector, descriptor);
}

function loadTaskData(m: Algebra, segment: number): void {
  const selector = m.getAt(vcpu.segmentSelector, segment);
  const cpl = m.get(vcpu.cpl);
  m.if(
    isNullSelector(m, selector),
    () => setNullSegment(m, segment, selector, cpl),
    () => {
      const address = descriptorAddress(m, selector, TS);
      const descriptor = m.loadSystem(64, address);
      const access = descriptorAccess(m, descriptor);
      checkDataDescriptor(m, selector, access, cpl, TS);
      markAccessed(m, address, access);
      setSegment(m, segment, selector, descriptor);
    },
  );
}

/**
 * (offset to go on at, whether its page-directory pointers are bad, has an error code, error code, size of it in bytes):
 * segments and stack of the new task. Faults are the new task's.
 */
const enterTask = defineRoutine({
  name: 'enterTask',
  params: [64, 32, 32, 32, 32],
  results: [],
  faults: true,
  body(m, ip, unmapped, hasCode, code, bytes) {
    m.if(m.ne(unmapped, m.const(32, 0)), () => m.raise(TS, selectorError(m, m.getAt(vcpu.segmentSelector, TR))));
    loadTaskLocalTable(m);
    m.if(
      isVirtual8086(m),
      () => {
        m.set(vcpu.cpl, m.const(32, 3));
        for (const segment of SEGMENTS) setRealSegment(m, segment, m.getAt(vcpu.segmentSelector, segment));
      },
      () => {
        loadTaskCode(m);
        loadTaskStack(m);
        for (const segment of [DS, ES, FS, GS]) loadTaskData(m, segment);
      },
    );
    m.contextChanged();
    m.if(m.ltU(m.zext(m.getAt(vcpu.segmentLimit, CS), 64), ip), () => m.raise(GP, 0));
    m.if(m.ne(hasCode, m.const(32, 0)), () => {
      const stack = new Stack(m, bytes);
      stack.push(m.zext(code, 64));
      stack.commit();
    });
    return [];
  },
});

/** Sets or clears the busy bit of the TSS descriptor that `selector` names. */
function setBusy(m: Algebra, selector: Value, busy: boolean): void {
  const place = m.add(descriptorAddress(m, selector, TS), m.const(64, 5));
  const byte = m.loadSystem(8, place);
  m.storeSystem(place, busy ? m.or(byte, m.const(8, TSS_BUSY)) : m.and(byte, m.const(8, ~TSS_BUSY)));
}

/** Whether two values of type 32 are equal. */
function is(m: Algebra, value: Value, constant: number): Value {
  return m.eq(value, m.const(32, constant));
}

/**
 * (TSS selector, SWITCH_..., offset of the next instruction, has an error code, error code) -> (target, shutdown: 0 or
 * 1). Privilege has been checked. A fault while the new task's segments are loaded is delivered in the new task; the
 * target is its handler then.
 */
export const switchTask = defineRoutine({
  name: 'switchTask',
  params: [16, 32, 64, 32, 32],
  results: [64, 32],
  faults: true,
  body(m, selector, reason, next, hasCode, code) {
    const error = selectorError(m, selector);
    const returns = is(m, reason, SWITCH_RETURN);
    const nests = is(m, reason, SWITCH_CALL);
    const refuse = (condition: Value): void =>
      m.if(condition, () =>
        m.if(
          returns,
          () => m.raise(TS, error),
          () => m.raise(GP, error),
        ),
      );
    refuse(m.bit(selector, 2));
    refuse(m.ltU(m.get(vcpu.gdtrLimit), m.or(m.zext(selector, 32), m.const(32, 7))));
    const descriptor = m.loadSystem(64, descriptorAddress(m, selector));
    const access = descriptorAccess(m, descriptor);
    const wanted = m.select(returns, m.const(32, 1 | TSS_BUSY), m.const(32, 1));
    refuse(m.ne(m.and(access, m.const(32, 0x17)), wanted));
    m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
    const limit = descriptorLimit(m, descriptor);
    const least = m.select(m.bit(access, 3), m.const(32, LIMIT_32), m.const(32, LIMIT_16));
    m.if(m.ltU(limit, least), () => m.raise(TS, error));
    const base = descriptorBase(m, descriptor);

    const oldSelector = m.getAt(vcpu.segmentSelector, TR);
    const flags = readRflags(m);
    const kept = m.select(returns, m.and(flags, m.const(32, ~FLAG_NT)), flags);
    m.call(saveTask, next, kept);
    m.if(
      nests,
      () => m.storeSystem(base, oldSelector),
      () => setBusy(m, oldSelector, false),
    );
    m.if(m.not(returns), () => setBusy(m, selector, true));

    m.setAt(vcpu.segmentSelector, TR, selector);
    m.setAt(vcpu.segmentBase, TR, base);
    m.setAt(vcpu.segmentLimit, TR, limit);
    m.setAt(vcpu.segmentAccess, TR, m.or(access, m.const(32, TSS_BUSY)));
    const [ip, unmapped] = m.call(loadTask, base, access);
    m.set(vcpu.cr0, m.or(m.get(vcpu.cr0), m.const(64, CR0_TS)));
    m.setAt(vcpu.dr, 7, m.and(m.getAt(vcpu.dr, 7), m.const(64, ~DR7_LOCAL)));
    m.if(nests, () => m.set(vcpu.rflags, m.or(m.get(vcpu.rflags), m.const(32, FLAG_NT))));

    const target = m.variable(ip);
    const shutdown = m.variable(m.const(32, 0));
    const bytes = m.select(m.bit(access, 3), m.const(32, 4), m.const(32, 2));
    m.if(m.attempt(enterTask, ip, unmapped, hasCode, code, bytes), () => {
      m.contextChanged();
      m.set(vcpu.rip, ip);
      m.assign(shutdown, m.call(deliverException, m.const(32, SOURCE_EXCEPTION))[0]);
      m.assign(target, m.get(vcpu.rip));
    });
    return [m.use(target), m.use(shutdown)];
  },
});
