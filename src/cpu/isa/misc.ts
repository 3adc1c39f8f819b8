/** Instructions that belong to no family: undefined opcodes, BOUND, CRC32, random numbers, RDPID. */

import { BR, defineRoutine, UD } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { defineInstruction, type Feature, type Instruction } from './instruction.ts';
import { widthOf } from './widths.ts';

function undefinedOpcode(name: string, form: string): Instruction {
  return defineInstruction({
    name,
    sdm: 'Vol. 2B "UD - Undefined Instruction"',
    forms: [form],
    semantics(m) {
      m.raise(UD);
    },
  });
}

const BOUND = defineInstruction({
  name: 'BOUND',
  sdm: 'Vol. 2A "BOUND - Check Array Index Against Bounds"',
  forms: ['62 /r Gv,Mv i64'],
  semantics(m, index, limits) {
    const width = m.operandSize;
    const address = m.memory(limits);
    const value = m.read(index);
    const lower = m.load(width, address);
    m.if(m.ltS(value, lower), () => m.raise(BR));
    // Processors read the upper limit only now, which shows where it cannot be read.
    const upper = m.load(width, m.offset(address, width / 8));
    m.if(m.ltS(upper, value), () => m.raise(BR));
  },
});

/** CRC-32C (polynomial 1EDC6F41H, bits reflected) of the low `bits` bits of `data`, from the lowest. */
const crc32c = defineRoutine({
  name: 'crc32c',
  params: [32, 64, 32],
  results: [32],
  faults: false,
  body(m, initial, data, bits) {
    const crc = m.variable(initial);
    const rest = m.variable(data);
    const left = m.variable(bits);
    m.while(
      () => m.ne(m.use(left), m.const(32, 0)),
      () => {
        const mixed = m.xor(m.use(crc), m.and(m.trunc(m.use(rest), 32), m.const(32, 0xff)));
        let next = mixed;
        for (let bit = 0; bit < 8; bit++) {
          const reduced = m.and(m.neg(m.and(next, m.const(32, 1))), m.const(32, 0x82f63b78));
          next = m.xor(m.shr(next, 1), reduced);
        }
        m.assign(crc, next);
        m.assign(rest, m.shr(m.use(rest), 8));
        m.assign(left, m.sub(m.use(left), m.const(32, 8)));
      },
    );
    return [m.use(crc)];
  },
});

const CRC32 = defineInstruction({
  name: 'CRC32',
  sdm: 'Vol. 2A "CRC32 - Accumulate CRC32 Value"',
  feature: 'sse4.2',
  forms: ['F2 0F 38 F0 /r Gy,Eb', 'F2 0F 38 F1 /r Gy,Ev'],
  semantics(m, dst, src) {
    const data = m.read(src);
    const [crc] = m.call(crc32c, m.trunc(m.read(dst), 32), m.zext(data, 64), m.const(32, widthOf(data)));
    m.write(dst, m.zext(crc, widthOf(dst)));
  },
});

/** The generator of the host never runs dry: CF is always 1. */
function random(name: string, sdm: string, feature: Feature, form: string): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, dst) {
      m.write(dst, m.trunc(m.host('random'), widthOf(dst)));
      const zero = m.const(1, 0);
      m.setFlags({ CF: m.const(1, 1), PF: zero, AF: zero, ZF: zero, SF: zero, OF: zero });
    },
  });
}

const RDPID = defineInstruction({
  name: 'RDPID',
  sdm: 'Vol. 2B "RDPID - Read Processor ID"',
  feature: 'rdpid',
  forms: ['F3 0F C7 /7 Rd i64', 'F3 0F C7 /7 Rq o64'],
  semantics(m, dst) {
    m.write(dst, m.zext(m.trunc(m.get(vcpu.tscAux), 32), widthOf(dst)));
  },
});

export const misc: readonly Instruction[] = [
  undefinedOpcode('UD0', '0F FF /r Gv,Ev'),
  undefinedOpcode('UD1', '0F B9 /r Gv,Ev'),
  undefinedOpcode('UD2', '0F 0B'),
  BOUND,
  CRC32,
  random('RDRAND', 'Vol. 2B "RDRAND - Read Random Number"', 'rdrand', 'NFx 0F C7 /6 Rv ends'),
  random('RDSEED', 'Vol. 2B "RDSEED - Read Random SEED"', 'rdseed', 'NFx 0F C7 /7 Rv ends'),
  RDPID,
];
