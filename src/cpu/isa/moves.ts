/** Data movement and conversion between widths: SDM Vol. 1 §7.3.1 "Data Transfer Instructions". */

import { RAX, RBX } from '../state.ts';
import { byteSwap } from './byte-swap.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { unsigned, type Width, widthOf } from './widths.ts';

const MOV = defineInstruction({
  name: 'MOV',
  sdm: 'Vol. 2B "MOV - Move"',
  forms: [
    '88 /r Eb,Gb',
    '89 /r Ev,Gv',
    '8A /r Gb,Eb',
    '8B /r Gv,Ev',
    'A0 AL,Ob',
    'A1 rAX,Ov',
    'A2 Ob,AL',
    'A3 Ov,rAX',
    'B0+r Zb,Ib',
    'B8+r Zv,Iv',
    'C6 /0 Eb,Ib',
    'C7 /0 Ev,Iz',
  ],
  semantics(m, dst, src) {
    m.write(dst, m.read(src));
  },
});

const MOVZX = defineInstruction({
  name: 'MOVZX',
  sdm: 'Vol. 2B "MOVZX - Move With Zero-Extend"',
  forms: ['0F B6 /r Gv,Eb', '0F B7 /r Gv,Ew'],
  semantics(m, dst, src) {
    m.write(dst, m.zext(m.read(src), widthOf(dst)));
  },
});

const MOVSX = defineInstruction({
  name: 'MOVSX',
  sdm: 'Vol. 2B "MOVSX/MOVSXD - Move With Sign-Extension"',
  forms: ['0F BE /r Gv,Eb', '0F BF /r Gv,Ew'],
  semantics(m, dst, src) {
    m.write(dst, m.sext(m.read(src), widthOf(dst)));
  },
});

const MOVSXD = defineInstruction({
  name: 'MOVSXD',
  sdm: 'Vol. 2B "MOVSX/MOVSXD - Move With Sign-Extension"',
  forms: ['63 /r Gv,Ez o64'],
  semantics(m, dst, src) {
    m.write(dst, m.sext(m.read(src), widthOf(dst)));
  },
});

const LEA = defineInstruction({
  name: 'LEA',
  sdm: 'Vol. 2A "LEA - Load Effective Address"',
  forms: ['8D /r Gv,M'],
  semantics(m, dst, src) {
    m.write(dst, unsigned(m, m.memory(src).offset, m.operandSize));
  },
});

const XCHG = defineInstruction({
  name: 'XCHG',
  sdm: 'Vol. 2D "XCHG - Exchange Register/Memory With Register"',
  forms: ['86 /r Eb,Gb lock', '87 /r Ev,Gv lock', '90+r Zv,rAX'],
  semantics(m, dst, src) {
    const a = m.readForWrite(dst);
    const b = m.read(src);
    m.write(dst, b);
    m.write(src, a);
  },
});

const BSWAP = defineInstruction({
  name: 'BSWAP',
  sdm: 'Vol. 2A "BSWAP - Byte Swap"',
  forms: ['0F C8+r Zv'],
  semantics(m, dst) {
    // A 16-bit swap is undefined in the manual; processors clear the word.
    m.write(dst, m.operandSize === 16 ? m.const(16, 0) : byteSwap(m, m.read(dst)));
  },
});

const MOVBE = defineInstruction({
  name: 'MOVBE',
  sdm: 'Vol. 2B "MOVBE - Move Data After Swapping Bytes"',
  feature: 'movbe',
  forms: ['NFx 0F 38 F0 /r Gv,Mv', 'NFx 0F 38 F1 /r Mv,Gv'],
  semantics(m, dst, src) {
    m.write(dst, byteSwap(m, m.read(src)));
  },
});

const MOVNTI = defineInstruction({
  name: 'MOVNTI',
  sdm: 'Vol. 2B "MOVNTI - Store Doubleword Using Non-Temporal Hint"',
  feature: 'sse2',
  forms: ['NP 0F C3 /r My,Gy'],
  semantics(m, dst, src) {
    m.write(dst, m.read(src));
  },
});

const MOVDIRI = defineInstruction({
  name: 'MOVDIRI',
  sdm: 'Vol. 2B "MOVDIRI - Move Doubleword as Direct Store"',
  feature: 'movdiri',
  forms: ['NP 0F 38 F9 /r My,Gy'],
  semantics(m, dst, src) {
    m.write(dst, m.read(src));
  },
});

const XLAT = defineInstruction({
  name: 'XLAT',
  sdm: 'Vol. 2D "XLAT/XLATB - Table Look-up Translation"',
  forms: ['D7'],
  semantics(m) {
    const width: Width = m.addressSize;
    const offset = m.add(m.getGpr(RBX, width), m.zext(m.getGpr(RAX, 8), width));
    m.setGpr(RAX, m.load(8, m.at(m.dataSegment, offset)));
  },
});

export const moves: readonly Instruction[] = [
  MOV,
  MOVZX,
  MOVSX,
  MOVSXD,
  LEA,
  XCHG,
  BSWAP,
  MOVBE,
  MOVNTI,
  MOVDIRI,
  XLAT,
];
