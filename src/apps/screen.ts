/** `vivarium screen`: what a running guest shows, as a picture or as text. */

import type { Command } from 'commander';
import { VivariumError } from '../base/errors.ts';
import { chooseGuest } from './control.ts';
import { type Outcome, STATUS_OK } from './exit-status.ts';
import { Screenshot } from './screenshot.ts';

export interface ScreenOptions {
  /** A process or a name; not needed where only one guest runs. */
  readonly guest?: string;
  /** Where a picture goes; without it the text is printed. */
  readonly file?: string;
}

const HELP_TAIL = `
The guest is named by its process or as run --name says; a guest without a name has that of its first disk, disc, floppy
disk or kernel. It need not be named where only one runs. The file is replaced if it exists.

Examples:
  vivarium screen screen.png
  vivarium screen disk.img screen.png
  vivarium screen --text 4711`;

/** Adds it to a program; `chosen` is called when it is asked for. */
export function addScreenCommand(program: Command, chosen: (options: ScreenOptions) => void): void {
  const command: Command = program
    .command('screen')
    .description('show what is on the screen of a running guest')
    .usage('[guest] <file.png>\n       vivarium screen --text [guest]')
    .argument('[words...]')
    .option('--text', 'print what the screen says, in text modes')
    .addHelpText('after', HELP_TAIL)
    .action((words: readonly string[], { text = false }: { readonly text?: boolean }) => {
      const options = screenOptions(words, text);
      if (typeof options === 'string') command.error(`error: ${options}`);
      else chosen(options);
    });
}

function screenOptions(words: readonly string[], isText: boolean): ScreenOptions | string {
  const file = isText ? undefined : words.at(-1);
  const [guest, ...more] = isText ? words : words.slice(0, -1);
  if (more.length > 0) return 'Name one guest at most.';
  if (!isText && !/\.png$/i.test(file ?? '')) return 'Write the name of a file that ends in .png, or --text.';
  return { ...(guest !== undefined && { guest }), ...(file !== undefined && { file }) };
}

/** Throws a VivariumError where there is nothing to be had. */
export async function showScreen({ guest: wanted, file }: ScreenOptions): Promise<Outcome> {
  const screenshot = file === undefined ? undefined : await Screenshot.prepare(file);
  const guest = await chooseGuest(wanted);
  const answer = await guest.ask({ command: 'screen', format: screenshot ? 'png' : 'text' });
  if (!answer.ok) throw new VivariumError({ kind: 'bad-option' }, answer.problem);
  const { png, text } = answer as { readonly png?: unknown; readonly text?: unknown };
  if (screenshot && typeof png === 'string') await screenshot.write(Buffer.from(png, 'base64'));
  else if (!screenshot && typeof text === 'string') process.stdout.write(text);
  else throw new VivariumError({ kind: 'host' }, 'The guest answers something else.');
  return { status: STATUS_OK };
}
