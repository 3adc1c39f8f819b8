/**
 * 93C46: 64 words of 16 bits behind four wires (Microwire; Microchip 93C46B data sheet DS21749, §2 "Functional
 * Description"). Network cards keep their address in one, and drivers shift it out bit by bit.
 *
 *     DI  1 op op a5 .. a0 [d15 .. d0]     clocked in while CS is high, at the rising edge of SK
 *     DO                 0  d15 .. d0 ...  READ goes on with the next word
 *
 * Writing takes no time. Not modelled: the organisation as 128 bytes.
 */

import { bool, defineState, type StateOf, u8, u16, u16s } from '../../base/state.ts';

export const EEPROM_WORDS = 64;
const ADDRESS_BITS = 6;

/** What the next bit on DI is. */
const START = 0;
const COMMAND = 1;
const READING = 2;
const WRITING = 3;
const DONE = 4;

/** Operations; those of group 0 have the operation in the upper two bits of the address. */
const OP_GROUP = 0;
const OP_WRITE = 1;
const OP_READ = 2;
const GROUP_DISABLE = 0;
const GROUP_WRITE_ALL = 1;
const GROUP_ERASE_ALL = 2;
const ERASED = 0xffff;

export const eepromState = defineState('eeprom-93c46', 1, {
  words: u16s(EEPROM_WORDS),
  selected: bool(),
  clock: bool(),
  dataOut: bool({ initial: true }),
  writeEnabled: bool(),
  phase: u8({ max: DONE }),
  /** Bits seen in this phase, and how many. */
  shift: u16(),
  count: u8({ max: 16 }),
  address: u8({ max: EEPROM_WORDS - 1 }),
  writesAll: bool(),
});

export class Eeprom93c46 {
  readonly #state: StateOf<typeof eepromState>;

  constructor(state: StateOf<typeof eepromState>) {
    this.#state = state;
  }

  get dataOut(): boolean {
    return this.#state.dataOut;
  }

  /** Puts levels on CS, SK and DI. */
  drive(select: boolean, clock: boolean, dataIn: boolean): void {
    const s = this.#state;
    const rising = clock && !s.clock;
    s.clock = clock;
    if (select !== s.selected) {
      s.selected = select;
      this.#await(START);
      s.dataOut = true; // no write is under way
    }
    if (select && rising) this.#clocked(dataIn ? 1 : 0);
  }

  #await(phase: number): void {
    this.#state.phase = phase;
    this.#state.count = 0;
    this.#state.shift = 0;
  }

  #clocked(dataIn: number): void {
    const s = this.#state;
    if (s.phase === START) {
      if (dataIn) this.#await(COMMAND);
    } else if (s.phase === READING) {
      this.#shiftOut();
    } else if (s.phase !== DONE) {
      s.shift = ((s.shift << 1) | dataIn) & 0xffff;
      s.count++;
      if (s.phase === COMMAND && s.count === 2 + ADDRESS_BITS) this.#command(s.shift >> ADDRESS_BITS);
      else if (s.phase === WRITING && s.count === 16) this.#store(s.shift);
    }
  }

  #command(operation: number): void {
    const s = this.#state;
    s.address = s.shift & (EEPROM_WORDS - 1);
    s.writesAll = false;
    if (operation === OP_READ) {
      s.dataOut = false; // the dummy bit
      this.#await(READING);
    } else if (operation === OP_WRITE) {
      this.#await(WRITING);
    } else if (operation === OP_GROUP) {
      this.#groupCommand(s.address >> (ADDRESS_BITS - 2));
    } else {
      this.#store(ERASED);
    }
  }

  #groupCommand(operation: number): void {
    const s = this.#state;
    s.writesAll = operation === GROUP_WRITE_ALL || operation === GROUP_ERASE_ALL;
    if (operation === GROUP_WRITE_ALL) {
      this.#await(WRITING);
    } else if (operation === GROUP_ERASE_ALL) {
      this.#store(ERASED);
    } else {
      s.writeEnabled = operation !== GROUP_DISABLE;
      this.#await(DONE);
    }
  }

  #store(word: number): void {
    const s = this.#state;
    if (s.writeEnabled && s.writesAll) s.words.fill(word);
    else if (s.writeEnabled) s.words[s.address] = word;
    this.#await(DONE);
  }

  #shiftOut(): void {
    const s = this.#state;
    s.dataOut = ((s.words[s.address] >> (15 - s.count)) & 1) === 1;
    s.count = (s.count + 1) % 16;
    if (s.count === 0) s.address = (s.address + 1) % EEPROM_WORDS;
  }
}
