/**
 * Where in the tree fids stand. A place is kept while a fid is there or below; renaming a directory moves its place, and
 * all below go with it. What was removed is gone for good: another file of that name is at another place.
 */

import { FileError, type Path } from '../file-tree.ts';
import type { OpenFid } from './fids.ts';

/** Of all places together. */
const MOST_PLACES = 1 << 18;
const DEEPEST = 512;

export class Place {
  parent: Place | undefined;
  name: string;
  isGone = false;
  readonly children = new Map<string, Place>();
  /** Of fids and children. */
  users = 0;
  /** What has it open: a way to a file whose name is gone. */
  readonly open = new Set<OpenFid>();

  constructor(parent: Place | undefined, name: string) {
    this.parent = parent;
    this.name = name;
  }

  /** ENOENT when it, or a directory on the way, is gone; ENAMETOOLONG when there are too many. */
  path(): Path {
    const names: string[] = [];
    for (let place: Place = this; place.parent !== undefined; place = place.parent) {
      if (place.isGone) throw new FileError('ENOENT');
      names.push(place.name);
      if (names.length > DEEPEST) throw new FileError('ENAMETOOLONG');
    }
    return names.reverse();
  }

  isInside(directory: Place): boolean {
    for (let place: Place | undefined = this; place !== undefined; place = place.parent) {
      if (place === directory) return true;
    }
    return false;
  }
}

export class Places {
  readonly root = new Place(undefined, '');
  #count = 0;

  /** The place of a name, with one user more. */
  enter(parent: Place, name: string): Place {
    let place = parent.children.get(name);
    if (place === undefined) {
      if (this.#count >= MOST_PLACES) throw new FileError('ENFILE');
      place = new Place(parent, name);
      parent.children.set(name, place);
      parent.users++;
      this.#count++;
    }
    place.users++;
    return place;
  }

  use(place: Place): Place {
    place.users++;
    return place;
  }

  leave(place: Place): void {
    for (let at: Place | undefined = place; at?.parent !== undefined; at = at.parent) {
      if (--at.users > 0) return;
      this.#count--;
      if (at.parent.children.get(at.name) === at) at.parent.children.delete(at.name);
    }
  }

  removed(parent: Place, name: string): void {
    const place = parent.children.get(name);
    if (place === undefined) return;
    place.isGone = true;
    parent.children.delete(name);
  }

  /** What had the new name is gone. */
  renamed(from: Place, name: string, to: Place, newName: string): void {
    const place = from.children.get(name);
    if (place === undefined) {
      this.removed(to, newName);
      return;
    }
    if (from === to && name === newName) return;
    this.removed(to, newName);
    from.children.delete(name);
    place.parent = to;
    place.name = newName;
    to.children.set(newName, place);
    to.users++;
    // It is not the last: `place` was counted there, and the fid that the request named is there or above.
    this.leave(from);
  }
}
