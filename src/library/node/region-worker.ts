/** What runs in a worker of Node beside a machine. Its code is loaded behind the cache that may have it compiled. */

import { keepCompiledCode } from '../../host/node/compile-cache.ts';

keepCompiledCode();
await import('./regions.ts');
