/** An RFB client for tests: it asks for what it is told to, and keeps the picture that it is sent. */

import type { ScreenImage } from '../../base/screen.ts';
import { joined, u16, u32, view } from './bytes.ts';
import { NATIVE_FORMAT, type PixelFormat, writePixelFormat } from './pixel-format.ts';

export interface ClientOptions {
  /** As it is sent. */
  readonly version?: string;
  readonly securityType?: number;
  readonly format?: PixelFormat;
  readonly encodings?: readonly number[];
}

/** What an update said. */
export interface Update {
  readonly rectangles: readonly {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly encoding: number;
  }[];
}

type Conversation = Generator<number, void, Uint8Array>;

export class TestClient {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #options: ClientOptions;
  readonly #conversation: Conversation;
  #wanted: number;
  #input = new Uint8Array(0);
  readonly updates: Update[] = [];
  version = '';
  name = '';
  /** The server's pixel format. */
  serverFormat = new Uint8Array(0);
  width = 0;
  height = 0;
  /** Red, green, blue of 8 bits each, and 255. */
  pixels = new Uint8ClampedArray(0);
  /** Of 16 bits; empty until the server tells. */
  colourMap = new Uint16Array(0);
  isReady = false;
  failure = '';

  constructor(send: (bytes: Uint8Array) => void, options: ClientOptions = {}) {
    this.#send = send;
    this.#options = options;
    this.#conversation = this.#converse();
    this.#wanted = this.#conversation.next().value as number;
  }

  receive(bytes: Uint8Array): void {
    this.#input = joined([this.#input, bytes]);
    while (this.#input.length >= this.#wanted) {
      const part = this.#input.slice(0, this.#wanted);
      this.#input = this.#input.slice(this.#wanted);
      const { value, done } = this.#conversation.next(part);
      if (done) return;
      this.#wanted = value;
    }
  }

  request(incremental: boolean, x = 0, y = 0, width = this.width, height = this.height): void {
    this.#send(joined([Uint8Array.of(3, incremental ? 1 : 0), u16(x, y, width, height)]));
  }

  key(keysym: number, pressed: boolean): void {
    this.#send(joined([Uint8Array.of(4, pressed ? 1 : 0, 0, 0), u32(keysym)]));
  }

  scanCode(scanCode: number, pressed: boolean): void {
    this.#send(joined([Uint8Array.of(255, 0), u16(pressed ? 1 : 0), u32(0), u32(scanCode)]));
  }

  pointer(x: number, y: number, buttons: number): void {
    this.#send(joined([Uint8Array.of(5, buttons), u16(x, y)]));
  }

  setFormat(format: PixelFormat): void {
    this.#send(joined([Uint8Array.of(0, 0, 0, 0), writePixelFormat(format)]));
  }

  setEncodings(encodings: readonly number[]): void {
    this.#send(joined([Uint8Array.of(2, 0), u16(encodings.length), ...encodings.map((encoding) => u32(encoding))]));
  }

  /** Is this what is shown, as far as this client's format can show it? */
  shows({ width, height, pixels }: ScreenImage): boolean {
    if (width !== this.width || height !== this.height) return false;
    return this.pixels.every((value, i) => value === this.#rounded(i % 4, pixels[i] as number));
  }

  get #format(): PixelFormat {
    return this.#options.format ?? NATIVE_FORMAT;
  }

  #rounded(channel: number, value: number): number {
    if (channel === 3) return 255;
    const { max } = this.#channel(channel);
    return Math.round((Math.round((value * max) / 255) * 255) / max);
  }

  #channel(channel: number): PixelFormat['red'] {
    const { red, green, blue } = this.#format;
    return [red, green, blue][channel] as PixelFormat['red'];
  }

  *#converse(): Conversation {
    const { version = 'RFB 003.008\n', securityType = 1, format, encodings } = this.#options;
    this.version = ascii(yield 12);
    this.#send(new TextEncoder().encode(version));
    if (version < 'RFB 003.007') {
      yield 4;
    } else {
      const [count] = yield 1;
      yield count as number;
      this.#send(Uint8Array.of(securityType));
      const result = version < 'RFB 003.008' ? 0 : view(yield 4).getUint32(0);
      if (result !== 0) {
        this.failure = ascii(yield view(yield 4).getUint32(0));
        return;
      }
    }
    this.#send(Uint8Array.of(1));
    const size = view(yield 4);
    this.serverFormat = (yield 16).slice();
    this.name = ascii(yield view(yield 4).getUint32(0));
    this.#resize(size.getUint16(0), size.getUint16(2));
    if (format) this.setFormat(format);
    if (encodings) this.setEncodings(encodings);
    this.isReady = true;
    while (true) yield* this.#message();
  }

  #resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8ClampedArray(width * height * 4);
  }

  *#message(): Conversation {
    const [type] = yield 1;
    if (type === 1) {
      const count = view(yield 5).getUint16(3);
      const entries = view(yield 6 * count);
      this.colourMap = Uint16Array.from({ length: 3 * count }, (_, i) => entries.getUint16(2 * i));
    } else if (type === 0) {
      const rectangles = [];
      for (let left = view(yield 3).getUint16(1); left > 0; left--) {
        const header = view(yield 12);
        const [x, y, width, height] = [0, 2, 4, 6].map((at) => header.getUint16(at)) as [
          number,
          number,
          number,
          number,
        ];
        const encoding = header.getInt32(8);
        rectangles.push({ x, y, width, height, encoding });
        if (encoding === 0) yield* this.#raw(x, y, width, height);
        else if (encoding === 5) yield* this.#hextile(x, y, width, height);
        else if (encoding === -223) this.#resize(width, height);
        else if (encoding !== -258) throw new Error(`encoding ${encoding}`);
      }
      this.updates.push({ rectangles });
    } else {
      throw new Error(`message ${type}`);
    }
  }

  *#raw(x: number, y: number, width: number, height: number): Conversation {
    const size = this.#format.bitsPerPixel / 8;
    const bytes = yield width * height * size;
    for (let i = 0; i < width * height; i++) {
      this.#fill(this.#value(bytes, i * size), x + (i % width), y + Math.floor(i / width), 1, 1);
    }
  }

  *#hextile(x: number, y: number, width: number, height: number): Conversation {
    const size = this.#format.bitsPerPixel / 8;
    let background = 0;
    let foreground = 0;
    for (let ty = y; ty < y + height; ty += 16) {
      for (let tx = x; tx < x + width; tx += 16) {
        const [tw, th] = [Math.min(16, x + width - tx), Math.min(16, y + height - ty)];
        const [mask = 0] = yield 1;
        if ((mask & 1) !== 0) {
          yield* this.#raw(tx, ty, tw, th);
          continue;
        }
        if ((mask & 2) !== 0) background = this.#value(yield size, 0);
        if ((mask & 4) !== 0) foreground = this.#value(yield size, 0);
        this.#fill(background, tx, ty, tw, th);
        const [count = 0] = (mask & 8) !== 0 ? yield 1 : [];
        for (let i = 0; i < count; i++) {
          const colour = (mask & 16) !== 0 ? this.#value(yield size, 0) : foreground;
          const [place = 0, extent = 0] = yield 2;
          this.#fill(colour, tx + (place >> 4), ty + (place & 15), (extent >> 4) + 1, (extent & 15) + 1);
        }
      }
    }
  }

  #value(bytes: Uint8Array, at: number): number {
    const { bitsPerPixel, bigEndian } = this.#format;
    const pixel = view(bytes.subarray(at));
    if (bitsPerPixel === 8) return pixel.getUint8(0);
    return bitsPerPixel === 16 ? pixel.getUint16(0, !bigEndian) : pixel.getUint32(0, !bigEndian);
  }

  #fill(value: number, x: number, y: number, width: number, height: number): void {
    if (x + width > this.width || y + height > this.height) throw new Error('a rectangle is outside of the picture');
    const colour = [0, 1, 2].map((channel) => {
      const { max, shift } = this.#channel(channel);
      return Math.round((((value >>> shift) & max) * 255) / max);
    });
    for (let row = y; row < y + height; row++) {
      for (let column = x; column < x + width; column++) {
        this.pixels.set([...colour, 255], (row * this.width + column) * 4);
      }
    }
  }
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
