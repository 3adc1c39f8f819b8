/** What runs in a worker of Node beside a machine: what makes regions for its translator. */

import { parentPort } from 'node:worker_threads';
import { endOf, type PostsMessages } from '../../base/message-end.ts';
import { serveRegions } from '../../cpu/translator/region-thread.ts';
import { deferThisThread } from '../../host/node/compiler-threads.ts';

deferThisThread();
serveRegions(endOf(parentPort as unknown as PostsMessages));
