/** Condition codes by number, as their mnemonics have them: SDM Vol. 1 Appendix B "EFLAGS Condition Codes". */
export const conditionNames = [
  'O',
  'NO',
  'B',
  'NB',
  'Z',
  'NZ',
  'BE',
  'NBE',
  'S',
  'NS',
  'P',
  'NP',
  'L',
  'NL',
  'LE',
  'NLE',
] as const;
