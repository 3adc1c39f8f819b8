/** The guest's screen on a canvas, and the keyboard and mouse before it. */

import type { ScreenFrame, Vm } from '../library/types/index.ts';
import { LettingGo } from './letting-go.ts';

/** Of MouseEvent.buttons, what VmPointer.buttons has: left and right are the same, 4 is the middle one in both. */
const BUTTONS = 7;
/** A finger that moves less, in CSS pixels, and for less time has tapped: a click of the left button. */
const TAP_PIXELS = 8;
const TAP_MS = 300;
const LEFT = 1;
const WHEEL_PIXELS = 40;
const FRAMES_PER_SECOND = 30;

export class ScreenView {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #letGo = new LettingGo();
  readonly #down = new Set<string>();
  #vm: Vm | undefined;
  #frames: ReadableStreamDefaultReader<ScreenFrame> | undefined;
  #wheel = 0;
  #touch: { x: number; y: number; moved: number; atMs: number } | undefined;

  /** `released` is called when the user wants the focus elsewhere. */
  constructor(canvas: HTMLCanvasElement, released: () => void) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false }) as CanvasRenderingContext2D;
    for (const type of ['keydown', 'keyup'] as const) {
      canvas.addEventListener(type, (event) => {
        event.preventDefault();
        if (this.#letGo.key(event)) {
          this.#releaseKeys();
          if (document.pointerLockElement) document.exitPointerLock();
          released();
        } else if (event.code) {
          this.#key(event.code, type === 'keydown');
        }
      });
    }
    canvas.addEventListener('blur', () => this.#releaseKeys());
    this.#listenToMouse();
    this.#listenToFingers();
  }

  get vm(): Vm | undefined {
    return this.#vm;
  }

  focus(): void {
    this.#canvas.focus();
  }

  get hasMouse(): boolean {
    return document.pointerLockElement === this.#canvas;
  }

  /** The browser shows no pointer then, and Escape ends it. */
  async captureMouse(): Promise<void> {
    this.focus();
    await this.#canvas.requestPointerLock();
  }

  /** Shows another machine's screen, if it has one. */
  attach(vm: Vm): void {
    void this.#frames?.cancel().catch(() => {});
    this.#frames = undefined;
    this.#vm = vm;
    this.#down.clear();
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (vm.screen === undefined) return;
    const frames = vm.screen.frames({ perSecond: FRAMES_PER_SECOND }).getReader();
    this.#frames = frames;
    void this.#show(frames);
  }

  async #show(frames: ReadableStreamDefaultReader<ScreenFrame>): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await frames.read();
        if (done || this.#frames !== frames) return;
        this.#draw(value);
        // A page that nobody sees is not drawn: the stream waits.
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    } catch {
      // The machine is gone, which is told elsewhere.
    }
  }

  #draw({ width, height, pixels }: ScreenFrame): void {
    const canvas = this.#canvas;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    this.#context.putImageData(new ImageData(pixels as Uint8ClampedArray<ArrayBuffer>, width, height), 0, 0);
  }

  // ---- Keys ----------------------------------------------------------------------------------------------------------

  #key(code: string, isDown: boolean): void {
    if (isDown) {
      this.#down.add(code);
      this.#vm?.keyboard.down(code);
    } else if (this.#down.delete(code)) {
      this.#vm?.keyboard.up(code);
    }
  }

  /** No key is left down in the guest that comes up elsewhere. */
  #releaseKeys(): void {
    for (const code of this.#down) this.#vm?.keyboard.up(code);
    this.#down.clear();
    this.#letGo.clear();
  }

  // ---- Mouse and fingers ---------------------------------------------------------------------------------------------

  #listenToMouse(): void {
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.pointerType !== 'mouse') return;
      this.focus();
      // The click that captures is not the guest's.
      if (!this.hasMouse) void this.captureMouse().catch(() => {});
      else this.#vm?.pointer.buttons(event.buttons & BUTTONS);
    });
    canvas.addEventListener('pointerup', (event) => {
      if (this.hasMouse) this.#vm?.pointer.buttons(event.buttons & BUTTONS);
    });
    canvas.addEventListener('mousemove', (event) => {
      if (!this.hasMouse) return;
      this.#vm?.pointer.buttons(event.buttons & BUTTONS);
      this.#vm?.pointer.move(event.movementX, event.movementY);
    });
    canvas.addEventListener('wheel', (event) => {
      if (!this.hasMouse) return;
      event.preventDefault();
      this.#wheel += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / WHEEL_PIXELS : event.deltaY;
      const steps = Math.trunc(this.#wheel);
      this.#wheel -= steps;
      if (steps !== 0) this.#vm?.pointer.move(0, 0, steps);
    });
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
  }

  /** One finger moves the guest's pointer as on a touchpad, and a tap clicks. */
  #listenToFingers(): void {
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.pointerType === 'mouse') return;
      canvas.setPointerCapture(event.pointerId);
      this.#touch = { x: event.clientX, y: event.clientY, moved: 0, atMs: event.timeStamp };
    });
    canvas.addEventListener('pointermove', (event) => {
      const touch = this.#touch;
      if (event.pointerType === 'mouse' || touch === undefined) return;
      const [dx, dy] = [event.clientX - touch.x, event.clientY - touch.y];
      touch.moved += Math.abs(dx) + Math.abs(dy);
      Object.assign(touch, { x: event.clientX, y: event.clientY });
      this.#vm?.pointer.move(Math.round(dx), Math.round(dy));
    });
    canvas.addEventListener('pointerup', (event) => {
      const touch = this.#touch;
      this.#touch = undefined;
      if (event.pointerType === 'mouse' || touch === undefined) return;
      if (touch.moved >= TAP_PIXELS || event.timeStamp - touch.atMs >= TAP_MS) return;
      this.#vm?.pointer.buttons(LEFT);
      this.#vm?.pointer.buttons(0);
    });
  }
}
