/**
 * What the algebra's operations must give, by hand: one table for every engine's tests.
 *
 *     for (const row of algebraCases) assert.deepEqual(applyCase(m, row, row.args.map(constant)), expected);
 */

import type { Algebra, Flag, Type, Value } from './algebra.ts';

type Unary = 'not' | 'neg' | 'clz' | 'ctz' | 'popcnt' | 'isZero' | 'msb';
type Binary =
  | ('add' | 'sub' | 'mul' | 'and' | 'or' | 'xor' | 'shl' | 'shr' | 'sar' | 'rotl' | 'rotr')
  | ('divU' | 'divS' | 'remU' | 'remS' | 'eq' | 'ne' | 'ltU' | 'ltS' | 'leU' | 'leS' | 'mulWide' | 'join');
type Conversion = 'zext' | 'sext' | 'trunc';
type PureOperation = Unary | Binary | Conversion | 'bit' | 'select';

/** The pure operations that cases apply. */
export type PureAlgebra = Pick<Algebra, PureOperation>;

/** A constant: its type and its bits, unsigned. */
export type CaseValue = readonly [type: Type, bits: bigint];

export interface AlgebraCase {
  readonly operation: PureOperation;
  readonly args: readonly CaseValue[];
  /** Target of a conversion. */
  readonly to?: Type;
  /** The bit that `bit` takes, or a shift count known to TypeScript. */
  readonly number?: number;
  readonly expected: readonly CaseValue[];
}

/** Applies the case to `args`, the engine's own constants for `row.args`. */
export function applyCase(m: PureAlgebra, row: AlgebraCase, args: readonly Value[]): Value[] {
  const [a, b, c] = args;
  switch (row.operation) {
    case 'not':
    case 'neg':
    case 'clz':
    case 'ctz':
    case 'popcnt':
    case 'isZero':
    case 'msb':
      return [m[row.operation](a)];
    case 'zext':
    case 'sext':
    case 'trunc':
      return [m[row.operation](a, row.to as Type)];
    case 'bit':
      return [m.bit(a, row.number as number)];
    case 'select':
      return [m.select(a, b, c)];
    case 'mulWide':
      return m.mulWide(a, b);
    case 'shl':
    case 'shr':
    case 'sar':
    case 'rotl':
    case 'rotr':
      return [m[row.operation](a, row.number ?? b)];
    default:
      return [m[row.operation](a, b)];
  }
}

const cases: AlgebraCase[] = [];

type Numbers = readonly (number | bigint)[];

/** Rows of two arguments of one type and the result, which has type `to`. */
function binary(operation: Binary, type: Type, rows: readonly Numbers[], to = type): void {
  for (const [a, b, result] of rows.map((row) => row.map(BigInt))) {
    const args = [[type, a] as const, [type, b] as const];
    cases.push({ operation, args, expected: [[to, result]] });
  }
}

function unary(operation: Unary, type: Type, rows: readonly Numbers[], to = type): void {
  for (const [a, result] of rows.map((row) => row.map(BigInt))) {
    cases.push({ operation, args: [[type, a]], expected: [[to, result]] });
  }
}

/** Shifts with the count as a number, and as values of several types. */
function shift(operation: 'shl' | 'shr' | 'sar' | 'rotl' | 'rotr', type: Type, rows: readonly Numbers[]): void {
  for (const [a, count, result] of rows.map((row) => row.map(BigInt))) {
    const expected = [[type, result]] as const;
    cases.push({ operation, args: [[type, a]], number: Number(count), expected });
    for (const countType of [8, 16, 32, 64] as const) {
      cases.push({
        operation,
        args: [
          [type, a],
          [countType, count],
        ],
        expected,
      });
    }
  }
}

function convert(
  operation: Conversion,
  rows: readonly (readonly [Type, number | bigint, Type, number | bigint])[],
): void {
  for (const [from, a, to, result] of rows) {
    cases.push({ operation, args: [[from, BigInt(a)]], to, expected: [[to, BigInt(result)]] });
  }
}

const ONES = 0xffff_ffff_ffff_ffffn;
const TOP = 1n << 63n;

binary('add', 1, [
  [1, 1, 0],
  [1, 0, 1],
]);
binary('add', 8, [
  [0xff, 1, 0],
  [0x7f, 1, 0x80],
  [0x80, 0x80, 0],
]);
binary('add', 16, [
  [0xffff, 2, 1],
  [0x7fff, 0x7fff, 0xfffe],
]);
binary('add', 32, [
  [0xffff_ffff, 1, 0],
  [0x8000_0000, 0x8000_0001, 1],
]);
binary('add', 64, [
  [ONES, 2, 1],
  [TOP, TOP, 0],
  [0xffff_ffff, 1, 0x1_0000_0000],
]);
binary('sub', 8, [
  [0, 1, 0xff],
  [0x80, 1, 0x7f],
]);
binary('sub', 16, [[1, 2, 0xffff]]);
binary('sub', 32, [[0, 0x8000_0000, 0x8000_0000]]);
binary('sub', 64, [
  [0, 1, ONES],
  [0x1_0000_0000, 1, 0xffff_ffff],
]);
binary('mul', 8, [
  [0xff, 0xff, 1],
  [0x10, 0x10, 0],
]);
binary('mul', 16, [
  [0xffff, 0xffff, 1],
  [0x1234, 0x10, 0x2340],
]);
binary('mul', 32, [
  [0xffff_ffff, 3, 0xffff_fffd],
  [0x1_0001, 0x1_0001, 0x2_0001],
]);
binary('mul', 64, [
  [ONES, ONES, 1],
  [0x1_0000_0000, 0x1_0000_0000, 0],
  [0x1_0000_0001, 3, 0x3_0000_0003],
]);
binary('and', 8, [[0xf0, 0x3c, 0x30]]);
binary('and', 1, [
  [1, 1, 1],
  [1, 0, 0],
]);
binary('or', 16, [[0xf000, 0x000f, 0xf00f]]);
binary('or', 1, [
  [0, 1, 1],
  [0, 0, 0],
]);
binary('xor', 64, [[ONES, 0xff, 0xffff_ffff_ffff_ff00n]]);
binary('xor', 1, [
  [1, 1, 0],
  [1, 0, 1],
]);
unary('not', 1, [
  [0, 1],
  [1, 0],
]);
unary('not', 8, [
  [0, 0xff],
  [0x55, 0xaa],
]);
unary('not', 32, [[0xffff_0000, 0xffff]]);
unary('not', 64, [[0, ONES]]);
unary('neg', 8, [
  [0x80, 0x80],
  [1, 0xff],
  [0, 0],
]);
unary('neg', 16, [[1, 0xffff]]);
unary('neg', 64, [
  [TOP, TOP],
  [1, ONES],
]);

shift('shl', 8, [
  [0x81, 1, 2],
  [0xff, 7, 0x80],
  [0x55, 0, 0x55],
]);
shift('shl', 16, [[0xffff, 15, 0x8000]]);
shift('shl', 32, [
  [3, 31, 0x8000_0000],
  [0xffff_ffff, 0, 0xffff_ffff],
]);
shift('shl', 64, [
  [3, 63, TOP],
  [1, 32, 0x1_0000_0000],
]);
shift('shr', 8, [
  [0x81, 1, 0x40],
  [0xff, 7, 1],
  [0xff, 0, 0xff],
]);
shift('shr', 16, [[0x8000, 15, 1]]);
shift('shr', 32, [
  [0x8000_0000, 31, 1],
  [0x8000_0000, 0, 0x8000_0000],
]);
shift('shr', 64, [
  [TOP, 63, 1],
  [ONES, 32, 0xffff_ffff],
]);
shift('sar', 8, [
  [0x80, 7, 0xff],
  [0x40, 6, 1],
  [0x80, 0, 0x80],
]);
shift('sar', 16, [[0x8000, 4, 0xf800]]);
shift('sar', 32, [
  [0x8000_0000, 31, 0xffff_ffff],
  [0x7fff_ffff, 30, 1],
]);
shift('sar', 64, [
  [TOP, 63, ONES],
  [TOP, 32, 0xffff_ffff_8000_0000n],
]);
shift('rotl', 32, [
  [0x8000_0001, 1, 3],
  [0x1234_5678, 32, 0x1234_5678],
  [0x1234_5678, 36, 0x2345_6781],
]);
shift('rotl', 64, [
  [TOP | 1n, 1, 3],
  [TOP, 64, TOP],
  [0x1234, 0, 0x1234],
]);
shift('rotr', 32, [
  [3, 1, 0x8000_0001],
  [0x1234_5678, 4, 0x8123_4567],
]);
shift('rotr', 64, [
  [3, 1, TOP | 1n],
  [1, 63, 2],
]);

binary('divU', 32, [
  [0xffff_ffff, 2, 0x7fff_ffff],
  [1, 0xffff_ffff, 0],
]);
binary('divU', 64, [[ONES, 10, 0x1999_9999_9999_9999n]]);
binary('divS', 32, [
  [0xffff_fff9, 2, 0xffff_fffd],
  [0x8000_0000, 2, 0xc000_0000],
]);
binary('divS', 64, [
  [ONES - 6n, 2, ONES - 2n],
  [7, ONES - 1n, ONES - 2n],
]);
binary('remU', 32, [[0xffff_ffff, 10, 5]]);
binary('remU', 64, [[ONES, 10, 5]]);
binary('remS', 32, [
  [0xffff_fff9, 2, 0xffff_ffff],
  [7, 0xffff_fffe, 1],
  [0x8000_0000, 0xffff_ffff, 0],
]);
binary('remS', 64, [
  [ONES - 6n, 3, ONES],
  [7, ONES - 2n, 1],
]);
unary('clz', 32, [
  [0, 32],
  [1, 31],
  [0x8000_0000, 0],
]);
unary('clz', 64, [
  [0, 64],
  [1, 63],
  [TOP, 0],
]);
unary('ctz', 32, [
  [0, 32],
  [1, 0],
  [0x8000_0000, 31],
]);
unary('ctz', 64, [
  [0, 64],
  [0x1_0000_0000, 32],
  [TOP, 63],
]);
unary('popcnt', 32, [
  [0, 0],
  [0xffff_ffff, 32],
  [0x8000_0001, 2],
]);
unary('popcnt', 64, [
  [ONES, 64],
  [TOP | 1n, 2],
]);

for (const [type, top] of [
  [8, 0x80],
  [16, 0x8000],
  [32, 0x8000_0000],
  [64, TOP],
] as const) {
  const most = BigInt(top) - 1n;
  binary(
    'eq',
    type,
    [
      [top, top, 1],
      [top, 0, 0],
    ],
    1,
  );
  binary(
    'ne',
    type,
    [
      [top, top, 0],
      [top, most, 1],
    ],
    1,
  );
  binary(
    'ltU',
    type,
    [
      [most, top, 1],
      [top, most, 0],
      [top, top, 0],
    ],
    1,
  );
  binary(
    'ltS',
    type,
    [
      [most, top, 0],
      [top, most, 1],
      [top, top, 0],
    ],
    1,
  );
  binary(
    'leU',
    type,
    [
      [most, top, 1],
      [top, most, 0],
      [top, top, 1],
    ],
    1,
  );
  binary(
    'leS',
    type,
    [
      [most, top, 0],
      [top, most, 1],
      [top, top, 1],
    ],
    1,
  );
  unary(
    'isZero',
    type,
    [
      [0, 1],
      [top, 0],
      [1, 0],
    ],
    1,
  );
  unary(
    'msb',
    type,
    [
      [top, 1],
      [most, 0],
    ],
    1,
  );
}
binary(
  'eq',
  1,
  [
    [1, 1, 1],
    [1, 0, 0],
  ],
  1,
);
unary(
  'isZero',
  1,
  [
    [0, 1],
    [1, 0],
  ],
  1,
);
for (const [type, a, number, result] of [
  [8, 0x80, 7, 1],
  [8, 0x7f, 7, 0],
  [16, 0x100, 8, 1],
  [32, 0x8000_0000, 31, 1],
] as const) {
  cases.push({ operation: 'bit', args: [[type, BigInt(a)]], number, expected: [[1, BigInt(result)]] });
}
cases.push({ operation: 'bit', args: [[64, 1n << 40n]], number: 40, expected: [[1, 1n]] });
cases.push({ operation: 'bit', args: [[64, ~(1n << 40n) & ONES]], number: 40, expected: [[1, 0n]] });

convert('zext', [
  [1, 1, 8, 1],
  [1, 1, 64, 1],
  [8, 0xff, 16, 0xff],
  [8, 0x80, 32, 0x80],
  [8, 0x80, 64, 0x80],
  [16, 0x8000, 32, 0x8000],
  [16, 0xffff, 64, 0xffff],
  [32, 0x8000_0000, 64, 0x8000_0000],
  [64, ONES, 64, ONES],
  [64, ONES, 128, ONES],
]);
convert('sext', [
  [1, 1, 8, 0xff],
  [1, 1, 64, ONES],
  [1, 0, 32, 0],
  [8, 0x80, 16, 0xff80],
  [8, 0x7f, 16, 0x7f],
  [8, 0x80, 32, 0xffff_ff80],
  [8, 0x80, 64, 0xffff_ffff_ffff_ff80n],
  [16, 0x8000, 32, 0xffff_8000],
  [16, 0x8000, 64, 0xffff_ffff_ffff_8000n],
  [32, 0x8000_0000, 64, 0xffff_ffff_8000_0000n],
  [32, 0x7fff_ffff, 64, 0x7fff_ffff],
]);
convert('trunc', [
  [64, 0x1_2345_6789n, 32, 0x2345_6789],
  [64, 0x1_2345_6789n, 16, 0x6789],
  [64, 0x1_2345_6789n, 8, 0x89],
  [64, 0x1_2345_6789n, 1, 1],
  [32, 0xffff_0100, 16, 0x100],
  [32, 0xffff_0100, 8, 0],
  [16, 0x1ff, 8, 0xff],
  [8, 2, 1, 0],
  [128, (7n << 64n) | 0x1_0000_0005n, 64, 0x1_0000_0005n],
  [128, (7n << 64n) | 0x1_0000_0005n, 32, 5],
]);

for (const type of [8, 16, 32, 64, 128] as const) {
  for (const condition of [0n, 1n]) {
    const args: CaseValue[] = [
      [1, condition],
      [type, 0x81n],
      [type, 0x7en],
    ];
    cases.push({ operation: 'select', args, expected: [[type, condition === 1n ? 0x81n : 0x7en]] });
  }
}
for (const [a, b, low, high] of [
  [ONES, ONES, 1n, ONES - 1n],
  [TOP, 2n, 0n, 1n],
  [0x1_0000_0001n, 0x1_0000_0001n, 0x2_0000_0001n, 1n],
  [0xffff_ffffn, 0xffff_ffffn, 0xffff_fffe_0000_0001n, 0n],
] as const) {
  cases.push({
    operation: 'mulWide',
    args: [
      [64, a],
      [64, b],
    ],
    expected: [
      [64, low],
      [64, high],
    ],
  });
}
cases.push({
  operation: 'join',
  args: [
    [64, 5n],
    [64, TOP],
  ],
  expected: [[128, (TOP << 64n) | 5n]],
});

export const algebraCases: readonly AlgebraCase[] = cases;

/** What `setFlags` makes of the flags. All six are set, or all clear, before. */
export interface FlagCase {
  readonly before: 'set' | 'clear';
  readonly writes: { readonly [flag in Flag]?: boolean } & { readonly result?: CaseValue };
  /** The flags that are set afterwards, in the order of their bits. */
  readonly expected: readonly Flag[];
}

export const flagCases: readonly FlagCase[] = [
  { before: 'set', writes: {}, expected: ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF'] },
  { before: 'clear', writes: {}, expected: [] },
  { before: 'set', writes: { result: [32, 1n] }, expected: ['CF', 'AF', 'OF'] },
  { before: 'clear', writes: { result: [32, 0n] }, expected: ['PF', 'ZF'] },
  { before: 'clear', writes: { result: [8, 0x80n] }, expected: ['SF'] },
  { before: 'clear', writes: { result: [8, 0x81n] }, expected: ['PF', 'SF'] },
  { before: 'clear', writes: { result: [16, 0x8000n] }, expected: ['PF', 'SF'] },
  { before: 'clear', writes: { result: [16, 0x0100n] }, expected: ['PF'] },
  { before: 'clear', writes: { result: [32, 0x8000_0001n] }, expected: ['SF'] },
  { before: 'clear', writes: { result: [64, TOP] }, expected: ['PF', 'SF'] },
  { before: 'clear', writes: { result: [64, 0x8000_0000n] }, expected: ['PF'] },
  { before: 'set', writes: { result: [64, 0n], ZF: false }, expected: ['CF', 'PF', 'AF', 'OF'] },
  { before: 'clear', writes: { result: [64, 1n], ZF: true }, expected: ['ZF'] },
  { before: 'clear', writes: { result: [8, 0n], SF: true }, expected: ['PF', 'ZF', 'SF'] },
  { before: 'clear', writes: { result: [8, 1n], PF: true }, expected: ['PF'] },
  { before: 'set', writes: { result: [8, 3n], PF: false, SF: true }, expected: ['CF', 'AF', 'SF', 'OF'] },
  { before: 'clear', writes: { SF: true }, expected: ['SF'] },
  { before: 'set', writes: { SF: false }, expected: ['CF', 'PF', 'AF', 'ZF', 'OF'] },
  { before: 'clear', writes: { PF: true }, expected: ['PF'] },
  { before: 'set', writes: { PF: false }, expected: ['CF', 'AF', 'ZF', 'SF', 'OF'] },
  { before: 'clear', writes: { CF: true, OF: true }, expected: ['CF', 'OF'] },
  { before: 'set', writes: { CF: false, OF: false, AF: false }, expected: ['PF', 'ZF', 'SF'] },
  { before: 'clear', writes: { AF: true, ZF: true }, expected: ['AF', 'ZF'] },
];

/** `condition(code)` holds exactly where `holds` says, for the flags given (SDM Vol. 1 Appendix B). */
export const conditionCases: readonly { readonly flags: readonly Flag[]; readonly holds: readonly number[] }[] = [
  { flags: [], holds: [1, 3, 5, 7, 9, 11, 13, 15] },
  { flags: ['OF'], holds: [0, 3, 5, 7, 9, 11, 12, 14] },
  { flags: ['CF'], holds: [1, 2, 5, 6, 9, 11, 13, 15] },
  { flags: ['ZF'], holds: [1, 3, 4, 6, 9, 11, 13, 14] },
  { flags: ['SF'], holds: [1, 3, 5, 7, 8, 11, 12, 14] },
  { flags: ['PF'], holds: [1, 3, 5, 7, 9, 10, 13, 15] },
  { flags: ['SF', 'OF'], holds: [0, 3, 5, 7, 8, 11, 13, 15] },
  { flags: ['AF'], holds: [1, 3, 5, 7, 9, 11, 13, 15] },
];

/** What writing a general-purpose register leaves in its 64 bits. */
export const registerCases: readonly { readonly before: bigint; readonly write: CaseValue; readonly after: bigint }[] =
  [
    { before: ONES, write: [8, 0x12n], after: 0xffff_ffff_ffff_ff12n },
    { before: ONES, write: [16, 0x1234n], after: 0xffff_ffff_ffff_1234n },
    { before: ONES, write: [32, 0x8000_0000n], after: 0x8000_0000n },
    { before: ONES, write: [64, 5n], after: 5n },
  ];
