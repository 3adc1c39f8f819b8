/** `--display`: where the screen of a PC is shown, and from where its keyboard and mouse are used. */

import type { ReadStream, WriteStream } from 'node:tty';
import { InvalidArgumentError } from 'commander';
import { VivariumError } from '../base/errors.ts';
import { TerminalDisplay } from '../host/node/terminal-display.ts';
import { VncServer } from '../host/node/vnc-server.ts';
import type { RunnableGuest } from '../vmm/guest-options.ts';

export type DisplayOption =
  | { readonly kind: 'none' }
  | { readonly kind: 'terminal' }
  /** Without a port, the first that is free from 5900 on; port 0 is any that is free. */
  | { readonly kind: 'vnc'; readonly port?: number };

export interface Display {
  /** Throws a VivariumError where the guest's screen cannot be shown. */
  start(guest: RunnableGuest): Promise<void>;
  close(): void;
}

const LAST_PORT = 65_535;
/** Whoever makes trouble again and again is not told of each time. */
const MOST_NOTICES = 10;

export function parseDisplay(text: string): DisplayOption {
  if (text === 'none' || text === 'terminal' || text === 'vnc') return { kind: text };
  const port = Number(/^vnc=:(\d{1,5})$/.exec(text)?.[1]);
  if (port <= LAST_PORT) return { kind: 'vnc', port };
  throw new InvalidArgumentError('Write none, terminal, vnc, or vnc=:PORT with a TCP port such as 5901.');
}

/**
 * The terminal's whole, for the screen of a PC: where that is asked for, and where nothing is said and a person sits at
 * a terminal that can show it. Throws a VivariumError where it was asked for and there is none.
 */
export function terminalDisplayFor(
  option: DisplayOption | undefined,
  input: ReadStream,
  output: WriteStream & { fd: number },
): TerminalDisplay | undefined {
  const isTerminal = input.isTTY && output.isTTY;
  const isAsked = option?.kind === 'terminal';
  if (isAsked && !isTerminal) {
    const message = '--display terminal needs a terminal as standard input and output.';
    throw new VivariumError({ kind: 'bad-option' }, message);
  }
  const isDefault = option === undefined && isTerminal && process.env.TERM !== 'dumb';
  return isAsked || isDefault ? new TerminalDisplay(output) : undefined;
}

/** Of a display beside the terminal; `notice` is told lines for the user. */
export function displayFor(
  option: DisplayOption | undefined,
  name: string,
  notice: (line: string) => void,
): Display | undefined {
  return option?.kind === 'vnc' ? new VncDisplay(option.port, name, notice) : undefined;
}

class VncDisplay implements Display {
  readonly #port: number | undefined;
  readonly #name: string;
  readonly #notice: (line: string) => void;
  #server: VncServer | undefined;
  #noticesLeft = MOST_NOTICES;

  constructor(port: number | undefined, name: string, notice: (line: string) => void) {
    this.#port = port;
    this.#name = name;
    this.#notice = notice;
  }

  async start({ screen, keyboard, pointer }: RunnableGuest): Promise<void> {
    if (screen === undefined || keyboard === undefined || pointer === undefined) return;
    this.#server = await VncServer.listen(
      { screen, keyboard, pointer },
      {
        ...(this.#port !== undefined && { port: this.#port }),
        name: `Vivarium: ${this.#name}`,
        dropped: (message) => this.#dropped(message),
      },
    );
    this.#notice(`The screen is at 127.0.0.1:${this.#server.port} for VNC clients.`);
  }

  close(): void {
    this.#server?.close();
  }

  #dropped(message: string): void {
    if (this.#noticesLeft-- > 0) this.#notice(message);
  }
}
