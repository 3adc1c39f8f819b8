/** What the library's entries export, besides `boot`. */

export { MemoryTree } from '../files/memory-tree.ts';
export {
  AgentLostError,
  AgentProtocolError,
  BlockError,
  type Fault,
  FileError,
  GuestError,
  OutputLimitError,
  SnapshotError,
  VivariumError,
  VmEndedError,
  VmTimeoutError,
} from './errors.ts';
export type * from './types/index.ts';
