/**
 * Several trees as one: each is a directory of the root, by its name. So one device serves any number of shares, and a
 * machine can have it before anybody knows how many there will be.
 *
 * The root itself is only to be looked at, and nothing moves from one tree to another (EXDEV).
 */

import { type DirectoryEntry, type FileAttributes, FileError, type FileTree, type Path } from './file-tree.ts';

/** Of the same numbers in two trees, guests would make one file: an odd constant apart, as hashes go, they are not met. */
const ID_STEP = 0x9e37_79b9_7f4a_7c15n;
const ROOT_ID = 0x5649_5641_5249_554dn;
const ROOT_MODE = 0o755;

interface Member {
  readonly tree: FileTree;
  readonly idOffset: bigint;
}

/** The trees are the caller's to close. */
export function joinedTree(trees: ReadonlyMap<string, FileTree>): FileTree {
  const members = new Map(
    [...trees].map(([name, tree], i): [string, Member] => [name, { tree, idOffset: BigInt(i) * ID_STEP }]),
  );
  const root: FileAttributes = {
    kind: 'directory',
    id: ROOT_ID,
    mode: ROOT_MODE,
    uid: 0,
    gid: 0,
    links: 2 + members.size,
    sizeBytes: 0,
    storedBytes: 0,
    accessedNs: 0n,
    modifiedNs: 0n,
    changedNs: 0n,
  };
  const ofMember = ({ idOffset }: Member, attributes: FileAttributes): FileAttributes => ({
    ...attributes,
    id: BigInt.asUintN(64, attributes.id + idOffset),
  });
  const find = ([name, ...path]: Path): { readonly member: Member; readonly path: Path } => {
    const member = name === undefined ? undefined : members.get(name);
    if (member === undefined) throw new FileError('ENOENT');
    return { member, path };
  };
  /** For what is done to an entry of the root. */
  const change = (path: Path): { readonly tree: FileTree; readonly path: Path } => {
    if (path.length < 2) throw new FileError('EROFS');
    const found = find(path);
    return { tree: found.member.tree, path: found.path };
  };
  /** For what has two names. */
  const changeBoth = (from: Path, to: Path) => {
    const first = change(from);
    const second = change(to);
    if (first.tree !== second.tree) throw new FileError('EXDEV');
    return { tree: first.tree, from: first.path, to: second.path };
  };
  const openIn = async (path: Path, open: (tree: FileTree, path: Path) => ReturnType<FileTree['open']>) => {
    const { member, path: inside } = find(path);
    const file = await open(member.tree, inside);
    return {
      read: (offset: number, into: Uint8Array) => file.read(offset, into),
      write: (offset: number, from: Uint8Array) => file.write(offset, from),
      stat: async () => ofMember(member, await file.stat()),
      change: file.change.bind(file),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  };
  const stat = async (path: Path): Promise<FileAttributes> => {
    if (path.length === 0) return root;
    const { member, path: inside } = find(path);
    return ofMember(member, await member.tree.stat(inside));
  };

  return {
    stat,
    async list(directory) {
      if (directory.length === 0) {
        return [...members.keys()].map((name): DirectoryEntry => ({ name, kind: 'directory' }));
      }
      const { member, path } = find(directory);
      return member.tree.list(path);
    },
    async statEntries(directory, names) {
      if (directory.length === 0) {
        return Promise.all(names.map((name) => stat([name]).catch(() => undefined)));
      }
      const { member, path } = find(directory);
      const found = await member.tree.statEntries(path, names);
      return found.map((attributes) => attributes && ofMember(member, attributes));
    },
    async readLink(path) {
      if (path.length === 0) throw new FileError('EINVAL');
      const { member, path: inside } = find(path);
      return member.tree.readLink(inside);
    },
    async open(path, options) {
      if (path.length === 0) throw new FileError('EISDIR');
      return openIn(path, (tree, inside) => tree.open(inside, options));
    },
    async create(path, mode, options) {
      change(path);
      return openIn(path, (tree, inside) => tree.create(inside, mode, options));
    },
    async makeDirectory(path, mode) {
      const { tree, path: inside } = change(path);
      return tree.makeDirectory(inside, mode);
    },
    async makeLink(path, target) {
      const { tree, path: inside } = change(path);
      return tree.makeLink(inside, target);
    },
    async hardLink(existing, path) {
      const { tree, from, to } = changeBoth(existing, path);
      return tree.hardLink(from, to);
    },
    async rename(from, to) {
      const both = changeBoth(from, to);
      return both.tree.rename(both.from, both.to);
    },
    async removeFile(path) {
      const { tree, path: inside } = change(path);
      return tree.removeFile(inside);
    },
    async removeDirectory(path) {
      const { tree, path: inside } = change(path);
      return tree.removeDirectory(inside);
    },
    async change(path, changes) {
      if (path.length === 0) throw new FileError('EROFS');
      const { member, path: inside } = find(path);
      return member.tree.change(inside, changes);
    },
    async sizes(path: Path = []) {
      // Programs that look at the root have in mind whatever is there.
      const [first] = members.values();
      const { member, path: inside } = path.length > 0 || !first ? find(path) : { member: first, path: [] };
      return member.tree.sizes(inside);
    },
  };
}
