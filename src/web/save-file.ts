/** Hands a file to the user, as a download. */

import { make } from './elements.ts';

/** Browsers take what they download by and by. */
const KEPT_MS = 60_000;

export function saveFile(contents: Blob, name: string): void {
  const url = URL.createObjectURL(contents);
  const link = make('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
