/** What can be started without a file: the built-in Linux and the kept disks, with what can be done with each. */

import { button, byId, make } from './elements.ts';
import { canKeep, type KeptDiskInfo, keptDisks, keptFile, removeKept } from './kept-disks.ts';
import { complain, news } from './messages.ts';
import { formatBytes } from './rates.ts';
import { saveFile } from './save-file.ts';

export interface Starts {
  builtIn(): void;
  kept(disk: KeptDiskInfo): void;
}

interface Action {
  readonly label: string;
  act(): void | Promise<void>;
}

export class DisksView {
  readonly #start: Starts;

  constructor(start: Starts) {
    this.#start = start;
  }

  async refresh(): Promise<void> {
    const builtIn = item('Built-in Linux', 'Built-in Linux', [{ label: 'Start', act: () => this.#start.builtIn() }]);
    let disks: readonly KeptDiskInfo[] = [];
    try {
      disks = await keptDisks();
    } catch (error) {
      complain(error);
    }
    const about = canKeep()
      ? 'A disk image that you start can stay in this browser; it is listed here then.'
      : 'This page was not served securely (https, or localhost), so the browser keeps no disks for it.';
    const rest = disks.length > 0 ? disks.map((disk) => this.#item(disk)) : [make('li', about, 'none')];
    byId('disks', HTMLElement).replaceChildren(builtIn, ...rest);
  }

  #item(disk: KeptDiskInfo): HTMLLIElement {
    const { name, sizeBytes } = disk;
    const remove = async (): Promise<void> => {
      if (!(await confirmed(`Delete ${name}? What is on it is gone then.`))) return;
      await removeKept(name);
      news(`${name} is deleted.`);
      await this.refresh();
    };
    return item(name, `${name}, ${formatBytes(sizeBytes)}`, [
      { label: 'Start', act: () => this.#start.kept(disk) },
      { label: 'Save to file', act: async () => saveFile(await keptFile(name), name) },
      { label: 'Delete', act: remove },
    ]);
  }
}

function item(name: string, text: string, actions: readonly Action[]): HTMLLIElement {
  const made = make('li', text);
  const buttons = make('div', '', 'buttons');
  for (const { label, act } of actions) {
    const one = make('button', label);
    one.type = 'button';
    one.setAttribute('aria-label', `${label}: ${name}`);
    one.addEventListener('click', () => void Promise.resolve().then(act).catch(complain));
    buttons.append(one);
  }
  made.append(buttons);
  return made;
}

async function confirmed(question: string): Promise<boolean> {
  const dialog = byId('confirm-dialog', HTMLDialogElement);
  byId('confirm-text', HTMLElement).textContent = question;
  dialog.returnValue = 'cancel';
  dialog.showModal();
  button('confirm-yes').focus();
  await new Promise((closed) => dialog.addEventListener('close', closed, { once: true }));
  return dialog.returnValue === 'yes';
}
