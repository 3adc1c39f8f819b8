/**
 * Software interrupts of virtual-8086 mode that go to the 8086 program's own handler: the redirection bitmap of CR4.VME
 * (SDM Vol. 3B §20.3.3.4 "Method 5 Software Interrupt Handling", Table 20-2 methods 5 and 6).
 */

import { CS, defineRoutine, GP, TR } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { CR4_VME } from './control-bits.ts';
import { anySet, ioPrivilegeLevel } from './modes.ts';
import { FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_TF, FLAG_VIF, readRflags } from './rflags.ts';
import { setRealSegment } from './segment-registers.ts';
import { Stack } from './stacks.ts';

const TSS_IO_MAP = 102;
/** The redirection bitmap lies right below the I/O map. */
const REDIRECTION_BYTES = 32;

/** (vector, offset to return to) -> 1 where it was redirected; `rip` is the handler's then. */
export const deliverVirtual = defineRoutine({
  name: 'deliverVirtual',
  params: [32, 64],
  results: [32],
  faults: true,
  body(m, vector, returnIp) {
    const redirected = m.variable(m.const(32, 0));
    m.if(anySet(m, m.get(vcpu.cr4), CR4_VME), () => {
      const base = m.getAt(vcpu.segmentBase, TR);
      const map = m.zext(m.loadSystem(16, m.add(base, m.const(64, TSS_IO_MAP))), 32);
      const place = m.add(m.sub(map, m.const(32, REDIRECTION_BYTES)), m.shr(vector, 3));
      m.if(m.ltU(m.getAt(vcpu.segmentLimit, TR), place), () => m.raise(GP, 0));
      const bits = m.zext(m.loadSystem(8, m.add(base, m.zext(place, 64))), 32);
      const bit = m.and(m.shr(bits, m.and(vector, m.const(32, 7))), m.const(32, 1));
      m.assign(redirected, m.xor(bit, m.const(32, 1)));
    });
    m.if(m.ne(m.use(redirected), m.const(32, 0)), () => {
      const flags = readRflags(m);
      // Below IOPL 3 the program sees VIF in IF's place and an IOPL of 3.
      const restricted = m.ne(ioPrivilegeLevel(m), m.const(32, 3));
      const interrupt = m.and(m.shr(flags, 10), m.const(32, FLAG_IF));
      const image = m.or(m.or(m.and(flags, m.const(32, ~FLAG_IF)), interrupt), m.const(32, FLAG_IOPL));
      const entry = m.loadSystem(32, m.zext(m.shl(vector, 2), 64));
      const stack = new Stack(m, m.const(32, 2));
      stack.push(m.zext(m.select(restricted, image, flags), 64));
      stack.push(m.zext(m.getAt(vcpu.segmentSelector, CS), 64));
      stack.push(returnIp);
      stack.commit();
      setRealSegment(m, CS, m.trunc(m.shr(entry, 16), 16));
      const off = m.select(restricted, m.const(32, FLAG_VIF), m.const(32, FLAG_IF));
      const cleared = m.or(off, m.const(32, FLAG_TF | FLAG_NT));
      m.set(vcpu.rflags, m.and(m.get(vcpu.rflags), m.not(cleared)));
      m.set(vcpu.rip, m.zext(m.and(entry, m.const(32, 0xffff)), 64));
      m.contextChanged();
    });
    return [m.use(redirected)];
  },
});
