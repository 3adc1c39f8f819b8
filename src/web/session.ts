/** The machine of the page: started, paused, begun again, saved, and replaced by another one. */

import type { BootOptions, Vm, VmEnd } from '../library/types/index.ts';

export type SessionState = 'off' | 'starting' | 'running' | 'paused' | 'ended' | 'failed';

/** What is started, with a name for the title. */
export interface Plan {
  readonly title: string;
  readonly options: BootOptions;
}

export interface SessionEvents {
  changed(): void;
  /** Another machine is there, or none. */
  attached(vm: Vm): void;
  /** The machine begins again. */
  restarted(): void;
  ended(end: VmEnd): void;
}

export class Session {
  readonly #boot: (options: BootOptions) => Promise<Vm>;
  readonly #events: SessionEvents;
  #vm: Vm | undefined;
  #plan: Plan | undefined;
  #state: SessionState = 'off';
  /** Of the last start: one that is overtaken by another gives its machine back. */
  #starts = 0;

  constructor(boot: (options: BootOptions) => Promise<Vm>, events: SessionEvents) {
    this.#boot = boot;
    this.#events = events;
  }

  get vm(): Vm | undefined {
    return this.#vm;
  }

  get state(): SessionState {
    return this.#state;
  }

  get plan(): Plan | undefined {
    return this.#plan;
  }

  get isAlive(): boolean {
    return this.#state === 'running' || this.#state === 'paused';
  }

  /** Starts another machine. The one that runs goes on if that fails, and ends if it does not. */
  async start(plan: Plan): Promise<void> {
    const start = ++this.#starts;
    const before = { state: this.#state, vm: this.#vm };
    if (!this.isAlive) this.#become('starting');
    let vm: Vm;
    try {
      vm = await this.#boot(plan.options);
    } catch (error) {
      if (start === this.#starts && this.#vm === before.vm && this.#state === 'starting') this.#become(before.state);
      throw error;
    }
    if (start !== this.#starts) {
      await vm.close();
      return;
    }
    const old = this.#vm;
    this.#vm = vm;
    this.#plan = plan;
    this.#events.attached(vm);
    this.#become('running');
    void vm.ended.then((end) => this.#ended(vm, end));
    await old?.close();
  }

  /** The same from its beginning, also where it has ended. */
  async reset(): Promise<void> {
    if (this.#plan === undefined) return;
    if (!this.isAlive || this.#vm === undefined) return this.start(this.#plan);
    await this.#vm.reset();
    if (this.#state === 'paused') await this.#vm.resume();
    this.#events.restarted();
    this.#become('running');
  }

  async togglePause(): Promise<void> {
    if (this.#state === 'running') {
      await this.#vm?.pause();
      this.#become('paused');
    } else if (this.#state === 'paused') {
      await this.#vm?.resume();
      this.#become('running');
    }
  }

  #ended(vm: Vm, end: VmEnd): void {
    if (vm !== this.#vm || end.kind === 'closed') return;
    this.#become(end.kind === 'failed' || end.kind === 'panicked' || end.kind === 'triple-fault' ? 'failed' : 'ended');
    this.#events.ended(end);
  }

  #become(state: SessionState): void {
    this.#state = state;
    this.#events.changed();
  }
}
