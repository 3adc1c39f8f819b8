/** The guest's console in a terminal. */

import { FitAddon } from '@xterm/addon-fit';
import { type ITheme, Terminal } from '@xterm/xterm';
import type { Vm } from '../library/types/index.ts';
import { LettingGo } from './letting-go.ts';

const DARK: ITheme = {
  background: '#0d1113',
  foreground: '#dfe6e2',
  cursor: '#52c79b',
  selectionBackground: '#2c5a49',
};
const LIGHT: ITheme = {
  background: '#fcfdfb',
  foreground: '#1b2420',
  cursor: '#176b4d',
  selectionBackground: '#bfe3d4',
};
/** What guests write in whatever colour can be read (WCAG 2.2 §1.4.3 "Contrast (Minimum)"). */
const LEAST_CONTRAST = 4.5;
const MOST_UNSHOWN_BYTES = 32 * 1024;
/** Sizes of the terminal are told once it has stopped changing. */
const SETTLED_MS = 150;

export class TerminalView {
  readonly #terminal = new Terminal({ fontSize: 14, scrollback: 5000, minimumContrastRatio: LEAST_CONTRAST });
  readonly #fit = new FitAddon();
  #vm: Vm | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #resizing: ReturnType<typeof setTimeout> | undefined;
  /** Bytes that the terminal was given, and has not come to. */
  #unshown = 0;
  readonly #letGo = new LettingGo();

  /** `released` is called when the user wants the focus elsewhere. */
  constructor(place: HTMLElement, released: () => void) {
    const terminal = this.#terminal;
    terminal.loadAddon(this.#fit);
    terminal.open(place);
    terminal.textarea?.setAttribute('aria-label', "The guest's console");
    terminal.attachCustomKeyEventHandler((event) => {
      if (!this.#letGo.key(event)) return true;
      released();
      return false;
    });
    terminal.textarea?.addEventListener('blur', () => this.#letGo.clear());
    terminal.onData((text) => this.#vm?.console.write(text));
    terminal.onBinary((text) => this.#vm?.console.write(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    terminal.onResize(() => {
      clearTimeout(this.#resizing);
      this.#resizing = setTimeout(() => this.#tellSize(), SETTLED_MS);
    });
    new ResizeObserver(() => this.fit()).observe(place);
  }

  set isDark(isDark: boolean) {
    this.#terminal.options.theme = isDark ? DARK : LIGHT;
  }

  fit(): void {
    // Nothing is shown in no room: the size it had stays.
    if (this.#terminal.element?.offsetParent) this.#fit.fit();
  }

  focus(): void {
    this.#terminal.focus();
  }

  /** Shows another machine's console. */
  attach(vm: Vm): void {
    void this.#reader?.cancel().catch(() => {});
    this.#reader = undefined;
    this.#vm = vm;
    this.#terminal.reset();
    const reader = vm.console.readable.getReader();
    this.#reader = reader;
    void this.#show(reader);
    this.#tellSize();
  }

  /** The machine begins again, and so does what it writes. */
  clear(): void {
    this.#terminal.reset();
    this.#tellSize();
  }

  /** As from the keyboard. */
  type(text: string): void {
    this.#vm?.console.write(text);
    this.focus();
  }

  /** Text of the lines that were written, for those who look from outside. */
  get text(): string {
    const { active } = this.#terminal.buffer;
    const lines = Array.from({ length: active.length }, (_, i) => active.getLine(i)?.translateToString(true) ?? '');
    return lines.join('\n').trimEnd();
  }

  /** No more is read than is shown: a guest that writes without end waits for the terminal, not the page. */
  async #show(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#reader !== reader) return;
        await this.#write(value);
      }
    } catch {
      // The machine is gone, which is told elsewhere.
    }
  }

  /** The terminal shows what it has by timers: waiting for each piece would be slower than guests are. */
  async #write(bytes: Uint8Array): Promise<void> {
    this.#unshown += bytes.length;
    const shown = new Promise<void>((resolve) => {
      this.#terminal.write(bytes, () => {
        this.#unshown -= bytes.length;
        resolve();
      });
    });
    if (this.#unshown > MOST_UNSHOWN_BYTES) await shown;
  }

  #tellSize(): void {
    const { cols, rows } = this.#terminal;
    this.#vm?.console.resize(cols, rows).catch(() => {});
  }
}
