/** A tree that can be looked at: whatever would change it is EROFS. */

import { FileError, type FileTree, type OpenOptions } from './file-tree.ts';

export function readOnly(tree: FileTree): FileTree {
  const refuse = (): Promise<never> => Promise.reject(new FileError('EROFS'));
  return {
    stat: (path) => tree.stat(path),
    list: (directory) => tree.list(directory),
    statEntries: (directory, names) => tree.statEntries(directory, names),
    readLink: (path) => tree.readLink(path),
    sizes: (at) => tree.sizes(at),
    close: async () => tree.close?.(),
    async open(path, options: OpenOptions) {
      if (options.write || options.truncate) throw new FileError('EROFS');
      const file = await tree.open(path, options);
      return {
        read: (offset, into) => file.read(offset, into),
        stat: () => file.stat(),
        sync: () => file.sync(),
        close: () => file.close(),
        write: refuse,
        change: refuse,
      };
    },
    create: refuse,
    makeDirectory: refuse,
    makeLink: refuse,
    hardLink: refuse,
    rename: refuse,
    removeFile: refuse,
    removeDirectory: refuse,
    change: refuse,
  };
}
