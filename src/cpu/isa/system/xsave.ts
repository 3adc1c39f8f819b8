/**
 * XSAVE, XSAVEOPT, XSAVEC, XRSTOR: SDM Vol. 1 chapter 13 "Managing State Using the XSAVE Feature Set", for the x87 and
 * SSE components, which lie in the legacy region in both formats.
 *
 *     +0    legacy region, as FXSAVE's (`../x87-fxsave.ts`)
 *     +512  XSTATE_BV     +520  XCOMP_BV     +528  reserved, to +575
 *
 * Every component always counts as in use (§13.6 leaves XINUSE to the processor), so that XSAVEOPT saves all it is asked
 * for.
 */

import { type Address, type Algebra, GP, NM, type Operand, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { initialise } from '../x87-control.ts';
import {
  loadMxcsrImage,
  loadX87Image,
  loadXmmImage,
  storeMxcsrImage,
  storeX87Image,
  storeXmmImage,
} from '../x87-fxsave.ts';
import { CR0_TS, CR4_OSXSAVE } from './control-bits.ts';
import { anySet, requireCr4 } from './modes.ts';
import { wideAccumulator } from './processor.ts';

const AREA_BYTES = 576;
const XSTATE_BV = 512;
const XCOMP_BV = 520;
const RESERVED = 528;
const MXCSR_RESET = 0x1f80;

const X87 = 0;
const SSE = 1;
const COMPACTED = 1n << 63n;

/** Address of the area, which must be on 64 bytes. */
function area(m: Algebra, operand: Operand, access: 'read' | 'write'): Address {
  requireCr4(m, CR4_OSXSAVE);
  m.if(anySet(m, m.get(vcpu.cr0), CR0_TS), () => m.raise(NM));
  const address = m.memory(operand);
  m.if(anySet(m, m.linear(address, AREA_BYTES, access), 63), () => m.raise(GP, 0));
  return address;
}

/** The components asked for: EDX:EAX as far as XCR0 goes. */
function requested(m: Algebra): Value {
  return m.and(wideAccumulator(m), m.get(vcpu.xcr0));
}

/** FCW to XMM15, as far as asked for. */
function saveComponents(m: Algebra, address: Address, components: Value, wide: boolean): void {
  m.if(m.bit(components, X87), () => storeX87Image(m, address, wide));
  m.if(m.bit(components, SSE), () => {
    storeMxcsrImage(m, address);
    storeXmmImage(m, address);
  });
}

function save(name: string, sdm: string, feature: Feature, form: string, wide: boolean): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, to) {
      const address = area(m, to, 'write');
      m.probeWrite(address, AREA_BYTES);
      const components = requested(m);
      const old = m.load(64, m.offset(address, XSTATE_BV));
      saveComponents(m, address, components, wide);
      m.store(m.offset(address, XSTATE_BV), m.or(old, components));
    },
  });
}

function saveCompacted(name: string, form: string, wide: boolean): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2D "XSAVEC - Save Processor Extended States With Compaction"',
    feature: 'xsavec',
    forms: [form],
    semantics(m, to) {
      const address = area(m, to, 'write');
      m.probeWrite(address, AREA_BYTES);
      const components = requested(m);
      saveComponents(m, address, components, wide);
      m.store(m.offset(address, XSTATE_BV), components);
      m.store(m.offset(address, XCOMP_BV), m.or(components, m.const(64, COMPACTED)));
    },
  });
}

/** #GP(0) for a header that does not fit the format it says it has (§13.8.1, §13.8.2). */
function checkHeader(m: Algebra, address: Address, saved: Value, format: Value): void {
  const reserved = Array.from({ length: (AREA_BYTES - RESERVED) / 8 }, (_, i) =>
    m.load(64, m.offset(address, RESERVED + 8 * i)),
  );
  const all = reserved.reduce((a, b) => m.or(a, b));
  const unsupported = m.not(m.get(vcpu.xcr0));
  const compacted = m.msb(format);
  const layout = m.and(format, m.const(64, ~COMPACTED));
  const wrongCompacted = m.or(m.or(m.and(layout, unsupported), m.and(saved, m.not(layout))), all);
  const wrongStandard = m.or(m.or(m.and(saved, unsupported), format), reserved[0]);
  m.if(m.ne(m.select(compacted, wrongCompacted, wrongStandard), m.const(64, 0)), () => m.raise(GP, 0));
}

function initialiseX87(m: Algebra): void {
  initialise(m);
  for (let i = 0; i < 8; i++) {
    m.setAt(vcpu.stMantissa, i, m.const(64, 0));
    m.setAt(vcpu.stExponent, i, m.const(16, 0));
  }
}

function clearXmm(m: Algebra): void {
  const zero = m.const(64, 0);
  for (let i = 0; i < (m.mode === 64 ? 16 : 8); i++) m.setXmm(i, m.join(zero, zero));
}

function restore(name: string, form: string, wide: boolean): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2D "XRSTOR - Restore Processor Extended States"',
    feature: 'xsave',
    forms: [form],
    semantics(m, from) {
      const address = area(m, from, 'read');
      // Processors look at the header first. Both ends can be read, so all of it can: nothing below faults but for what is
      // in the area.
      for (const offset of [XCOMP_BV, 0]) m.load(64, m.offset(address, offset));
      const components = requested(m);
      const saved = m.load(64, m.offset(address, XSTATE_BV));
      const format = m.load(64, m.offset(address, XCOMP_BV));
      checkHeader(m, address, saved, format);

      // MXCSR is not the SSE component's in the standard format: it is loaded even where that is initialised.
      const sse = m.bit(components, SSE);
      const hasSse = m.bit(saved, SSE);
      m.if(sse, () =>
        m.if(
          m.or(hasSse, m.not(m.msb(format))),
          () => loadMxcsrImage(m, address)(),
          () => m.set(vcpu.mxcsr, m.const(32, MXCSR_RESET)),
        ),
      );
      m.if(m.bit(components, X87), () =>
        m.if(
          m.bit(saved, X87),
          () => loadX87Image(m, address, wide)(),
          () => initialiseX87(m),
        ),
      );
      m.if(sse, () =>
        m.if(
          hasSse,
          () => loadXmmImage(m, address)(),
          () => clearXmm(m),
        ),
      );
    },
  });
}

const SDM_XSAVE = 'Vol. 2D "XSAVE - Save Processor Extended States"';
const SDM_XSAVEOPT = 'Vol. 2D "XSAVEOPT - Save Processor Extended States Optimized"';

export const xsave: readonly Instruction[] = [
  save('XSAVE', SDM_XSAVE, 'xsave', 'NP W0 0F AE /4 M', false),
  save('XSAVE64', SDM_XSAVE, 'xsave', 'NP W1 0F AE /4 M', true),
  save('XSAVEOPT', SDM_XSAVEOPT, 'xsaveopt', 'NP W0 0F AE /6 M', false),
  save('XSAVEOPT64', SDM_XSAVEOPT, 'xsaveopt', 'NP W1 0F AE /6 M', true),
  saveCompacted('XSAVEC', 'NP W0 0F C7 /4 M', false),
  saveCompacted('XSAVEC64', 'NP W1 0F C7 /4 M', true),
  restore('XRSTOR', 'NP W0 0F AE /5 M', false),
  restore('XRSTOR64', 'NP W1 0F AE /5 M', true),
];
