/** The `vivarium` command. */

import { VivariumError } from '../base/errors.ts';
import { main } from './main.ts';

await main(process.argv.slice(2), () => {
  throw new VivariumError({ kind: 'host' }, 'This version has no processor yet.');
});
