/** What the machine is doing, looked at twice a second: speed, memory, disk and network, exits by cause. */

import type { Vm, VmStats } from '../library/types/index.ts';
import { byId } from './elements.ts';
import { ExitsView } from './exits-view.ts';
import { drawHistory, LOOKS } from './history-chart.ts';
import { formatBytes, formatMips, type Rates, ratesBetween } from './rates.ts';

const LOOK_MS = 500;
const LEAST_MIPS = 10;
const FIGURES = ['read', 'written', 'sent', 'received'] as const;

/** Before the name of a figure. */
const lampOf = (figure: HTMLElement): Element | null | undefined => figure.previousElementSibling?.firstElementChild;

export class StatusView {
  readonly #exits = new ExitsView();
  readonly #chart = byId('speed-chart', HTMLCanvasElement);
  #speeds: number[] = [];
  #vm: Vm | undefined;
  #last: { readonly stats: VmStats; readonly atMs: number } | undefined;

  constructor() {
    setInterval(() => {
      if (!document.hidden) void this.#look();
    }, LOOK_MS);
  }

  attach(vm: Vm): void {
    this.#vm = vm;
    this.#last = undefined;
    this.#speeds = [];
    this.#clear();
  }

  async #look(): Promise<void> {
    const vm = this.#vm;
    if (vm === undefined) return;
    try {
      const stats = await vm.stats();
      const atMs = performance.now();
      const last = this.#last;
      if (vm !== this.#vm) return;
      this.#last = { stats, atMs };
      if (last !== undefined) this.#show(stats, ratesBetween(last.stats, stats, atMs - last.atMs));
    } catch {
      // The machine has ended: what it did last stays until another one comes.
      if (vm === this.#vm) this.#vm = undefined;
      this.#quieten();
    }
  }

  #show(stats: VmStats, rates: Rates): void {
    this.#speeds.push(rates.mips);
    if (this.#speeds.length > LOOKS) this.#speeds.shift();
    byId('mips', HTMLOutputElement).value = formatMips(rates.mips);
    this.#showSpeeds();
    const { memoryTouchedBytes, memoryBytes, drives, network } = stats;
    byId('memory-text', HTMLElement).textContent =
      `${formatBytes(memoryTouchedBytes)} touched of ${formatBytes(memoryBytes)}`;
    this.#showMemory(memoryTouchedBytes / memoryBytes);
    for (const id of FIGURES) {
      const figure = byId(id, HTMLElement);
      const bytes = rates[`${id}Bytes`];
      figure.textContent = `${formatBytes(bytes)}/s`;
      lampOf(figure)?.classList.toggle('on', bytes > 0);
    }
    showEither('disk', drives.length > 0);
    showEither('network', network.sentFrames + network.receivedFrames > 0);
    this.#exits.add(rates.exits);
  }

  #showSpeeds(): void {
    const columns = this.#speeds.map((value) => [{ value, colour: '--accent' }]);
    drawHistory(this.#chart, columns, LEAST_MIPS);
    const most = this.#speeds.length === 0 ? '' : `, ${formatMips(Math.max(...this.#speeds))} at most`;
    byId('speed-about', HTMLElement).textContent = `The last minute${most}`;
  }

  #showMemory(share: number): void {
    const bar = byId('memory', HTMLElement).firstElementChild as HTMLElement;
    bar.style.width = `${Math.round(100 * share)}%`;
  }

  #quieten(): void {
    byId('mips', HTMLOutputElement).value = '–';
    for (const id of FIGURES) lampOf(byId(id, HTMLElement))?.classList.remove('on');
  }

  #clear(): void {
    this.#quieten();
    this.#showSpeeds();
    this.#exits.clear();
    for (const id of ['memory-text', ...FIGURES]) byId(id, HTMLElement).textContent = '–';
    this.#showMemory(0);
  }
}

/** Figures of what the machine has, or a sentence that it has none. */
function showEither(what: 'disk' | 'network', isThere: boolean): void {
  byId(`${what}-figures`, HTMLElement).hidden = !isThere;
  byId(`no-${what}`, HTMLElement).hidden = isThere;
}
