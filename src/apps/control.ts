/** What a running guest answers on its control socket, and how one is chosen from outside. */

import { basename } from 'node:path';
import { VivariumError } from '../base/errors.ts';
import {
  type Commands,
  type ControlledGuest,
  ControlSocket,
  type Fields,
  runningGuests,
} from '../host/node/control-socket.ts';
import { screenText } from '../host/screen-text.ts';
import type { RunnableGuest } from '../vmm/guest-options.ts';
import type { RunOptions } from './options.ts';
import { pictureOf } from './screenshot.ts';
import { type RunNotes, writeSnapshot } from './snapshot.ts';

/** What others call a guest: as the user says, or after what it boots. */
export function guestName({ name, pc, kernel, restore }: RunOptions): string {
  const file = pc?.disks[0]?.file ?? pc?.cdrom ?? pc?.floppies[0] ?? pc?.bios ?? kernel ?? restore;
  return name ?? (file === undefined ? 'built-in guest' : printable(basename(file)));
}

/** File names may hold anything, and this is shown at terminals. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?');
}

/** Opens the socket of this process; undefined, and `failed` is told in a sentence, where there is no place for it. */
export async function openControl(
  name: string,
  guest: RunnableGuest,
  notes: () => RunNotes,
  failed: (message: string) => void,
): Promise<ControlSocket | undefined> {
  try {
    return await ControlSocket.open(commandsFor(name, guest, notes));
  } catch (error) {
    if (!(error instanceof VivariumError)) throw error;
    failed(error.message);
    return undefined;
  }
}

export function commandsFor(name: string, guest: RunnableGuest, notes: () => RunNotes): Commands {
  return {
    info: () => ({ name }),
    snapshot: async (asked) => {
      await writeSnapshot(asked, guest, notes());
      return {};
    },
    screen: ({ format }) => {
      const { screen } = guest;
      if (screen === undefined) throw refused('This guest has no screen: it was started without firmware.');
      if (format !== 'text') return { png: Buffer.from(pictureOf(screen)).toString('base64') };
      const text = screen.text();
      if (text === undefined && screen.mode !== 'blank') {
        throw refused('The screen shows graphics: ask for a picture, with the name of a file.');
      }
      return { text: text === undefined ? '' : screenText(text) };
    },
  };
}

function refused(message: string): VivariumError {
  return new VivariumError({ kind: 'bad-option' }, message);
}

interface NamedGuest extends ControlledGuest {
  readonly name: string;
}

/** The guest that `wanted` means, by process or name; the only one where nothing is said. Throws a VivariumError. */
export async function chooseGuest(wanted: string | undefined): Promise<ControlledGuest> {
  const guests = await runningGuests();
  const byProcess = guests.find(({ processId }) => String(processId) === wanted);
  if (byProcess !== undefined) return byProcess;
  const [only, ...more] = guests;
  if (only === undefined) throw refused('There is no running guest.');
  if (wanted === undefined && more.length === 0) return only;
  const named = (await Promise.all(guests.map(nameOf))).flat();
  const called = named.filter(({ name }) => name === wanted);
  if (called.length === 1) return called[0] as NamedGuest;
  const choices = (called.length > 0 ? called : named)
    .map(({ processId, name }) => `${processId} (${name})`)
    .join(', ');
  if (wanted === undefined) throw refused(`Several guests are running: name one of ${choices}.`);
  if (called.length > 0) throw refused(`Several guests have this name: say which process, of ${choices}.`);
  throw refused(`There is no guest ${printable(wanted)}: name one of ${choices}.`);
}

/** None for a guest that does not answer. */
async function nameOf(guest: ControlledGuest): Promise<NamedGuest[]> {
  const { name }: Fields = await guest.ask({ command: 'info' }).catch(() => ({}));
  return typeof name === 'string' ? [{ ...guest, name: printable(name) }] : [];
}
