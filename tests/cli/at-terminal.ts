/** The run command at a terminal, which `script` of util-linux makes. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { start } from './spawn.ts';

const hasTerminals = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false;

/** For tests at a terminal. */
export const terminalOptions = { skip: !hasTerminals && 'needs script of util-linux' };

/** Colours off, cursor shown, pasting as usual. */
const TIDY = '\x1b[0m\x1b[?25h\x1b[?2004l';

/** The terminal's device, and the process of the command. */
export interface Place {
  readonly tty: string;
  readonly pid: number;
}

/** When `shows` appears, or is true of what was shown so far, type something or do something. */
export type Step = readonly [shows: string | ((shown: string) => boolean), act: string | ((place: Place) => void)];

/**
 * Runs the command at a terminal of 30 by 90 that a shell looks after, and takes each of `steps` when the text before
 * it shows. `vivarium` may have options of `run` behind that word. Resolves to what the terminal showed, and its settings before and after.
 */
export async function atTerminal(vivarium: readonly string[], ...steps: readonly Step[]) {
  const words = vivarium.includes('run') ? vivarium : [...vivarium, 'run'];
  const command = words.map((word) => `'${word}'`).join(' ');
  const script = `tty; stty rows 30 cols 90; stty -g; sh -c 'echo $$; exec "$@"' sh ${command}; echo "status $?"; stty -g`;
  const running = start(['script', '--quiet', '--flush', '--command', script, '/dev/null']);
  for (const [shows, act] of steps) {
    await running.shows(shows);
    const [tty, , pid] = running.shown().split('\r\n');
    if (typeof act === 'string') running.process.stdin.write(act, 'latin1');
    else act({ tty, pid: Number(pid) });
  }
  await running.shows('status ');
  running.process.stdin.end();
  const { stdout } = await running.result;
  assert(stdout.includes(TIDY));
  const [, before, , ...shown] = stdout.replaceAll(TIDY, '').trimEnd().split('\r\n');
  return { before, after: shown.pop(), status: shown.pop(), shown: shown.join('\n') };
}
