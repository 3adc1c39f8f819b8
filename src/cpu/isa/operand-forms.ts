/** Forms that several families of instructions share. */

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

/** Opcodes `base` to `base + 15`, one per condition code: Jcc, SETcc, CMOVcc. */
export function opcodePlus(base: number, offset: number): string {
  return hex(base + offset);
}

/** The eight two-operand operations of the one-byte opcode map, by their number: ADD OR ADC SBB AND SUB XOR CMP. */
export function binaryForms(digit: number, attribute = ''): string[] {
  const opcode = (low: number) => hex((digit << 3) | low);
  const forms = [
    `${opcode(0)} /r Eb,Gb ${attribute}`,
    `${opcode(1)} /r Ev,Gv ${attribute}`,
    `${opcode(2)} /r Gb,Eb`,
    `${opcode(3)} /r Gv,Ev`,
    `${opcode(4)} AL,Ib`,
    `${opcode(5)} rAX,Iz`,
    `80 /${digit} Eb,Ib ${attribute}`,
    `81 /${digit} Ev,Iz ${attribute}`,
    `82 /${digit} Eb,Ib i64 ${attribute}`,
    `83 /${digit} Ev,Ibs ${attribute}`,
  ];
  return forms.map((form) => form.trim());
}
