/** `npm run build:web`: the page as a static folder, dist/web, that any file server can host. */

import { bundlePage, WEB_FOLDER } from './web-bundle.ts';

await bundlePage();
console.log(`The page is in ${WEB_FOLDER}.`);
