/**
 * Positions of RFB clients' pointers (RFC 6143 §7.5.5 "PointerEvent") as movements of the guest's mouse. The guest may
 * make other distances of them; at an edge the mouse is moved on for the whole width or height, after which both
 * pointers are at that edge again.
 */

import { POINTER_LEFT, POINTER_MIDDLE, POINTER_RIGHT, type Pointer } from '../../base/input.ts';

const BUTTON_1 = 1;
const BUTTON_2 = 2;
const BUTTON_3 = 4;
const WHEEL_UP = 8;
const WHEEL_DOWN = 16;

/** The guest's pointer, at the place to which any client has brought it last. */
export class Mouse {
  readonly #pointer: Pointer;
  #at: { readonly x: number; readonly y: number } | undefined;

  constructor(pointer: Pointer) {
    this.#pointer = pointer;
  }

  /** To a place on a screen of the given size. */
  moveTo(x: number, y: number, size: { readonly width: number; readonly height: number }): void {
    const from = this.#at ?? { x, y };
    this.#at = { x, y };
    const dx = x - from.x + beyond(x, size.width);
    const dy = y - from.y + beyond(y, size.height);
    if (dx !== 0 || dy !== 0) this.#pointer.move(dx, dy, 0);
  }

  turnWheel(steps: number): void {
    this.#pointer.move(0, 0, steps);
  }

  buttons(mask: number): void {
    this.#pointer.buttons(mask);
  }
}

function beyond(position: number, length: number): number {
  if (position <= 0) return -length;
  return position >= length - 1 ? length : 0;
}

/** One client's buttons and wheel. */
export class Buttons {
  readonly #mouse: Mouse;
  /** As in the last event. */
  #mask = 0;

  constructor(mouse: Mouse) {
    this.#mouse = mouse;
  }

  /** A turn of the wheel is a button pressed and released. */
  set(mask: number): void {
    const pressed = mask & ~this.#mask;
    const isChanged = (mask & 7) !== (this.#mask & 7);
    this.#mask = mask;
    if (isChanged) {
      const left = (mask & BUTTON_1) !== 0 ? POINTER_LEFT : 0;
      const middle = (mask & BUTTON_2) !== 0 ? POINTER_MIDDLE : 0;
      const right = (mask & BUTTON_3) !== 0 ? POINTER_RIGHT : 0;
      this.#mouse.buttons(left | middle | right);
    }
    if ((pressed & WHEEL_UP) !== 0) this.#mouse.turnWheel(-1);
    if ((pressed & WHEEL_DOWN) !== 0) this.#mouse.turnWheel(1);
  }

  /** The client is gone: nothing stays pressed. */
  release(): void {
    this.set(0);
  }
}
