/** What runs in a worker of a browser beside a machine: what makes regions for its translator. */

import { serveRegions } from '../../cpu/translator/region-thread.ts';
import { endOf, type PostsMessages } from '../rpc/message-end.ts';

serveRegions(endOf(globalThis as unknown as PostsMessages));
