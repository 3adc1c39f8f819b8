/** The machine's end of the channel between the two sides. */

import type { CallerCalls, MachineCalls } from '../machine-calls.ts';
import type { Rpc } from '../rpc/rpc.ts';

export type ToCaller = Rpc<CallerCalls, MachineCalls>;
