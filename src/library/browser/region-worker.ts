/** What runs in a worker of a browser beside a machine: what makes regions for its translator. */

import { endOf, type PostsMessages } from '../../base/message-end.ts';
import { serveRegions } from '../../cpu/translator/region-thread.ts';

serveRegions(endOf(globalThis as unknown as PostsMessages));
