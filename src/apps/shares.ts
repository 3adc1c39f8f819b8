/** `--share`: folders of the host that a guest is given over virtio-9p, and where the built-in guest mounts them. */

import { basename } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { Server9p } from '../files/9p/server.ts';
import type { FileTree } from '../files/file-tree.ts';
import { joinedTree } from '../files/joined-tree.ts';
import { openFolder } from '../host/node/folder.ts';
import type { ShareMount } from '../library/built-in-spares.ts';
import type { GuestVirtio } from '../vmm/guest-options.ts';

export interface ShareOption {
  readonly folder: string;
  /** By which a guest mounts it; numbered ones if not said. */
  readonly tag?: string;
  /** Where the built-in guest mounts it; below /mnt if not said. */
  readonly guestPath?: string;
  readonly readOnly: boolean;
}

const MOST_SHARES = 8;
const TAG = /^[A-Za-z0-9][\w.-]{0,30}$/;
/** What needs no quoting, neither on a kernel's command line nor in a shell. */
const GUEST_PATH = /^(\/[\w.+@-]+)+$/;

function parseShare(text: string, before: readonly ShareOption[] = []): ShareOption[] {
  const [, rest = '', readOnly] = /^(.*?)(,ro)?$/s.exec(text) ?? [];
  const colon = rest.lastIndexOf(':');
  const folder = colon < 0 ? rest : rest.slice(0, colon);
  const name = colon < 0 ? undefined : rest.slice(colon + 1);
  const isPath = name?.startsWith('/') === true;
  const isFine = name === undefined || (isPath ? GUEST_PATH.test(name) && !/\/\.\.?(\/|$)/.test(name) : TAG.test(name));
  if (folder === '' || !isFine) {
    throw new InvalidArgumentError(
      'Write FOLDER, FOLDER:TAG or FOLDER:/PATH/IN/THE/GUEST, and ,ro behind it if the guest is only to read: ' +
        'letters, digits, dots, dashes and underscores.',
    );
  }
  if (before.length === MOST_SHARES) throw new InvalidArgumentError(`There can be ${MOST_SHARES} of them.`);
  const named = name === undefined ? {} : isPath ? { guestPath: name } : { tag: name };
  const share = { folder, ...named, readOnly: readOnly !== undefined };
  const tags = [...before, share].map(tagOf);
  if (new Set(tags).size < tags.length) throw new InvalidArgumentError(`The tag ${tags.at(-1)} is another's already.`);
  return [...before, share];
}

function tagOf({ tag }: ShareOption, index: number): string {
  return tag ?? `share${index}`;
}

function guestPathOf({ folder, tag, guestPath }: ShareOption, index: number): string {
  if (guestPath !== undefined) return guestPath;
  const name = tag ?? basename(folder);
  return `/mnt/${TAG.test(name) ? name : `share${index}`}`;
}

/** Adds it to a command. */
export function addShareOption(command: Command): void {
  command.option(
    '--share <folder[:tag|:/path][,ro]>',
    'give the guest a folder of this machine, to be mounted by its tag (share0, share1, ...); may be repeated',
    parseShare,
  );
}

export const SHARE_HELP = `The built-in guest mounts a shared folder at the path given, or below /mnt. Any other Linux mounts it by
"mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap TAG /PATH". The guest reaches nothing outside it.`;

/** A sentence if a guest cannot have them. */
export function shareProblem(
  shares: readonly ShareOption[],
  { isBuiltIn, deterministic }: { readonly isBuiltIn: boolean; readonly deterministic: boolean },
): string | undefined {
  if (shares.length === 0) return undefined;
  if (deterministic) return 'A deterministic run has no shared folders: what is in them is not part of it.';
  if (!isBuiltIn && shares.some(({ guestPath }) => guestPath !== undefined)) {
    return 'Only the built-in guest mounts folders by itself: name a tag in --share rather than a path.';
  }
  return undefined;
}

/** A device for each. Throws a VivariumError for a folder that cannot be opened. */
export function shareDevices(shares: readonly ShareOption[]): GuestVirtio[] {
  return shares.map((share, i) => ({
    kind: '9p',
    tag: tagOf(share, i),
    server: new Server9p(openFolder(share.folder, { readOnly: share.readOnly })),
  }));
}

/** All behind one device, by their tags. Throws a VivariumError for a folder that cannot be opened. */
export function shareServer(shares: readonly ShareOption[]): Server9p {
  const folders = shares.map((share, i): [string, FileTree] => [
    tagOf(share, i),
    openFolder(share.folder, { readOnly: share.readOnly }),
  ]);
  return new Server9p(joinedTree(new Map(folders)));
}

/** For the agent of a built-in guest that does not boot: what to mount where. */
export function shareMounts(shares: readonly ShareOption[]): ShareMount[] {
  return shares.map((share, i) => ({ tag: tagOf(share, i), at: guestPathOf(share, i), readOnly: share.readOnly }));
}

/** For the built-in guest's init: what to mount where. */
export function shareWords(shares: readonly ShareOption[]): string {
  return shares.map((share, i) => `vivarium.share=${tagOf(share, i)}:${guestPathOf(share, i)}`).join(' ');
}
