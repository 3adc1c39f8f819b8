/** The command line from its words to its exit status. */

import { writeSync } from 'node:fs';
import { VivariumError } from '../base/errors.ts';
import type { CreateGuest, RestoreGuest } from '../vmm/guest-options.ts';
import { type Outcome, STATUS_HOST, STATUS_USAGE } from './exit-status.ts';
import { type Parsed, parseCommandLine } from './options.ts';
import { run } from './run.ts';
import { showScreen } from './screen.ts';
import { saveRunning } from './snapshot.ts';

/** Runs the command. Ends the process with its status, at once if a guest ran, else when all is written. */
export async function main(
  words: readonly string[],
  createGuest: CreateGuest,
  restoreGuest: RestoreGuest,
): Promise<void> {
  process.on('uncaughtException', crash);
  // Who does not read what we say is not told so.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

  const parsed = parseCommandLine(words, {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  });
  if (parsed.command === 'none') {
    process.exitCode = parsed.status;
    return;
  }
  const outcome = outcomeOfCommand(parsed, createGuest, restoreGuest);
  const { status, message } = await outcome.catch(refusal);
  if (message !== undefined) process.stderr.write(`vivarium: ${message}\n`);
  process.exit(status);
}

function outcomeOfCommand(
  parsed: Exclude<Parsed, { readonly command: 'none' }>,
  createGuest: CreateGuest,
  restoreGuest: RestoreGuest,
): Promise<Outcome> {
  switch (parsed.command) {
    case 'screen':
      return showScreen(parsed.options);
    case 'snapshot':
      return saveRunning(parsed.options);
    case 'run':
      return run(parsed.options, createGuest, restoreGuest);
  }
}

function refusal(error: unknown): Outcome {
  if (!(error instanceof VivariumError)) throw error;
  return { status: error.fault.kind === 'host' ? STATUS_HOST : STATUS_USAGE, message: error.message };
}

/** A bug of ours. The report waits until everything else on the way out, the terminal above all, has been put right. */
function crash(error: unknown): never {
  process.on('exit', () => {
    const detail = error instanceof Error ? error.stack : String(error);
    writeSync(process.stderr.fd, `vivarium: This is a bug in Vivarium. ${detail}\n`);
  });
  process.exit(STATUS_HOST);
}
