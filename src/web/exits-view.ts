/** Exits to the monitor by cause: a minute of them as a chart, and its legend with what they are now. */

import { byId, make } from './elements.ts';
import { drawHistory, LOOKS, type Part } from './history-chart.ts';
import type { Rates } from './rates.ts';

/** Causes that have a colour of their own; the rest are one. */
const CAUSES = 5;
const OTHERS = 'all others';
const LEAST = 10;

type Counts = ReadonlyMap<string, number>;

export class ExitsView {
  readonly #canvas = byId('exits-chart', HTMLCanvasElement);
  readonly #list = byId('exits', HTMLElement);
  #history: Counts[] = [];
  /** The number of a cause's colour: it keeps it for as long as it is among the most frequent. */
  readonly #colours = new Map<string, number>();

  clear(): void {
    this.#history = [];
    this.#colours.clear();
    this.#show();
  }

  add(exits: Rates['exits']): void {
    this.#history.push(new Map(exits.map(({ cause, count }) => [cause, count])));
    if (this.#history.length > LOOKS) this.#history.shift();
    this.#show();
  }

  #show(): void {
    const named = this.#mostFrequent();
    const rank = new Map(named.map((cause, i) => [cause, i]));
    this.#colour(named);
    const columns = this.#history.map((counts) => this.#parts(counts, named));
    drawHistory(this.#canvas, columns, LEAST);
    const now = columns.at(-1) ?? [];
    const rows = [...named, OTHERS]
      .map((cause, i) => ({ cause, part: now[i], isShown: rank.has(cause) || columns.some((all) => all[i]?.value) }))
      .filter(({ isShown }) => isShown)
      .map(({ cause, part }) => row(cause, part));
    this.#list.replaceChildren(...(rows.length > 0 ? rows : [make('li', 'none yet', 'none')]));
  }

  /** Of the minute, so that their order is calm enough to be read. */
  #mostFrequent(): string[] {
    const totals = new Map<string, number>();
    for (const counts of this.#history) {
      for (const [cause, count] of counts) totals.set(cause, (totals.get(cause) ?? 0) + count);
    }
    return [...totals]
      .sort(([, a], [, b]) => b - a)
      .slice(0, CAUSES)
      .map(([cause]) => cause);
  }

  #colour(named: readonly string[]): void {
    for (const cause of this.#colours.keys()) if (!named.includes(cause)) this.#colours.delete(cause);
    for (const cause of named) {
      if (this.#colours.has(cause)) continue;
      const taken = new Set(this.#colours.values());
      let colour = 1;
      while (taken.has(colour)) colour++;
      this.#colours.set(cause, colour);
    }
  }

  #parts(counts: Counts, named: readonly string[]): Part[] {
    let others = 0;
    for (const [cause, count] of counts) if (!this.#colours.has(cause)) others += count;
    return [
      ...named.map((cause) => ({ value: counts.get(cause) ?? 0, colour: `--series-${this.#colours.get(cause)}` })),
      { value: others, colour: '--series-others' },
    ];
  }
}

function row(cause: string, part: Part | undefined): HTMLLIElement {
  const made = make('li');
  const swatch = make('span', '', 'swatch');
  swatch.style.background = `var(${part?.colour ?? '--line'})`;
  made.append(swatch, make('span', cause), make('span', Math.ceil(part?.value ?? 0).toLocaleString('en'), 'count'));
  return made;
}
