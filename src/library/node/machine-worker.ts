/** Serves a machine to whoever started this worker of Node. */

import { parentPort } from 'node:worker_threads';
import { endOf, type PostsMessages } from '../../base/message-end.ts';
import { enableBranchHints } from '../../host/node/engine-flags.ts';
import { serveMachine } from '../serve-machine.ts';
import { nodeMachine } from './machine.ts';

enableBranchHints();
serveMachine(endOf(parentPort as unknown as PostsMessages), nodeMachine);
