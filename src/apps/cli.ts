/** The `vivarium` command. */

import { preferThisThread } from '../host/node/compiler-threads.ts';
import { enableBranchHints, forbidInlining } from '../host/node/engine-flags.ts';
import { Guest } from '../vmm/guest.ts';
import { main } from './main.ts';

enableBranchHints();
forbidInlining();
preferThisThread();
await main(
  process.argv.slice(2),
  (options) => Guest.create(options),
  (snapshot, options) => Guest.restore(snapshot, options),
);
