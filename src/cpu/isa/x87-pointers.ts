/** The x87 opcode register (SDM Vol. 1 §8.1.9 "Last Instruction Opcode"), found by reading the instruction again. */

import { type Algebra, CS, defineRoutine, type Routine, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { equals } from './fp/format.ts';

const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3];

function isPrefix(m: Algebra, byte: Value): Value {
  const rex = equals(m, m.and(byte, m.const(8, 0xf0)), 0x40);
  return PREFIXES.reduce((found, prefix) => m.or(found, equals(m, byte, prefix)), rex);
}

/**
 * (instruction pointer): sets FOP to the low bits of the instruction's opcode and its ModRM byte. Only an unmasked
 * exception asks for it, so that the instruction need not carry its bytes along.
 */
function recordRoutine(type: 32 | 64): Routine {
  return defineRoutine({
    name: `x87RecordOpcode${type}`,
    params: [type],
    results: [],
    faults: true,
    body(m, ip) {
      const at = m.variable(ip);
      const byte = (): Value => m.load(8, m.at(CS, m.use(at)));
      const next = (): void => m.assign(at, m.add(m.use(at), m.const(type, 1)));
      m.while(() => isPrefix(m, byte()), next);
      const opcode = m.and(m.zext(byte(), 16), m.const(16, 7));
      next();
      m.set(vcpu.fop, m.or(m.shl(opcode, 8), m.zext(byte(), 16)));
      return [];
    },
  });
}

const recordInLegacyMode = recordRoutine(32);
const recordInLongMode = recordRoutine(64);

/** Sets FOP for the instruction at hand. */
export function recordOpcode(m: Algebra): void {
  if (m.mode === 64) m.call(recordInLongMode, m.ip());
  else m.call(recordInLegacyMode, m.trunc(m.ip(), 32));
}
