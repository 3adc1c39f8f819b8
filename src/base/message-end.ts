/** One end of a channel of messages: a worker, what a worker has towards its owner, or a MessagePort. */

export interface MessageEnd {
  /** `message` is cloned as structured clones are, and what is in `transfer` is the receiver's from here on. */
  post(message: unknown, transfer: readonly ArrayBuffer[]): void;
  /** Called once. Messages that came before are not lost. */
  listen(received: (message: unknown) => void): void;
}

/** The end towards a worker that has been started. */
export interface WorkerEnd extends MessageEnd {
  /** Called once if the worker could not be started, or breaks down. */
  failed(listener: (error: Error) => void): void;
  /** At once, whatever it is doing. */
  terminate(): Promise<void>;
}

/** What a browser's workers, ports and scopes have, and the ports of Node, too. */
export interface PostsMessages {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  start?(): void;
}

export function endOf(port: PostsMessages): MessageEnd {
  return {
    post: (message, transfer) => port.postMessage(message, [...transfer]),
    listen(received) {
      port.addEventListener('message', ({ data }) => received(data));
      port.start?.();
    },
  };
}
