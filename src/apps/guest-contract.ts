/** What the command line asks of a guest; `Guest` of src/vmm is one, and tests bring their own. */

export interface GuestStats {
  readonly instructions: number;
  readonly virtualNs: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly tlbHits: number;
  readonly tlbMisses: number;
  readonly memoryTouchedBytes: number;
}

export interface GuestOptions {
  memoryBytes: number;
  kernel: {
    image: Uint8Array;
    initrd?: Uint8Array;
    modules?: { data: Uint8Array; commandLine: string }[];
    commandLine: string;
  };
  time: 'real' | 'deterministic';
  seed: number;
  optionalDevices: readonly string[];
  onConsole(bytes: Uint8Array): void;
  trace?: { kinds: ReadonlySet<'exits' | 'irq'>; line(text: string): void };
  countHits?: boolean;
}

export type GuestEnd =
  | { kind: 'powered-off' }
  | { kind: 'exit-code'; value: number }
  | { kind: 'reset' }
  | { kind: 'panicked' }
  | { kind: 'triple-fault'; detail: string }
  | { kind: 'stopped' };

export interface Guest {
  run(): Promise<GuestEnd>;
  sendConsole(bytes: Uint8Array): void;
  /** Input of the second serial port. */
  sendSecondSerial(bytes: Uint8Array): void;
  stop(): void;
  pause(): void;
  resume(): void;
  stats(): GuestStats;
  stateHash(): string;
}

export type CreateGuest = (options: GuestOptions) => Promise<Guest>;
