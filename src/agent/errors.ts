/** What can go wrong between a host and its guest's agent. */

import { VivariumError } from '../base/errors.ts';
import { errorMeaning } from './errno.ts';

/** The agent is not there any more, or was never: the guest ended or was restarted, or the agent was. */
export class AgentLostError extends VivariumError {
  override readonly name = 'AgentLostError';

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super({ kind: 'agent-lost' }, message, options);
  }
}

/** The agent said what docs/agent.md does not allow. The connection is over. */
export class AgentProtocolError extends VivariumError {
  override readonly name = 'AgentProtocolError';

  constructor(problem: string) {
    super({ kind: 'agent-protocol' }, `The guest's agent does not keep to its protocol: ${problem}.`);
  }
}

/** What was asked for was not done within the time it was given. */
export class AgentTimeoutError extends VivariumError {
  override readonly name = 'AgentTimeoutError';

  constructor(what: string, timeoutMs: number) {
    super({ kind: 'timeout' }, `${what} took longer than ${timeoutMs} ms.`);
  }
}

/** The guest's system refused: the file is not there, the command not to be found. `code` is Linux's name, `ENOENT`. */
export class GuestError extends VivariumError {
  override readonly name = 'GuestError';
  readonly code: string;
  readonly path: string | undefined;

  /** `what` begins the message: "Cannot read /etc/motd in the guest". */
  constructor(code: string, what: string, path?: string) {
    super({ kind: 'guest', code, ...(path !== undefined && { path }) }, `${what}: ${errorMeaning(code)} (${code}).`);
    this.code = code;
    this.path = path;
  }
}
