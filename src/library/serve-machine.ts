/** Serves a machine over a channel: what runs in the worker, or beside the caller. */

import type { MessageEnd } from '../base/message-end.ts';
import { packEnd } from './errors.ts';
import { Machine } from './machine.ts';
import type { CallerCalls, MachineCalls } from './machine-calls.ts';
import { badOption } from './machine-parts.ts';
import type { MachinePlatform } from './platform.ts';
import type { ToCaller } from './remote/to-caller.ts';
import { Given, givable, given, type Handlers, Rpc } from './rpc/rpc.ts';
import type { MakeDevice } from './types/backends.ts';
import { Arrivals } from './uploads.ts';

/** `functions`: devices that the caller's thread has made, by their numbers. */
export function serveMachine(end: MessageEnd, platform: MachinePlatform, functions: readonly MakeDevice[] = []): void {
  let started: Machine | undefined;
  const arrivals = new Arrivals();
  const machine = (): Machine => {
    if (started === undefined) throw badOption('machine', 'The machine has not been started.');
    return started;
  };
  const withPixels = <T extends { readonly pixels: Uint8ClampedArray } | undefined>(frame: T) =>
    new Given(frame, frame === undefined ? [] : [frame.pixels.buffer as ArrayBuffer]);

  const handlers: Handlers<MachineCalls> = {
    async start(options) {
      started = await Machine.start(options, platform, caller, arrivals, functions, {
        ended: (end) => caller.tell('ended', [packEnd(end)]),
        output(bytes) {
          const own = givable(bytes);
          caller.tell('consoleOutput', [own], [own.buffer]);
        },
      });
      return started.facts;
    },
    close: () => machine().close(),
    pause: () => machine().hold('caller', true),
    resume: () => machine().hold('caller', false),
    reset: () => machine().reset(),
    stats: () => machine().stats(),
    stateHash: () => machine().guest.stateHash(),
    upload: (number, bytes) => arrivals.add(number, bytes),
    async snapshot(base, copyDisks) {
      const bases = base.map((one) => ('upload' in one ? arrivals.take(one) : one));
      return given(await machine().snapshot(bases, copyDisks));
    },

    consoleInput: (bytes) => started?.input(bytes),
    consoleFlow: (isFlowing) => machine().hold('console', !isFlowing),
    key: (code, pressed) => machine().guest.keyboard.key(code, pressed),
    movePointer: (dx, dy, wheel) => machine().guest.pointer.move(dx, dy, wheel),
    pointerButtons: (mask) => machine().guest.pointer.buttons(mask),
    screenImage: () => withPixels(machine().frame()),
    screenPng: async () => given(await machine().png()),
    screenText: () => machine().text(),
    nextFrame: async (generation) => withPixels(await machine().nextFrame(generation)),

    frameForGuest: (frame) => started?.parts.frameForGuest(frame),
    channelSend: (remote, bytes) => started?.parts.channel(remote)?.send(bytes),
    channelAccepting(remote, accepting) {
      const channel = started?.parts.channel(remote);
      if (channel !== undefined) channel.accepting = accepting;
    },
  };
  const caller: ToCaller = new Rpc<CallerCalls, MachineCalls>(end, handlers);
}
