/** The command line of the benchmark. */

import { parseArgs } from 'node:util';
import { FIGURE_NAMES, LOOP_NAMES } from './benchmarks.ts';
import { PEERS, type PeerName } from './machines.ts';
import { PROGRAMS } from './programs.ts';
import { BOOT } from './rounds.ts';

const PROGRAM_NAMES = PROGRAMS.map(({ name }) => name);
const NAMES = [BOOT, ...PROGRAM_NAMES, ...FIGURE_NAMES];

const HELP = `Usage: npm run bench -- [options]

Runs guest programs in Vivarium, in QEMU's TCG and in v86, by turns, and boots. A whole run, without --only, --quick,
--loops, --peers and --engine, writes docs/bench.md, docs/bench.json and docs/bench.svg.

  --rounds N     rounds, each from new boots (default 3)
  --only NAMES   only these, separated by commas (see below)
  --quick        one round, a quarter of the work
  --peers NAMES  compare with these only: ${PEERS.join(', ')}; or none
  --engine NAME  Vivarium's engine (default: its own choice)
  --loops        the loops in machine code instead of the programs
  --out DIR      write the results there, whatever was run
  --cache DIR    where Debian's kernels are kept (default node_modules/.cache/vivarium)
  --help         show this help

Boot:     ${BOOT}
Programs: ${wrap(PROGRAM_NAMES)}
Figures:  ${FIGURE_NAMES.join(', ')}
Loops:    ${LOOP_NAMES.join(', ')}

The exit status is 1 when Vivarium could not run something or a program's checksum is not the same on all machines, 2
for wrong options; missing a target is no failure.`;

function wrap(names: readonly string[]): string {
  return names
    .join(', ')
    .replace(/(.{1,100})(?: |$)/g, '$1\n          ')
    .trimEnd();
}

export interface Options {
  readonly rounds: number;
  readonly quick: boolean;
  readonly loops: boolean;
  readonly peers: readonly PeerName[];
  readonly engine: string | undefined;
  /** Where the results are to be written, if that was said. */
  readonly out: string | undefined;
  /** Neither less than everything nor anything else was asked for. */
  readonly whole: boolean;
  readonly cache: string;
  wants(name: string): boolean;
}

function usage(message: string): never {
  console.error(`bench: ${message}\n\n${HELP}`);
  process.exit(2);
}

/** Ends the process after help, and where the options are wrong. */
export function understand(): Options {
  const values = parse();
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const rounds = values.quick ? 1 : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) usage('--rounds takes a whole number from 1.');

  const only = values.only.flatMap((list) => list.split(','));
  const unknown = only.find((name) => !(values.loops ? LOOP_NAMES : NAMES).includes(name));
  if (unknown !== undefined) usage(`there is no ${values.loops ? 'loop' : 'benchmark'} called ${unknown}.`);

  const peers = values.peers === 'none' ? [] : (values.peers?.split(',') ?? PEERS);
  const known = (name: string): name is PeerName => (PEERS as readonly string[]).includes(name);
  if (!peers.every(known)) usage(`--peers takes none, or some of ${PEERS.join(', ')}.`);

  const whole = only.length === 0 && !values.quick && !values.loops && !values.peers && !values.engine;
  return {
    rounds,
    quick: values.quick,
    loops: values.loops,
    peers,
    engine: values.engine,
    out: values.out,
    whole,
    cache: values.cache,
    wants: (name) => only.length === 0 || only.includes(name),
  };
}

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '3' },
        only: { type: 'string', multiple: true, default: [] },
        quick: { type: 'boolean', default: false },
        peers: { type: 'string' },
        engine: { type: 'string' },
        loops: { type: 'boolean', default: false },
        out: { type: 'string' },
        cache: { type: 'string', default: 'node_modules/.cache/vivarium' },
        help: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    return usage((error as Error).message);
  }
}
