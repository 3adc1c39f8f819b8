/** The list of kept disks, with what can be done with each. */

import { button, byId, make } from './elements.ts';
import { canKeep, type KeptDiskInfo, keptDisks, keptFile, removeKept } from './kept-disks.ts';
import { complain, news } from './messages.ts';
import { formatBytes } from './rates.ts';
import { saveFile } from './save-file.ts';

export class DisksView {
  readonly #start: (disk: KeptDiskInfo) => void;

  constructor(start: (disk: KeptDiskInfo) => void) {
    this.#start = start;
  }

  async refresh(): Promise<void> {
    const list = byId('disks', HTMLElement);
    try {
      const disks = await keptDisks();
      list.replaceChildren(...disks.map((disk) => this.#item(disk)));
    } catch (error) {
      complain(error);
    }
    if (list.childElementCount > 0) return;
    const none = canKeep()
      ? 'None yet. A disk image that you start can stay in this browser.'
      : 'This page was not served securely (https, or localhost), so the browser keeps nothing for it.';
    list.replaceChildren(make('li', none, 'none'));
  }

  #item(disk: KeptDiskInfo): HTMLLIElement {
    const { name, sizeBytes } = disk;
    const item = make('li', `${name}, ${formatBytes(sizeBytes)}`);
    const buttons = make('div', '', 'buttons');
    const action = (label: string, act: () => void | Promise<void>): void => {
      const made = make('button', label);
      made.type = 'button';
      made.setAttribute('aria-label', `${label}: ${name}`);
      made.addEventListener('click', () => void Promise.resolve().then(act).catch(complain));
      buttons.append(made);
    };
    action('Start', () => this.#start(disk));
    action('Save to file', async () => saveFile(await keptFile(name), name));
    action('Delete', async () => {
      if (!(await confirmed(`Delete ${name}? What is on it is gone then.`))) return;
      await removeKept(name);
      news(`${name} is deleted.`);
      await this.refresh();
    });
    item.append(buttons);
    return item;
  }
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
