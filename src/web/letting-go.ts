/**
 * How the keyboard gets back out of the guest, which wants every key: left Ctrl and left Alt together, pressed and let go
 * with no other key between. (AltGr is, on some systems, left Ctrl and right Alt.)
 */

export class LettingGo {
  readonly #down = new Set<string>();
  #isAlone = false;

  /** True for the event that completes it. */
  key(event: KeyboardEvent): boolean {
    const { code, type } = event;
    if (type === 'keydown') {
      this.#down.add(code);
      const both = this.#down.has('ControlLeft') && this.#down.has('AltLeft');
      if (!event.repeat) this.#isAlone = both && this.#down.size === 2;
      return false;
    }
    if (type !== 'keyup') return false;
    const wasDown = this.#down.delete(code);
    const completes = wasDown && this.#isAlone && (code === 'ControlLeft' || code === 'AltLeft');
    this.#isAlone = false;
    if (completes) this.#down.clear();
    return completes;
  }

  /** Keys that come up elsewhere are not told. */
  clear(): void {
    this.#down.clear();
    this.#isAlone = false;
  }
}
