/** A machine as its user sees it, by calls to wherever it runs. */

import type { WorkerEnd } from '../../base/message-end.ts';
import { unpackEnd, VmEndedError } from '../errors.ts';
import type { CallerCalls, MachineCalls, MachineFacts, MachineOptions } from '../machine-calls.ts';
import { Rpc } from '../rpc/rpc.ts';
import type { Bytes, WaitOptions } from '../types/common.ts';
import type { VmScreen } from '../types/human.ts';
import type { ExecOptions, ExecResult, Process, SpawnOptions, VmFiles } from '../types/process.ts';
import type { Vm, VmEnd, VmSnapshotOptions, VmStats } from '../types/vm.ts';
import type { Uploads } from '../uploads.ts';
import { within } from '../wait.ts';
import type { AgentSession } from './agent-session.ts';
import type { Served, ToMachine } from './served.ts';
import { MachineConsole } from './vm-console.ts';
import { MachineKeyboard, MachinePointer, MachineScreen } from './vm-screen.ts';

/** How long a machine may take to close its disks before its thread is ended all the same. */
const CLOSE_MS = 10_000;

export class MachineVm implements Vm {
  readonly ended: Promise<VmEnd>;
  readonly console: MachineConsole;
  readonly keyboard: MachineKeyboard;
  readonly pointer: MachinePointer;
  readonly #end: WorkerEnd;
  readonly #machine: ToMachine;
  readonly #agent: AgentSession;
  readonly #served: Served;
  readonly #uploads: Uploads;
  #screen: VmScreen | undefined;
  #facts: MachineFacts | undefined;
  #settle: (end: VmEnd) => void = () => {};
  #ended: VmEnd | undefined;
  #closing: Promise<void> | undefined;

  constructor(end: WorkerEnd, agent: AgentSession, served: Served, uploads: Uploads) {
    this.#uploads = uploads;
    this.#end = end;
    this.#agent = agent;
    this.#served = served;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.console = new MachineConsole({
      input: (bytes) => this.#machine.tell('consoleInput', [bytes]),
      flow: (isFlowing) => this.#machine.tell('consoleFlow', [isFlowing]),
      resize: (columns, rows) => agent.resize(columns, rows),
    });
    this.#machine = new Rpc<MachineCalls, CallerCalls>(end, {
      ...served.handlers,
      ended: (how) => this.#over(unpackEnd(how)),
      consoleOutput: (bytes) => this.console.output(bytes),
    });
    this.keyboard = new MachineKeyboard(this.#machine);
    this.pointer = new MachinePointer(this.#machine);
    served.connect(this.#machine);
    end.failed((error) => this.#over({ kind: 'failed', error }));
  }

  /** Rejects where there can be no machine; then nothing is left of it. */
  async start(options: MachineOptions): Promise<void> {
    try {
      await this.#send();
      this.#facts = await this.#machine.call('start', [options]);
      this.#screen = this.#facts.hasScreen ? new MachineScreen(this.#machine) : undefined;
      this.#agent.started(this.#facts);
    } catch (error) {
      this.#over({ kind: 'closed' });
      throw error;
    }
  }

  get screen(): VmScreen | undefined {
    return this.#screen;
  }

  get files(): VmFiles {
    return this.#agent.files;
  }

  exec(
    file: string,
    args?: readonly string[],
    options?: ExecOptions & { readonly encoding?: 'utf8' },
  ): Promise<ExecResult>;
  exec(
    file: string,
    args: readonly string[],
    options: ExecOptions & { readonly encoding: 'bytes' },
  ): Promise<ExecResult<Bytes>>;
  exec(file: string, args: readonly string[] = [], options: ExecOptions = {}): Promise<ExecResult | ExecResult<Bytes>> {
    return this.#agent.exec(file, args, options);
  }

  spawn(file: string, args: readonly string[] = [], options: SpawnOptions = {}): Process {
    return this.#agent.spawn(file, args, options);
  }

  ready(options?: WaitOptions): Promise<void> {
    return this.#agent.ready(options);
  }

  snapshot({ base, copyDisks = false, ...options }: VmSnapshotOptions = {}): Promise<Bytes> {
    const bases = base === undefined ? [] : base instanceof Uint8Array ? [base] : base;
    return within(this.#snapshot(bases, copyDisks), 'The snapshot', options);
  }

  async #snapshot(bases: readonly Uint8Array[], copyDisks: boolean): Promise<Bytes> {
    const packed = bases.map((base) => this.#uploads.pack(base));
    await this.#send();
    return this.#machine.call('snapshot', [packed, copyDisks]);
  }

  #send(): Promise<void> {
    return this.#uploads.send((number, bytes) => this.#machine.tell('upload', [number, bytes], [bytes.buffer]));
  }

  pause(): Promise<void> {
    return this.#machine.call('pause', []);
  }

  resume(): Promise<void> {
    return this.#machine.call('resume', []);
  }

  async reset(): Promise<void> {
    await this.#machine.call('reset', []);
    if (this.#facts !== undefined) this.#agent.started(this.#facts);
  }

  stats(options: WaitOptions = {}): Promise<VmStats> {
    return within(this.#machine.call('stats', []), 'The statistics', options);
  }

  stateHash(options: WaitOptions = {}): Promise<string> {
    return within(this.#machine.call('stateHash', []), "The machine's hash", options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#ended === undefined) {
      // A machine that was never started has nothing to close, and one that hangs is not waited for.
      await within(this.#machine.call('close', []), 'Closing', { timeoutMs: CLOSE_MS }).catch(() => {});
      this.#over({ kind: 'closed' });
    }
    await this.#end.terminate();
  }

  #over(end: VmEnd): void {
    if (this.#ended !== undefined) return;
    this.#ended = end;
    this.#agent.ended(end);
    this.#machine.close(new VmEndedError(end));
    this.#served.close();
    this.console.end();
    void this.#end.terminate();
    this.#settle(end);
  }
}
