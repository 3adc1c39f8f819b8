/** The bar chart of docs/bench.svg: how fast each program runs in Vivarium and in v86, with QEMU's TCG as 1. */

import { meanSpeed, type ProgramResult } from './summary.ts';

interface Row {
  readonly label: string;
  /** Speed, TCG's being 1. */
  readonly vivarium: number | undefined;
  readonly v86: number | undefined;
  /** With room above it. */
  readonly apart?: boolean;
}

const WIDTH = 860;
const LEFT = 160;
const RIGHT = 60;
const TOP = 84;
const BAR = 9;
const ROW = 2 * BAR + 8;
const GAP = 12;
const COLOURS = { vivarium: '#1b7f5c', v86: '#c9822b', text: '#24292f', faint: '#d8dee4', line: '#57606a' };

export function chart(programs: readonly ProgramResult[]): string {
  const rows = rowsOf(programs);
  const speeds = rows.flatMap(({ vivarium, v86 }) => [vivarium ?? 1, v86 ?? 1]);
  // Powers of two: a program that takes twice as long is as far from 1 as one that takes half as long.
  const low = Math.floor(Math.min(-1, ...speeds.map(Math.log2)));
  const high = Math.ceil(Math.max(1, ...speeds.map(Math.log2)));
  const x = (speed: number): number => LEFT + ((Math.log2(speed) - low) / (high - low)) * (WIDTH - LEFT - RIGHT);

  let y = TOP;
  const bars = rows.map((row) => {
    if (row.apart) y += GAP;
    const top = y;
    y += ROW;
    return barsOf(row, top, x);
  });
  const bottom = y;
  const powers = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const grid = powers.map((power) => gridLine(power, x(2 ** power), bottom));

  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom + 40}" viewBox="0 0 ${WIDTH} ${bottom + 40}" font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12" fill="${COLOURS.text}">
<title>Speed of each program in Vivarium and in v86, relative to QEMU TCG</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="26" font-size="16" font-weight="600">Speed relative to QEMU TCG</text>
<text x="16" y="46">TCG is 1; longer to the right is faster. Logarithmic scale.</text>
${legend('Vivarium', COLOURS.vivarium, WIDTH - 240)}
${legend('v86 (32-bit build)', COLOURS.v86, WIDTH - 150)}
${grid.join('\n')}
${bars.join('\n')}
</svg>
`;
}

function rowsOf(programs: readonly ProgramResult[]): Row[] {
  const shown = programs.filter(({ speed }) => speed.qemu !== undefined);
  let kind: ProgramResult['kind'] | undefined;
  const rows: Row[] = shown.map((program) => {
    const apart = kind !== undefined && kind !== program.kind;
    kind = program.kind;
    return { label: program.name, vivarium: program.speed.qemu, v86: relative(program.speed), apart };
  });
  const qemu = meanSpeed(programs, undefined, 'qemu');
  const v86 = meanSpeed(programs, undefined, 'v86');
  return [...rows, { label: 'geometric mean', vivarium: qemu, v86: relative({ qemu, v86 }), apart: true }];
}

/** v86's speed, TCG's being 1: both are known by how many times as fast Vivarium is. */
function relative({ qemu, v86 }: { readonly qemu?: number | undefined; readonly v86?: number | undefined }) {
  return qemu === undefined || v86 === undefined ? undefined : qemu / v86;
}

function gridLine(power: number, x: number, bottom: number): string {
  const name = power < 0 ? `1/${2 ** -power}` : `${2 ** power}`;
  const stroke = power === 0 ? `stroke="${COLOURS.line}" stroke-width="1.5"` : `stroke="${COLOURS.faint}"`;
  return [
    `<line x1="${px(x)}" y1="${TOP - 8}" x2="${px(x)}" y2="${bottom + 4}" ${stroke}/>`,
    `<text x="${px(x)}" y="${TOP - 14}" text-anchor="middle">${name}</text>`,
    `<text x="${px(x)}" y="${bottom + 20}" text-anchor="middle">${name}</text>`,
  ].join('\n');
}

function barsOf({ label, vivarium, v86 }: Row, top: number, x: (speed: number) => number): string {
  const weight = label === 'geometric mean' ? ' font-weight="600"' : '';
  const name = `<text x="16" y="${top + BAR + 4}"${weight}>${label}</text>`;
  return [name, bar(vivarium, top, COLOURS.vivarium, x), bar(v86, top + BAR, COLOURS.v86, x)]
    .filter(Boolean)
    .join('\n');
}

/** From 1 to the speed, with the number at its end. */
function bar(speed: number | undefined, top: number, colour: string, x: (speed: number) => number): string {
  if (speed === undefined) return '';
  const from = Math.min(x(1), x(speed));
  const width = Math.max(1, Math.abs(x(speed) - x(1)));
  const end = speed >= 1 ? `x="${px(from + width + 4)}"` : `x="${px(from - 4)}" text-anchor="end"`;
  return [
    `<rect x="${px(from)}" y="${top}" width="${px(width)}" height="${BAR - 1}" fill="${colour}"/>`,
    `<text ${end} y="${top + BAR - 1}" font-size="9">${Number(speed.toPrecision(2))}</text>`,
  ].join('\n');
}

function legend(name: string, colour: string, x: number): string {
  return `<rect x="${x}" y="16" width="12" height="12" fill="${colour}"/>\n<text x="${x + 18}" y="26">${name}</text>`;
}

function px(value: number): string {
  return value.toFixed(1);
}
