/**
 * INT n, INT3, INTO, INT1: SDM Vol. 1 §6.4.4 "INT n, INTO, INT3, INT1, and BOUND Instructions"; in virtual-8086 mode
 * Vol. 3B §20.3 "Interrupt and Exception Handling in Virtual-8086 Mode".
 */

import { BP, DB, defineRoutine, GP, OF } from '../../algebra.ts';
import { vcpu } from '../../state.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { deliverOnce, SOURCE_EXTERNAL, SOURCE_SOFTWARE, SOURCE_TRAP } from './deliver.ts';
import { deliverVirtual } from './deliver-virtual.ts';
import { ioPrivilegeLevel, isVirtual8086 } from './modes.ts';

/** (vector, source, offset of the next instruction): `rip` is the handler's then. */
const softwareInterrupt = defineRoutine({
  name: 'softwareInterrupt',
  params: [32, 32, 64],
  results: [],
  faults: true,
  body(m, vector, source, next) {
    const handled = m.variable(m.const(32, 0));
    m.if(m.and(isVirtual8086(m), m.eq(source, m.const(32, SOURCE_SOFTWARE))), () => {
      m.assign(handled, m.call(deliverVirtual, vector, next)[0]);
      const privileged = m.ne(ioPrivilegeLevel(m), m.const(32, 3));
      m.if(m.and(m.isZero(m.use(handled)), privileged), () => m.raise(GP, 0));
    });
    m.if(m.isZero(m.use(handled)), () => {
      const none = m.const(32, 0);
      m.call(deliverOnce, vector, none, none, source, next);
    });
    return [];
  },
});

const INT = defineInstruction({
  name: 'INT',
  sdm: 'Vol. 2A "INT n/INTO/INT3/INT1 - Call to Interrupt Procedure"',
  forms: ['CD Ib ends'],
  semantics(m, vector) {
    m.call(softwareInterrupt, m.zext(m.read(vector), 32), m.const(32, SOURCE_SOFTWARE), m.nextIp());
    m.jumpFar(m.get(vcpu.rip));
  },
});

const INT3 = defineInstruction({
  name: 'INT3',
  sdm: 'Vol. 2A "INT n/INTO/INT3/INT1 - Call to Interrupt Procedure"',
  forms: ['CC ends'],
  semantics(m) {
    m.call(softwareInterrupt, m.const(32, BP), m.const(32, SOURCE_TRAP), m.nextIp());
    m.jumpFar(m.get(vcpu.rip));
  },
});

const INTO = defineInstruction({
  name: 'INTO',
  sdm: 'Vol. 2A "INT n/INTO/INT3/INT1 - Call to Interrupt Procedure"',
  forms: ['CE i64 ends'],
  semantics(m) {
    m.if(m.getFlag('OF'), () => {
      m.call(softwareInterrupt, m.const(32, OF), m.const(32, SOURCE_TRAP), m.nextIp());
      m.jumpFar(m.get(vcpu.rip));
    });
  },
});

/** ICEBP: #DB whatever the gate's DPL, nothing in DR6. */
const INT1 = defineInstruction({
  name: 'INT1',
  sdm: 'Vol. 2A "INT n/INTO/INT3/INT1 - Call to Interrupt Procedure"',
  forms: ['F1 ends'],
  semantics(m) {
    m.call(softwareInterrupt, m.const(32, DB), m.const(32, SOURCE_EXTERNAL), m.nextIp());
    m.jumpFar(m.get(vcpu.rip));
  },
});

export const interrupts: readonly Instruction[] = [INT, INT3, INTO, INT1];
