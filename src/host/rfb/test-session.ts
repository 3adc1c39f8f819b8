/** A session with a client of ours at its other end, and a guest that notes what is done to it. */

import { Framebuffer } from './framebuffer.ts';
import { Mouse } from './mouse.ts';
import { RfbSession } from './session.ts';
import { type ClientOptions, TestClient } from './test-client.ts';
import { TestScreen } from './test-screen.ts';

export class TestGuest {
  readonly screen: TestScreen;
  readonly framebuffer: Framebuffer;
  /** `+KeyA` for a key that goes down, `-KeyA` for one that comes up. */
  readonly keys: string[] = [];
  /** `move 1,2,0` and `buttons 1`. */
  readonly movements: string[] = [];
  readonly keyboard = {
    capsLock: false,
    key: (code: string, pressed: boolean) => void this.keys.push(`${pressed ? '+' : '-'}${code}`),
  };
  readonly mouse = new Mouse({
    move: (dx, dy, dz) => void this.movements.push(`move ${dx},${dy},${dz}`),
    buttons: (mask) => void this.movements.push(`buttons ${mask}`),
  });

  constructor(width = 100, height = 60) {
    this.screen = new TestScreen(width, height);
    this.framebuffer = new Framebuffer(this.screen);
  }
}

export interface Connected {
  readonly client: TestClient;
  readonly session: RfbSession;
  /** Bytes that were sent to the client and not drained yet. */
  waitingBytes(): number;
  /** Why the session ended. */
  ended(): string | undefined;
  /** Looks at the screen, sends what is due, and tells that it was taken. */
  exchange(): void;
}

/** Joins the two ends, each of which hears the other after it has said its own. */
export function connect(guest: TestGuest, options: ClientOptions = {}): Connected {
  let ended: string | undefined;
  let waitingBytes = 0;
  let isPassing = false;
  const underway: (() => void)[] = [];
  function pass(deliver: () => void): void {
    underway.push(deliver);
    if (isPassing) return;
    isPassing = true;
    for (let next = underway.shift(); next; next = underway.shift()) next();
    isPassing = false;
  }
  const client = new TestClient((bytes) => pass(() => session.receive(bytes)), options);
  isPassing = true;
  const session = new RfbSession({
    name: 'a guest',
    framebuffer: guest.framebuffer,
    keyboard: guest.keyboard,
    mouse: guest.mouse,
    send: (bytes) => {
      waitingBytes += bytes.length;
      pass(() => client.receive(bytes));
    },
    ended: (reason) => {
      ended = reason;
    },
  });
  isPassing = false;
  pass(() => {});
  return {
    client,
    session,
    waitingBytes: () => waitingBytes,
    ended: () => ended,
    exchange: () => {
      guest.framebuffer.look();
      session.update();
      waitingBytes = 0;
      session.drained();
    },
  };
}
