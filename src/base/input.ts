/** What people do at a guest's keyboard and pointer. */

/** Keys by their place on the board, as W3C "UI Events KeyboardEvent code Values" names them: `KeyA`, `ArrowUp`. */
export type KeyCode = string;

export interface Keyboard {
  /** A key goes down, stays down (told again for each repetition) or comes up. Codes that no key has change nothing. */
  key(code: KeyCode, pressed: boolean): void;
}

/** Buttons of `Pointer.buttons`. */
export const POINTER_LEFT = 1;
export const POINTER_RIGHT = 2;
export const POINTER_MIDDLE = 4;

export interface Pointer {
  /** Right, down, and towards the user (the wheel), in steps. */
  move(dx: number, dy: number, dz: number): void;
  buttons(mask: number): void;
}
