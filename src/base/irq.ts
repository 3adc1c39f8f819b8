/**
 * Interrupt lines: the wire between a device and an interrupt controller, and the glue between wires.
 *
 * A line carries a level. Edges are made by changing it; setting the level it already has changes nothing.
 */

export interface IrqLine {
  set(level: boolean): void;
}

/** A pin that is not soldered to anything. */
export const unconnected: IrqLine = { set() {} };

/** One short pulse: an edge for controllers that look for edges. */
export function pulse(line: IrqLine): void {
  line.set(true);
  line.set(false);
}

/** One source that drives several pins, such as an ISA interrupt that reaches both the PIC and the I/O APIC. */
export function fanOut(...lines: readonly IrqLine[]): IrqLine {
  return {
    set(level) {
      for (const line of lines) line.set(level);
    },
  };
}

/** Several sources that share one pin: the pin is high while any of them is. */
export class OrGate {
  readonly #output: IrqLine;
  #high = 0;

  constructor(output: IrqLine) {
    this.#output = output;
  }

  /** A new input, low to begin with. */
  input(): IrqLine {
    let current = false;
    return {
      set: (level) => {
        if (level === current) return;
        current = level;
        this.#high += level ? 1 : -1;
        this.#output.set(this.#high > 0);
      },
    };
  }
}
