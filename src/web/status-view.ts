/** What the machine is doing, looked at twice a second: speed, memory, disk and network, exits by cause. */

import type { Vm, VmStats } from '../library/types/index.ts';
import { byId, make } from './elements.ts';
import { formatBytes, type Rates, ratesBetween } from './rates.ts';

const LOOK_MS = 500;
/** A minute of looks in the chart of speed. */
const LOOKS = 120;
const CAUSES = 6;
const FIGURES = ['read', 'written', 'sent', 'received'];

/** Before the name of a figure. */
const lampOf = (figure: HTMLElement): Element | null | undefined => figure.previousElementSibling?.firstElementChild;

export class StatusView {
  readonly #chart = byId('speed-chart', HTMLCanvasElement);
  readonly #speeds: number[] = [];
  readonly #bars = new Map<string, HTMLLIElement>();
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
    this.#speeds.length = 0;
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
    const { mips } = rates;
    byId('mips', HTMLOutputElement).value = mips >= 100 || mips < 0.05 ? String(Math.round(mips)) : mips.toFixed(1);
    this.#speeds.push(mips);
    if (this.#speeds.length > LOOKS) this.#speeds.shift();
    this.#drawSpeeds();
    const { memoryTouchedBytes, memoryBytes } = stats;
    byId('memory-text', HTMLElement).textContent =
      `${formatBytes(memoryTouchedBytes)} touched of ${formatBytes(memoryBytes)}`;
    this.#showMemory(memoryTouchedBytes / memoryBytes);
    for (const [id, bytes] of [
      ['read', rates.readBytes],
      ['written', rates.writtenBytes],
      ['sent', rates.sentBytes],
      ['received', rates.receivedBytes],
    ] as const) {
      const figure = byId(id, HTMLElement);
      figure.textContent = `${formatBytes(bytes)}/s`;
      lampOf(figure)?.classList.toggle('on', bytes > 0);
    }
    this.#showExits(rates.exits.slice(0, CAUSES));
  }

  /** Lines are kept by their cause, so that they can be read while numbers change. */
  #showExits(exits: Rates['exits']): void {
    const list = byId('exits', HTMLElement);
    const most = exits[0]?.count ?? 1;
    for (const [cause, bar] of this.#bars) {
      if (exits.some((exit) => exit.cause === cause)) continue;
      bar.remove();
      this.#bars.delete(cause);
    }
    list.querySelector('.none')?.remove();
    if (exits.length === 0) list.append(make('li', 'none: the guest needs nobody', 'none'));
    for (const { cause, count } of exits) {
      let bar = this.#bars.get(cause);
      if (bar === undefined) {
        bar = make('li');
        const track = make('span', '', 'track');
        track.append(make('span'));
        bar.append(make('span', cause), make('span', '', 'count'), track);
        this.#bars.set(cause, bar);
        list.append(bar);
      }
      (bar.querySelector('.count') as HTMLElement).textContent = Math.ceil(count).toLocaleString('en');
      (bar.querySelector('.track span') as HTMLElement).style.width = `${(100 * count) / most}%`;
    }
  }

  #drawSpeeds(): void {
    const canvas = this.#chart;
    const context = canvas.getContext('2d');
    if (context === null) return;
    const scale = devicePixelRatio;
    const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    if (canvas.width !== Math.round(width)) Object.assign(canvas, { width, height });
    context.clearRect(0, 0, canvas.width, canvas.height);
    const most = Math.max(10, ...this.#speeds);
    const style = getComputedStyle(canvas);
    context.fillStyle = style.color;
    const step = canvas.width / LOOKS;
    const first = LOOKS - this.#speeds.length;
    for (const [i, speed] of this.#speeds.entries()) {
      const bar = Math.max(scale, (speed / most) * canvas.height);
      context.fillRect((first + i) * step, canvas.height - bar, Math.max(1, step - scale / 2), bar);
    }
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
    this.#drawSpeeds();
    for (const bar of this.#bars.values()) bar.remove();
    this.#bars.clear();
    for (const id of ['memory-text', ...FIGURES]) byId(id, HTMLElement).textContent = '–';
    this.#showMemory(0);
  }
}
