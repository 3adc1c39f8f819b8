/** Keys for those whose keyboard does not have them, or whose browser keeps them for itself. */

import type { Vm } from '../library/types/index.ts';
import { make } from './elements.ts';

interface RowKey {
  readonly label: string;
  readonly name?: string;
  readonly codes: readonly string[];
  /** What a terminal sends for it. */
  readonly text: string;
}

const key = (label: string, code: string, text: string, name?: string): RowKey => ({
  label,
  codes: [code],
  text,
  ...(name !== undefined && { name }),
});

const KEYS: readonly RowKey[] = [
  key('Esc', 'Escape', '\x1b', 'Escape'),
  key('Tab', 'Tab', '\t'),
  key('↑', 'ArrowUp', '\x1b[A', 'Up'),
  key('↓', 'ArrowDown', '\x1b[B', 'Down'),
  key('←', 'ArrowLeft', '\x1b[D', 'Left'),
  key('→', 'ArrowRight', '\x1b[C', 'Right'),
  key('Enter', 'Enter', '\r'),
  { label: 'Ctrl-C', codes: ['ControlLeft', 'KeyC'], text: '\x03' },
  { label: 'Ctrl-D', codes: ['ControlLeft', 'KeyD'], text: '\x04' },
  key('F1', 'F1', '\x1bOP'),
  key('F2', 'F2', '\x1bOQ'),
  key('F10', 'F10', '\x1b[21~'),
  key('F12', 'F12', '\x1b[24~'),
  { label: 'Ctrl-Alt-Del', codes: ['ControlLeft', 'AltLeft', 'Delete'], text: '' },
];

export interface KeysRowHost {
  readonly vm: Vm | undefined;
  /** The screen has the keys, not the console. */
  readonly isScreen: boolean;
  typeAtConsole(text: string): void;
}

export function fillKeysRow(row: HTMLElement, host: KeysRowHost): void {
  for (const { label, name, codes, text } of KEYS) {
    const button = make('button', label);
    button.type = 'button';
    if (name !== undefined) button.setAttribute('aria-label', name);
    button.addEventListener('click', () => {
      if (host.isScreen) host.vm?.keyboard.press(...codes);
      else if (text !== '') host.typeAtConsole(text);
    });
    row.append(button);
  }
  row.append(typingButton(host));
}

/** Telephones show their keyboard for something to write in, and tell what was written rather than keys. */
function typingButton(host: KeysRowHost): HTMLElement {
  const button = make('button', 'Keyboard');
  button.type = 'button';
  const field = make('textarea');
  field.setAttribute('aria-label', "Type at the guest's screen");
  field.autocapitalize = 'off';
  field.spellcheck = false;
  field.tabIndex = -1;
  field.addEventListener('beforeinput', (event) => {
    event.preventDefault();
    if (event.inputType === 'deleteContentBackward') host.vm?.keyboard.press('Backspace');
    else if (event.inputType === 'insertLineBreak') host.vm?.keyboard.press('Enter');
    else if (event.data) host.vm?.keyboard.type(event.data);
  });
  button.addEventListener('click', () => {
    if (host.isScreen) field.focus();
    else host.typeAtConsole('');
  });
  const both = make('span');
  both.append(button, field);
  return both;
}
