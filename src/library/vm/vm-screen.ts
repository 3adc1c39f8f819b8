/** The caller's end of screen, keyboard and pointer. */

import { strokeOfCharacter, type as typeStroke } from '../../host/keyboard/strokes.ts';
import type { Bytes, WaitOptions } from '../types/common.ts';
import type { KeyCode, ScreenFrame, VmKeyboard, VmPointer, VmScreen } from '../types/human.ts';
import { within } from '../wait.ts';
import type { ToMachine } from './served.ts';

const DEFAULT_PER_SECOND = 30;

export class MachineScreen implements VmScreen {
  readonly #machine: ToMachine;

  constructor(machine: ToMachine) {
    this.#machine = machine;
  }

  image(options: WaitOptions = {}): Promise<ScreenFrame> {
    return within(this.#machine.call('screenImage', []), 'The picture of the screen', options);
  }

  png(options: WaitOptions = {}): Promise<Bytes> {
    return within(this.#machine.call('screenPng', []), 'The picture of the screen', options);
  }

  text(options: WaitOptions = {}): Promise<string | undefined> {
    return within(this.#machine.call('screenText', []), 'The text of the screen', options);
  }

  frames({ perSecond = DEFAULT_PER_SECOND }: { readonly perSecond?: number } = {}): ReadableStream<ScreenFrame> {
    const pauseMs = 1000 / perSecond;
    let generation = -1;
    let shownMs = Number.NEGATIVE_INFINITY;
    let isCancelled = false;
    return new ReadableStream<ScreenFrame>(
      {
        pull: async (controller) => {
          const earlyMs = shownMs + pauseMs - performance.now();
          if (earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs));
          while (!isCancelled) {
            const frame = await this.#machine.call('nextFrame', [generation]);
            if (frame === undefined || isCancelled) continue;
            generation = frame.generation;
            shownMs = performance.now();
            controller.enqueue(frame);
            return;
          }
        },
        cancel() {
          isCancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
  }
}

export class MachineKeyboard implements VmKeyboard {
  readonly #machine: ToMachine;

  constructor(machine: ToMachine) {
    this.#machine = machine;
  }

  down(code: KeyCode): void {
    this.#machine.tell('key', [code, true]);
  }

  up(code: KeyCode): void {
    this.#machine.tell('key', [code, false]);
  }

  press(...codes: readonly KeyCode[]): void {
    for (const code of codes) this.down(code);
    for (const code of [...codes].reverse()) this.up(code);
  }

  type(text: string): void {
    for (const character of text.replaceAll('\r\n', '\n')) {
      if (character === '\n') this.press('Enter');
      else if (character === '\t') this.press('Tab');
      else {
        const stroke = strokeOfCharacter(character.codePointAt(0) as number);
        if (stroke) typeStroke({ key: (code, pressed) => (pressed ? this.down(code) : this.up(code)) }, stroke);
      }
    }
  }
}

export class MachinePointer implements VmPointer {
  readonly #machine: ToMachine;

  constructor(machine: ToMachine) {
    this.#machine = machine;
  }

  move(dx: number, dy: number, wheel = 0): void {
    this.#machine.tell('movePointer', [dx, dy, wheel]);
  }

  buttons(mask: number): void {
    this.#machine.tell('pointerButtons', [mask]);
  }
}
