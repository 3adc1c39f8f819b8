/** A Debian on its serial line, as its user has it: logs in, runs commands, switches off. */

import { Conversation } from '../../bench/process.ts';
import { HOST_NAME, ROOT_PASSWORD } from './recipe.ts';

/** For a guest that hangs; on a busy host a boot takes minutes. */
const GIVE_UP_MS = 14 * 60_000;

export interface CommandResult {
  readonly status: number;
  readonly output: string;
}

export interface TimedCommand extends CommandResult {
  /** By the host's clock. */
  readonly seconds: number;
}

export class DebianGuest {
  readonly #line: Conversation;

  constructor(command: readonly string[]) {
    this.#line = new Conversation(command);
  }

  /** Milliseconds from the start of the process to the prompt. */
  async loginPrompt(): Promise<number> {
    return (await this.#line.waitFor(new RegExp(`${HOST_NAME} login: `), GIVE_UP_MS)).atMs;
  }

  /** At the prompt: to a shell of root's, which is left quiet, without a prompt and without an echo. */
  async logIn(): Promise<void> {
    this.#line.send('root\n');
    await this.#line.waitFor(/Password: /, GIVE_UP_MS);
    this.#line.send(`${ROOT_PASSWORD}\n`);
    await this.#line.waitFor(/# /, GIVE_UP_MS);
    this.#line.send('dmesg --console-off; stty -echo; exec env PS1= sh\n');
    await this.run('true');
  }

  /** Runs a line of shell. */
  async run(line: string): Promise<CommandResult> {
    const { status, output } = await this.time(line);
    return { status, output };
  }

  async time(line: string): Promise<TimedCommand> {
    this.#line.send(`echo beg''in; ${line}; echo en''d $?\n`);
    const begin = await this.#line.waitFor(/begin\r?\n/, GIVE_UP_MS);
    const { atMs, match } = await this.#line.waitFor(/([\s\S]*?)end (\d+)\r?\n/, GIVE_UP_MS);
    const output = match[1].replaceAll('\r', '').trim();
    return { status: Number(match[2]), output, seconds: (atMs - begin.atMs) / 1000 };
  }

  /** Switches it off and waits for the process. */
  async powerOff(): Promise<void> {
    this.#line.send('poweroff\n');
    await this.#line.end(GIVE_UP_MS);
  }

  /** Standard error of the process. */
  get complaints(): string {
    return this.#line.stderr;
  }

  async kill(): Promise<void> {
    await this.#line.kill();
  }
}
