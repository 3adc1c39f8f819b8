/** What the page uses of the library, over a worker. */

import type { BootOptions, Vm } from '../../library/types/index.ts';

type Any = any;
export async function boot(options: BootOptions = {}): Promise<Vm> {
  const worker = new Worker(options.assets?.worker as URL, { type: 'module' });
  const waiting = new Map<number, Any>();
  let ended: Any;
  let next = 0;
  let output: ReadableStreamDefaultController<Uint8Array>;
  worker.onmessage = ({ data }) => {
    if (data.console) output.enqueue(data.console);
    else if (data.end)
      ended(data.end.kind === 'failed' ? { kind: 'failed', error: new Error(data.end.error) } : data.end);
    else {
      const { resolve, reject } = waiting.get(data.id);
      waiting.delete(data.id);
      if (data.error) reject(new Error(data.error));
      else resolve(data.result);
    }
  };
  const call = (name: string, ...args: Any[]): Promise<Any> =>
    new Promise((resolve, reject) => {
      waiting.set(++next, { resolve, reject });
      worker.postMessage({ id: next, name, args });
    });
  const strings = Object.fromEntries(Object.entries(options.assets ?? {}).map(([name, url]) => [name, String(url)]));
  const vm: Any = {
    ended: new Promise((resolve) => {
      ended = resolve;
    }),
    console: {
      readable: new ReadableStream({ start: (controller) => void (output = controller) }),
      write: (data: string | Uint8Array) =>
        void call('write', typeof data === 'string' ? new TextEncoder().encode(data) : data),
      resize: (columns: number, rows: number) => call('resize', columns, rows),
    },
    keyboard: {
      down: (code: string) => void call('key', code, true),
      up: (code: string) => void call('key', code, false),
      press: (...codes: string[]) => {
        for (const code of codes) void call('key', code, true);
        for (const code of codes.reverse()) void call('key', code, false);
      },
    },
    pointer: {
      move: (x: number, y: number, z = 0) => void call('move', x, y, z),
      buttons: (mask: number) => void call('buttons', mask),
    },
    close: async () => {
      worker.terminate();
      ended({ kind: 'closed' });
    },
  };
  for (const name of ['pause', 'resume', 'reset', 'stats', 'snapshot'])
    vm[name] = (...args: Any[]) => call(name, ...args);
  try {
    const { hasScreen } = await call('start', { ...options, signal: undefined, assets: strings });
    if (hasScreen) {
      vm.screen = {
        frames: () =>
          new ReadableStream(
            {
              async pull(controller) {
                for (;;) {
                  const frame = await call('frame');
                  if (frame) return controller.enqueue(frame);
                  await new Promise((resolve) => setTimeout(resolve, 33));
                }
              },
            },
            { highWaterMark: 0 },
          ),
      };
    }
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return vm;
}
