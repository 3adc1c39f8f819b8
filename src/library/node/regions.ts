/** Makes regions for the translator of whoever started this worker of Node. */

import { parentPort } from 'node:worker_threads';
import { endOf, type PostsMessages } from '../../base/message-end.ts';
import { serveRegions } from '../../cpu/translator/region-thread.ts';
import { deferThisThread } from '../../host/node/compiler-threads.ts';

deferThisThread();
serveRegions(endOf(parentPort as unknown as PostsMessages));
