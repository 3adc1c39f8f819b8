/** The `vivarium` command. */

import { Guest } from '../vmm/guest.ts';
import { main } from './main.ts';

await main(process.argv.slice(2), (options) => Guest.create(options));
