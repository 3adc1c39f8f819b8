/** What runs in a worker of a browser: a machine. */

import { endOf, type PostsMessages } from '../../base/message-end.ts';
import { serveMachine } from '../serve-machine.ts';
import { browserMachine } from './machine.ts';

serveMachine(endOf(globalThis as unknown as PostsMessages), browserMachine);
