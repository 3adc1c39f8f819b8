/**
 * What the page has to say to its user: one sentence each, errors until they are put away. They lie above the rest and
 * move nothing: a terminal that changed its size would be news to the guest. They are in the stage, for in full screen nothing
 * outside it is to be seen.
 */

import { byId, make } from './elements.ts';

/** News are gone by themselves after so long. */
const NEWS_MS = 8000;
/** More than so many at once tell nobody anything. */
const MOST = 3;

function show(sentence: string, kind: 'error' | 'news'): void {
  const list = byId('messages', HTMLElement);
  for (const same of [...list.children].filter((shown) => shown.firstChild?.textContent === sentence)) same.remove();
  const message = make('div', '', `message ${kind}`);
  const close = make('button', '✕');
  close.type = 'button';
  close.setAttribute('aria-label', 'Put this message away');
  close.addEventListener('click', () => message.remove());
  message.append(make('p', sentence), close);
  list.append(message);
  while (list.children.length > MOST) list.firstChild?.remove();
  if (kind === 'news') setTimeout(() => message.remove(), NEWS_MS);
}

export const news = (sentence: string): void => show(sentence, 'news');

export function complain(error: unknown): void {
  show(error instanceof Error ? error.message : String(error), 'error');
}

/** Complaints about what is over. */
export function forget(): void {
  for (const message of document.querySelectorAll('.message.error')) message.remove();
}
