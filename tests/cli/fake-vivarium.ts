/** The command line with a guest that does, at each line it is given, what tests of the command line need. */

import { spawn, spawnSync } from 'node:child_process';
import { main } from '../../src/apps/main.ts';
import { VivariumError } from '../../src/base/errors.ts';
import { NO_TRANSLATIONS } from '../../src/cpu/translator/statistics.ts';
import type { CreateGuest, GuestEnd, GuestOptions, GuestStats, RunnableGuest } from '../../src/vmm/guest-options.ts';

const EOT = 0x04;

class FakeGuest implements RunnableGuest {
  readonly #options: GuestOptions;
  /** What the second serial port is for: standard input, or changes of the terminal's size. */
  readonly #isFilter: boolean;
  #line: number[] = [];
  #finish: (end: GuestEnd) => void = () => {};
  #isPaused = false;
  #early: Uint8Array[] | undefined = [];

  constructor(options: GuestOptions) {
    this.#options = options;
    this.#isFilter = options.kernel?.commandLine.includes('vivarium.filter=ttyS1') ?? false;
  }

  run(): Promise<GuestEnd> {
    return new Promise((resolve) => {
      this.#finish = resolve;
      this.#say('ready\r\n');
      this.#options.onSecondSerial?.(0x0a);
      for (const bytes of this.#early ?? []) this.#take(bytes);
      this.#early = undefined;
    });
  }

  sendConsole(bytes: Uint8Array): void {
    if (this.#early) this.#early.push(bytes);
    else this.#take(bytes);
  }

  sendSecondSerial(bytes: Uint8Array): void {
    if (this.#isFilter) this.sendConsole(bytes);
    else this.#say(`second serial: ${Buffer.from(bytes)}`);
  }

  stop(): void {
    this.#finish({ kind: 'stopped' });
  }

  async snapshot(): Promise<Uint8Array> {
    return new TextEncoder().encode('a snapshot');
  }

  pause(): void {
    this.#isPaused = true;
    process.stderr.write('[paused]');
  }

  resume(): void {
    this.#isPaused = false;
  }

  stats(): GuestStats {
    return {
      instructions: 1000,
      virtualNs: 5_000_000,
      exits: { HLT: 3 },
      tlbHits: 10,
      tlbMisses: 1,
      memoryTouchedBytes: 4096,
      translator: NO_TRANSLATIONS,
    };
  }

  stateHash(): string {
    return 'c0ffee';
  }

  #take(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === 0x0a || byte === 0x0d || byte === EOT) {
        const line = Buffer.from(this.#line).toString('latin1');
        this.#line = [];
        if (line === '' && byte === EOT) this.#finish({ kind: 'powered-off' });
        else this.#do(line);
      } else {
        this.#line.push(byte);
      }
    }
  }

  #do(line: string): void {
    const [command, ...rest] = line.split(' ');
    switch (command) {
      case 'poweroff':
        return this.#finish({ kind: 'powered-off' });
      case 'exit':
        return this.#finish({ kind: 'exit-code', value: Number(rest[0]) });
      case 'reset':
        return this.#finish({ kind: 'reset' });
      case 'panic':
        return this.#finish({ kind: 'panicked' });
      case 'triple-fault':
        return this.#finish({ kind: 'triple-fault', detail: 'at 0x1234' });
      case 'options':
        return this.#say(`${JSON.stringify({ ...this.#options, kernel: this.#options.kernel?.commandLine })}\r\n`);
      case 'spew':
        return this.#repeat(() => this.#say('y'.repeat(10_000)));
      case 'trace':
        return this.#repeat(() => {
          for (let i = 0; i < 1000; i++) this.#options.trace?.line('0 exit HLT');
        });
      // About the terminal that we run on: show its settings, change its size.
      case 'stty':
        return this.#say(spawnSync('stty', rest, { stdio: [0, 'pipe', 2], encoding: 'latin1' }).stdout);
      case 'kill':
        process.kill(process.pid, rest[0]);
        return;
      case 'suspend':
        return this.#suspend();
      case 'bug':
        setImmediate(() => {
          throw new Error('planted');
        });
        return;
      default:
        this.#say(`[${line}]\r\n`);
    }
  }

  /** As Ctrl-Z would if it were not the guest's, with somebody to look at the terminal and wake us up again. */
  #suspend(): void {
    const watcher = `until grep -q '^State:.T' /proc/$1/status; do sleep 0.02; done
      stty -a | grep -qw -- -icanon || echo 'stopped with icanon'; kill -CONT $1`;
    spawn('sh', ['-c', watcher, 'sh', `${process.pid}`], { stdio: [0, 1, 2] });
    process.once('SIGCONT', () => this.#say('woken\r\n'));
    process.kill(process.pid, 'SIGTSTP');
  }

  #repeat(act: () => void): void {
    act();
    setInterval(() => {
      if (!this.#isPaused) act();
    }, 1);
  }

  #say(text: string): void {
    this.#options.onConsole(Buffer.from(text, 'latin1'));
  }
}

const createGuest: CreateGuest = async (options) => {
  if (options.memoryBytes < 2 ** 20) throw new VivariumError({ kind: 'bad-memory' }, 'The memory is too small.');
  return new FakeGuest(options);
};

/** At a terminal the command would start the built-in guest's snapshot, of which this guest knows nothing. */
function cold([command, ...words]: readonly (string | undefined)[]): string[] {
  const options = command === 'run' && process.stdin.isTTY ? ['--cold'] : [];
  return [command, ...options, ...words].filter((word) => word !== undefined);
}

await main(cold(process.argv.slice(2)), createGuest, async () => {
  throw new VivariumError({ kind: 'bad-snapshot' }, 'Nothing is restored here.');
});
