/**
 * Delivery of exceptions and interrupts: SDM Vol. 3A chapter 6, with double and triple faults (§6.15 "Interrupt 8").
 */

import { type Algebra, BP, DB, DF, defineRoutine, MF, OF, PF, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { CR0_NE, DR7_GD } from './control-bits.ts';
import { deliverLegacy } from './deliver-legacy.ts';
import { deliverLong } from './deliver-long.ts';
import { anySet } from './modes.ts';

/** What brings an event about, `deliverException`'s parameter. */
export const SOURCE_EXCEPTION = 0;
/** INT n: subject to the gate's DPL. */
export const SOURCE_SOFTWARE = 1;
/** INT3, INTO: subject to the gate's DPL, but an exception otherwise. */
export const SOURCE_TRAP = 2;
export const SOURCE_EXTERNAL = 3;

const NO_FAULT = 0xffff;
/** As after HLT. */
const HALTED = 1;

/** (vector, has error code, error code, source, offset to return to): one attempt. `rip` is the handler's then. */
export const deliverOnce = defineRoutine({
  name: 'deliverOnce',
  params: [32, 32, 32, 32, 64],
  results: [],
  faults: true,
  body(m, vector, hasCode, code, source, returnIp) {
    m.if(
      m.bit(m.get(vcpu.efer), 10),
      () => void m.call(deliverLong, vector, hasCode, code, source, returnIp),
      () => void m.call(deliverLegacy, vector, hasCode, code, source, returnIp),
    );
    m.set(vcpu.stepEnded, m.const(32, 1));
    return [];
  },
});

/** #DE, #TS, #NP, #SS, #GP. */
function isContributory(m: Algebra, vector: Value): Value {
  const set = m.const(32, (1 << 0) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13));
  return m.and(m.ltU(vector, m.const(32, 32)), m.bit(m.shr(set, m.and(vector, m.const(32, 31))), 0));
}

/** EXT in the error codes of faults met while delivering: the event was not asked for by the program. */
export function externalBit(m: Algebra, source: Value): Value {
  const soft = m.or(m.eq(source, m.const(32, SOURCE_SOFTWARE)), m.eq(source, m.const(32, SOURCE_TRAP)));
  return m.zext(m.not(soft), 32);
}

/** Gates' DPL matters. */
export function checksGateDpl(m: Algebra, source: Value): Value {
  return m.or(m.eq(source, m.const(32, SOURCE_SOFTWARE)), m.eq(source, m.const(32, SOURCE_TRAP)));
}

/** Whether the pushed image has RF set: the event is of class fault, so the instruction runs again. */
export function setsResumeFlag(m: Algebra, vector: Value, source: Value): Value {
  const trap = [DB, BP, OF, DF].map((v) => m.eq(vector, m.const(32, v)));
  const isTrap = trap.reduce((a, b) => m.or(a, b));
  return m.and(m.eq(source, m.const(32, SOURCE_EXCEPTION)), m.not(isTrap));
}

/**
 * An x87 exception with CR0.NE clear (SDM Vol. 1 appendix D.2.1): FERR#, and the instruction that waits for it to be
 * handled is not begun before an interrupt has been taken.
 */
function stopForInterrupt(m: Algebra): void {
  m.set(vcpu.faultVector, m.const(32, NO_FAULT));
  m.set(vcpu.activity, m.const(32, HALTED));
  m.set(vcpu.stepEnded, m.const(32, 1));
  m.host('numericError');
}

/**
 * (source) -> 1 on shutdown. Delivers the event in `faultVector`, `faultHasCode`, `faultCode`, `faultLinear`, with
 * `rip` the address to return to; then `rip` is the handler's.
 */
export const deliverException = defineRoutine({
  name: 'deliverException',
  params: [32],
  results: [32],
  faults: false,
  body(m, sourceValue) {
    const vector = m.variable(m.get(vcpu.faultVector));
    const hasCode = m.variable(m.get(vcpu.faultHasCode));
    const code = m.variable(m.get(vcpu.faultCode));
    const source = m.variable(sourceValue as Value);
    const shutdown = m.variable(m.const(32, 0));
    const trying = m.variable(m.const(1, 1));
    const numeric = m.and(m.eq(m.use(vector), m.const(32, MF)), m.eq(m.use(source), m.const(32, SOURCE_EXCEPTION)));
    m.if(m.and(numeric, m.not(anySet(m, m.get(vcpu.cr0), CR0_NE))), () => {
      stopForInterrupt(m);
      m.assign(trying, m.const(1, 0));
    });
    m.while(
      () => m.use(trying),
      () => {
        m.set(vcpu.faultVector, m.const(32, NO_FAULT));
        const isException = m.eq(m.use(source), m.const(32, SOURCE_EXCEPTION));
        const pageFaults = m.and(m.eq(m.use(vector), m.const(32, PF)), isException);
        m.if(pageFaults, () => m.set(vcpu.cr2, m.get(vcpu.faultLinear)));
        const debug = m.and(m.eq(m.use(vector), m.const(32, DB)), isException);
        m.if(debug, () => m.setAt(vcpu.dr, 7, m.and(m.getAt(vcpu.dr, 7), m.const(64, ~DR7_GD))));
        const faulted = m.attempt(
          deliverOnce,
          m.use(vector),
          m.use(hasCode),
          m.use(code),
          m.use(source),
          m.get(vcpu.rip),
        );
        m.assign(trying, m.const(1, 0));
        m.if(faulted, () => {
          const first = m.use(vector);
          const second = m.and(m.get(vcpu.faultVector), m.const(32, 0xff));
          m.set(vcpu.faultVector, m.const(32, NO_FAULT));
          // Even where it becomes a double fault (§6.15 "Interrupt 14").
          m.if(m.eq(second, m.const(32, PF)), () => m.set(vcpu.cr2, m.get(vcpu.faultLinear)));
          const exception = m.eq(m.use(source), m.const(32, SOURCE_EXCEPTION));
          const contributory = isContributory(m, second);
          const pageFault = m.eq(first, m.const(32, PF));
          const again = m.or(
            m.and(isContributory(m, first), contributory),
            m.and(pageFault, m.or(contributory, m.eq(second, m.const(32, PF)))),
          );
          m.if(
            m.and(exception, m.eq(first, m.const(32, DF))),
            () => m.assign(shutdown, m.const(32, 1)),
            () => {
              m.assign(trying, m.const(1, 1));
              m.if(
                m.and(exception, again),
                () => {
                  m.assign(vector, m.const(32, DF));
                  m.assign(hasCode, m.const(32, 1));
                  m.assign(code, m.const(32, 0));
                },
                () => {
                  m.assign(vector, second);
                  m.assign(hasCode, m.get(vcpu.faultHasCode));
                  m.assign(code, m.get(vcpu.faultCode));
                  m.assign(source, m.const(32, SOURCE_EXCEPTION));
                },
              );
            },
          );
        });
      },
    );
    return [m.use(shutdown)];
  },
});
