/** A terminal for tests: it understands what frames are made of, and nothing else. */

/** Behind its Escape. */
const SEQUENCE = /\[(\?)?([\d;]*)([A-Za-z])/y;

export class TestTerminal {
  readonly columns: number;
  readonly rows: number;
  readonly modes = new Set<number>();
  #characters: string[];
  #attributes: string[];
  #at = 0;
  #attribute = '';

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.#characters = new Array(columns * rows).fill('?');
    this.#attributes = new Array(columns * rows).fill('');
  }

  /** Rows of characters, without blanks at their ends. */
  get text(): string[] {
    return Array.from({ length: this.rows }, (_, row) => this.#row(this.#characters, row).join('').trimEnd());
  }

  /** What SGR said last of a cell, as `foreground/background` and `blink`. */
  attribute(column: number, row: number): string {
    return this.#attributes[row * this.columns + column] as string;
  }

  get cursor(): { readonly column: number; readonly row: number } {
    return { column: this.#at % this.columns, row: Math.floor(this.#at / this.columns) };
  }

  write(text: string): void {
    for (let i = 0; i < text.length; ) {
      if (text[i] !== '\x1b') {
        this.#characters[this.#at] = text[i++] as string;
        this.#attributes[this.#at++] = this.#attribute;
        continue;
      }
      SEQUENCE.lastIndex = i + 1;
      const [all, mark, parameters, final] = SEQUENCE.exec(text) ?? [];
      if (all === undefined) throw new Error(`unknown sequence in ${JSON.stringify(text.slice(i, i + 20))}`);
      this.#sequence(mark === '?', parameters as string, final as string);
      i += all.length + 1;
    }
  }

  #sequence(isPrivate: boolean, parameters: string, final: string): void {
    const numbers = parameters.split(';').map(Number);
    if (isPrivate) {
      for (const mode of numbers) {
        if (final === 'h') this.modes.add(mode);
        else this.modes.delete(mode);
      }
      return;
    }
    if (final === 'H') {
      const [row = 1, column = 1] = numbers;
      const isThere = row >= 1 && row <= this.rows && column >= 1 && column <= this.columns;
      if (!isThere) throw new Error(`there is no place ${parameters}`);
      this.#at = (row - 1) * this.columns + column - 1;
      return;
    }
    if (final !== 'm') throw new Error(`unknown control function ${final}`);
    this.#select(numbers);
  }

  #select(numbers: number[]): void {
    let [foreground = '', background = '', blink = ''] = this.#attribute.split(/[/ ]/);
    while (numbers.length > 0) {
      const number = numbers.shift() as number;
      const isDirect = number === 38 || number === 48;
      const colour = isDirect
        ? numbers
            .splice(0, numbers[0] === 2 ? 4 : 2)
            .slice(1)
            .join(',')
        : String(number);
      if (number === 0) [foreground, background, blink] = ['', '', ''];
      else if (number === 5) blink = 'blink';
      else if (number === 25) blink = '';
      else if (number === 48 || (number >= 40 && number <= 47) || number >= 100) background = colour;
      else foreground = colour;
    }
    this.#attribute = `${foreground}/${background}${blink && ` ${blink}`}`;
  }

  #row(cells: readonly string[], row: number): string[] {
    return cells.slice(row * this.columns, (row + 1) * this.columns);
  }
}
