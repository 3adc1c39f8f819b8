/** Delivery through the 64-bit IDT: SDM Vol. 3A §6.14 "Exception and Interrupt Handling in 64-bit Mode". */

import { type Algebra, CS, defineRoutine, GP, NP, SS, SS_FAULT, TR, TS, type Value } from '../../algebra.ts';
import { RSP, vcpu } from '../../state.ts';
import { checksGateDpl, externalBit, setsResumeFlag } from './deliver.ts';
import {
  ACCESS_UNUSABLE,
  descriptorAccess,
  descriptorAddress,
  descriptorDpl,
  selectorError,
  setSegment,
} from './descriptors.ts';
import { isCanonical } from './modes.ts';
import { FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VM, readRflags } from './rflags.ts';

const GATE_INTERRUPT = 0xe;
const GATE_TRAP = 0xf;
/** Offsets in the 64-bit TSS (§7.7): RSP0 and IST1. */
export const TSS_RSP0 = 4;
const TSS_IST1 = 0x24;

/** A stack pointer from the TSS; #TS beyond its limit, with `external` (type 32) as the EXT bit. */
export function stackFromTss(m: Algebra, offset: Value, external: Value): Value {
  const limit = m.getAt(vcpu.segmentLimit, TR);
  const error = selectorError(m, m.getAt(vcpu.segmentSelector, TR), external);
  m.if(m.ltU(limit, m.add(offset, m.const(32, 7))), () => m.raise(TS, error));
  return m.loadSystem(64, m.add(m.getAt(vcpu.segmentBase, TR), m.zext(offset, 64)));
}

/** (vector, has error code, error code, source, offset to return to) */
export const deliverLong = defineRoutine({
  name: 'deliverLong',
  params: [32, 32, 32, 32, 64],
  results: [],
  faults: true,
  body(m, vector, hasCode, code, source, returnIp) {
    const external = externalBit(m, source);
    const cpl = m.get(vcpu.cpl);

    // The gate. Faults name it in the IDT: vector * 8 + 2.
    const gateError = m.or(m.or(m.shl(vector, 3), m.const(32, 2)), external);
    const gateOffset = m.shl(vector, 4);
    m.if(m.ltU(m.get(vcpu.idtrLimit), m.add(gateOffset, m.const(32, 15))), () => m.raise(GP, gateError));
    const gateAddress = m.add(m.get(vcpu.idtrBase), m.zext(gateOffset, 64));
    const gate = m.loadSystem(64, gateAddress);
    const gateHigh = m.loadSystem(64, m.add(gateAddress, m.const(64, 8)));
    const rights = m.trunc(m.shr(gate, 40), 32);
    const type = m.and(rights, m.const(32, 0x1f));
    const isInterrupt = m.eq(type, m.const(32, GATE_INTERRUPT));
    m.if(m.not(m.or(isInterrupt, m.eq(type, m.const(32, GATE_TRAP)))), () => m.raise(GP, gateError));
    const gateDpl = m.and(m.shr(rights, 5), m.const(32, 3));
    m.if(m.and(checksGateDpl(m, source), m.ltU(gateDpl, cpl)), () => m.raise(GP, gateError));
    m.if(m.not(m.bit(rights, 7)), () => m.raise(NP, gateError));

    // The code segment.
    const selector = m.trunc(m.shr(gate, 16), 16);
    m.if(m.isZero(m.and(selector, m.const(16, 0xfffc))), () => m.raise(GP, external));
    const error = selectorError(m, selector, external);
    const descriptor = m.loadSystem(64, descriptorAddress(m, selector, GP, external));
    const access = descriptorAccess(m, descriptor);
    const dpl = descriptorDpl(m, access);
    const isCode = m.eq(m.and(access, m.const(32, 0x18)), m.const(32, 0x18));
    const is64 = m.eq(m.and(access, m.const(32, 0x6000)), m.const(32, 0x2000));
    m.if(m.or(m.not(m.and(isCode, is64)), m.ltU(cpl, dpl)), () => m.raise(GP, error));
    m.if(m.not(m.bit(access, 7)), () => m.raise(NP, error));
    const newCpl = m.select(m.bit(access, 2), cpl, dpl);
    const inner = m.ltU(newCpl, cpl);

    const offset = m.or(
      m.or(m.and(gate, m.const(64, 0xffffn)), m.and(m.shr(gate, 32), m.const(64, 0xffff0000n))),
      m.shl(gateHigh, 32),
    );
    m.if(m.not(isCanonical(m, offset)), () => m.raise(GP, external));

    // The stack: IST, or the TSS's for a more privileged level, or the one in use; aligned to 16 bytes.
    const ist = m.and(m.trunc(m.shr(gate, 32), 32), m.const(32, 7));
    const top = m.variable(m.getGpr(RSP, 64));
    m.if(
      m.ne(ist, m.const(32, 0)),
      () => m.assign(top, stackFromTss(m, m.add(m.shl(ist, 3), m.const(32, TSS_IST1 - 8)), external)),
      () => m.if(inner, () => m.assign(top, stackFromTss(m, m.add(m.shl(newCpl, 3), m.const(32, TSS_RSP0)), external))),
    );
    m.if(m.not(isCanonical(m, m.use(top))), () => m.raise(SS_FAULT, external));
    m.assign(top, m.and(m.use(top), m.const(64, -16n)));
    const resume = m.select(setsResumeFlag(m, vector, source), m.const(32, FLAG_RF), m.const(32, 0));
    const flags = m.or(readRflags(m), resume);
    const push = (value: Value): void => {
      m.assign(top, m.sub(m.use(top), m.const(64, 8)));
      // A handler at CPL 3 has user stacks; any other pushes as supervisor.
      m.if(
        m.eq(newCpl, m.const(32, 3)),
        () => m.store(m.at(SS, m.use(top)), value),
        () => m.storeSystem(m.use(top), value),
      );
    };
    push(m.zext(m.getAt(vcpu.segmentSelector, SS), 64));
    push(m.getGpr(RSP, 64));
    push(m.zext(flags, 64));
    push(m.zext(m.getAt(vcpu.segmentSelector, CS), 64));
    push(returnIp);
    m.if(m.ne(hasCode, m.const(32, 0)), () => push(m.zext(code, 64)));

    // Nothing faults from here on.
    m.setGpr(RSP, m.use(top));
    m.set(vcpu.rip, offset);
    const rpl = m.trunc(newCpl, 16);
    setSegment(m, CS, m.or(m.and(selector, m.const(16, 0xfffc)), rpl), descriptor);
    m.setAt(vcpu.segmentBase, CS, m.const(64, 0n));
    m.if(inner, () => {
      m.setAt(vcpu.segmentSelector, SS, rpl);
      m.setAt(vcpu.segmentAccess, SS, m.or(m.const(32, ACCESS_UNUSABLE | 0x93), m.shl(newCpl, 5)));
    });
    const clear = m.or(
      m.const(32, FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM),
      m.select(isInterrupt, m.const(32, FLAG_IF), m.const(32, 0)),
    );
    m.set(vcpu.rflags, m.and(m.get(vcpu.rflags), m.not(clear)));
    m.set(vcpu.cpl, newCpl);
    m.set(vcpu.interruptShadow, m.const(32, 0));
    m.contextChanged();
    return [];
  },
});
