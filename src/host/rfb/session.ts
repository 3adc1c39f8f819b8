/**
 * One client of an RFB server, versions 3.3, 3.7 and 3.8 (RFC 6143; version 3.3 in its appendix A): bytes in, bytes
 * out. At most one update is on its way, and what a client sends beyond its rights ends the session with a reason.
 *
 * Not modelled: security types other than None, exclusive access (all clients share the guest), the clipboard (text is
 * skipped), cursors, and encodings other than Raw and Hextile. Updates are of whole tiles, so they can be larger than
 * what was asked for.
 */

import { joined, text, u16, u32, view } from './bytes.ts';
import { Damage } from './damage.ts';
import { ENCODING_HEXTILE, ENCODING_RAW, type Encode, encodeHextile, encodeRaw, largestEncoding } from './encodings.ts';
import type { Framebuffer, Rectangle } from './framebuffer.ts';
import { Keys, type SharedKeyboard } from './keys.ts';
import { Buttons, type Mouse } from './mouse.ts';
import {
  colourMap,
  NATIVE_FORMAT,
  PIXEL_FORMAT_BYTES,
  PixelWriter,
  readPixelFormat,
  writePixelFormat,
} from './pixel-format.ts';

const VERSION = 'RFB 003.008\n';
const VERSION_PATTERN = /^RFB (\d{3})\.(\d{3})\n$/;
const SECURITY_NONE = 1;
const SECURITY_OK = 0;
const SECURITY_FAILED = 1;

/** Messages of clients, RFC 6143 §7.5; 255 is QEMU's. */
const SET_PIXEL_FORMAT = 0;
const SET_ENCODINGS = 2;
const UPDATE_REQUEST = 3;
const KEY_EVENT = 4;
const POINTER_EVENT = 5;
const CLIENT_CUT_TEXT = 6;
const QEMU_MESSAGE = 255;
const QEMU_EXTENDED_KEY = 0;

/** Messages of servers, §7.6. */
const FRAMEBUFFER_UPDATE = 0;
const SET_COLOUR_MAP = 1;

/** Pseudo-encodings: what a client can take besides pictures. */
const DESKTOP_SIZE = -223;
const EXTENDED_KEYS = -258;

const MOST_ENCODINGS = 1024;
const LARGEST_CUT_TEXT_BYTES = 16 * 2 ** 20;
/** Text that is skipped is taken in pieces. */
const SKIP_BYTES = 4096;

const ENCODERS: ReadonlyMap<number, Encode> = new Map([
  [ENCODING_RAW, encodeRaw],
  [ENCODING_HEXTILE, encodeHextile],
]);

export interface SessionParts {
  /** What is shown in the client's title. */
  readonly name: string;
  readonly framebuffer: Framebuffer;
  readonly keyboard: SharedKeyboard;
  readonly mouse: Mouse;
  /** Bytes for the client, to be kept until it takes them; then `drained` is called. */
  send(bytes: Uint8Array): void;
  /** The client has to go, and why: the end of a sentence about it. */
  ended(reason: string): void;
}

/** Asks for as many bytes as it yields. */
type Conversation = Generator<number, void, Uint8Array>;

export class RfbSession {
  readonly #parts: SessionParts;
  readonly #keys: Keys;
  readonly #buttons: Buttons;
  readonly #damage: Damage;
  readonly #conversation: Conversation;
  #wanted: number;
  #input = new Uint8Array(0);
  #isOver = false;
  #isReady = false;
  #writer = new PixelWriter(NATIVE_FORMAT);
  #encoding = ENCODING_RAW;
  readonly #understood = new Set<number>();
  #owesColourMap = false;
  #owesExtendedKeys = false;
  /** `Framebuffer.sizes` of what the client was told. */
  #sizes: number;
  /** What the client has asked to be shown. */
  #request: Rectangle | undefined;
  #isSending = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#keys = new Keys(parts.keyboard);
    this.#buttons = new Buttons(parts.mouse);
    this.#damage = new Damage(parts.framebuffer);
    this.#sizes = parts.framebuffer.sizes;
    this.#conversation = this.#converse();
    this.#wanted = this.#conversation.next().value as number;
  }

  /** The handshake is over. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** An update can be sent as soon as there is something new. */
  get isWaiting(): boolean {
    return this.#request !== undefined && !this.#isSending && !this.#isOver;
  }

  receive(bytes: Uint8Array): void {
    const input = joined([this.#input, bytes]);
    let at = 0;
    while (!this.#isOver && input.length - at >= this.#wanted) {
      const part = input.subarray(at, at + this.#wanted);
      at += this.#wanted;
      const { value, done } = this.#conversation.next(part);
      if (!done) this.#wanted = value;
    }
    this.#input = this.#isOver ? new Uint8Array(0) : input.slice(at);
  }

  /** What was sent is with the client. */
  drained(): void {
    this.#isSending = false;
  }

  /** The client has gone. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#input = new Uint8Array(0);
    this.#keys.release();
    this.#buttons.release();
  }

  // ---- What clients say --------------------------------------------------------------------------------------------

  *#converse(): Conversation {
    const { framebuffer, name } = this.#parts;
    this.#send(new TextEncoder().encode(VERSION));
    const minor = minorVersion(yield VERSION.length);
    if (minor === undefined) return this.#end('it does not speak RFB');
    if (minor >= 7) {
      this.#parts.send(Uint8Array.of(1, SECURITY_NONE));
      const [chosen] = yield 1;
      if (chosen !== SECURITY_NONE) {
        if (minor >= 8) this.#send(u32(SECURITY_FAILED), text('There is no such security type.'));
        return this.#end(`it chose security type ${chosen}, which was not offered`);
      }
      if (minor >= 8) this.#send(u32(SECURITY_OK));
    } else {
      this.#send(u32(SECURITY_NONE));
    }
    // ClientInit: whether it would share the guest with others.
    yield 1;
    // The picture may have another size by now.
    const { width, height } = framebuffer;
    this.#damage.resize(width, height);
    this.#sizes = framebuffer.sizes;
    this.#send(u16(width, height), writePixelFormat(NATIVE_FORMAT), text(name));
    this.#isReady = true;
    while (!this.#isOver) yield* this.#message();
  }

  *#message(): Conversation {
    const [type] = yield 1;
    switch (type) {
      case SET_PIXEL_FORMAT:
        return this.#setPixelFormat((yield 3 + PIXEL_FORMAT_BYTES).subarray(3));
      case SET_ENCODINGS: {
        const count = view(yield 3).getUint16(1);
        if (count > MOST_ENCODINGS) return this.#end(`it named ${count} encodings`);
        return this.#setEncodings(view(yield 4 * count));
      }
      case UPDATE_REQUEST: {
        const fields = view(yield 9);
        const [x, y, width, height] = [1, 3, 5, 7].map((at) => fields.getUint16(at)) as [
          number,
          number,
          number,
          number,
        ];
        return this.#requestUpdate({ x, y, width, height }, fields.getUint8(0) !== 0);
      }
      case KEY_EVENT: {
        const fields = view(yield 7);
        return this.#keys.keysym(fields.getUint32(3), fields.getUint8(0) !== 0);
      }
      case POINTER_EVENT: {
        const fields = view(yield 5);
        this.#parts.mouse.moveTo(fields.getUint16(1), fields.getUint16(3), this.#damage.size);
        return this.#buttons.set(fields.getUint8(0));
      }
      case CLIENT_CUT_TEXT:
        return yield* this.#skipText(view(yield 7).getUint32(3));
      case QEMU_MESSAGE: {
        const [subtype] = yield 1;
        if (subtype !== QEMU_EXTENDED_KEY) return this.#end(`it sent a message of the unknown type 255.${subtype}`);
        const fields = view(yield 10);
        const [isPressed, keysym, scanCode] = [fields.getUint16(0) !== 0, fields.getUint32(2), fields.getUint32(6)];
        return scanCode === 0 ? this.#keys.keysym(keysym, isPressed) : this.#keys.scanCode(scanCode, isPressed);
      }
      default:
        return this.#end(`it sent a message of the unknown type ${type}`);
    }
  }

  #setPixelFormat(bytes: Uint8Array): void {
    const format = readPixelFormat(bytes);
    if (format === undefined) return this.#end('it asked for a pixel format that cannot be had');
    this.#writer = new PixelWriter(format);
    this.#owesColourMap = !format.trueColour;
  }

  /** In the order in which the client likes them. */
  #setEncodings(list: DataView): void {
    this.#understood.clear();
    for (let at = 0; at < list.byteLength; at += 4) this.#understood.add(list.getInt32(at));
    this.#encoding = [...this.#understood].find((encoding) => ENCODERS.has(encoding)) ?? ENCODING_RAW;
    this.#owesExtendedKeys = this.#understood.has(EXTENDED_KEYS);
  }

  /** Of what lies outside of the picture there is nothing to show. */
  #requestUpdate(asked: Rectangle, incremental: boolean): void {
    const { width, height } = this.#damage.size;
    const region = {
      ...asked,
      width: Math.min(asked.width, width - asked.x),
      height: Math.min(asked.height, height - asked.y),
    };
    if (region.width <= 0 || region.height <= 0) return;
    if (!incremental) this.#damage.add(region);
    this.#request = this.#request === undefined ? region : union(this.#request, region);
  }

  *#skipText(bytes: number): Conversation {
    if (bytes > LARGEST_CUT_TEXT_BYTES) return this.#end(`it sent a text of ${bytes} bytes`);
    for (let left = bytes; left > 0; ) left -= (yield Math.min(left, SKIP_BYTES)).length;
  }

  // ---- What they are told ------------------------------------------------------------------------------------------

  /** Sends what is new, if that has been asked for and the last update has been taken. */
  update(): void {
    if (!this.isWaiting) return;
    const request = this.#request as Rectangle;
    const { framebuffer } = this.#parts;
    if (framebuffer.sizes !== this.#sizes) {
      this.#sizes = framebuffer.sizes;
      const { width, height } = this.#damage.size;
      const isOther = width !== framebuffer.width || height !== framebuffer.height;
      if (isOther && this.#understood.has(DESKTOP_SIZE)) return this.#resize();
      // Who cannot change size sees as much as there is room for.
      this.#damage.resize(width, height);
    }
    const rectangles = this.#damage.take(request);
    if (rectangles.length === 0 && !this.#owesExtendedKeys) return;
    this.#request = undefined;
    this.#isSending = true;
    if (this.#owesColourMap) this.#sendColourMap();
    const count = rectangles.length + (this.#owesExtendedKeys ? 1 : 0);
    this.#send(Uint8Array.of(FRAMEBUFFER_UPDATE, 0), u16(count));
    if (this.#owesExtendedKeys) this.#send(rectangleHeader({ x: 0, y: 0, width: 0, height: 0 }, EXTENDED_KEYS));
    this.#owesExtendedKeys = false;
    for (const rectangle of rectangles) this.#sendRectangle(rectangle);
  }

  /** The client asks anew then. */
  #resize(): void {
    const { width, height } = this.#parts.framebuffer;
    this.#damage.resize(width, height);
    this.#request = undefined;
    this.#isSending = true;
    const header = rectangleHeader({ x: 0, y: 0, width, height }, DESKTOP_SIZE);
    this.#send(Uint8Array.of(FRAMEBUFFER_UPDATE, 0), u16(1), header);
  }

  #sendColourMap(): void {
    this.#owesColourMap = false;
    const map = colourMap();
    this.#send(Uint8Array.of(SET_COLOUR_MAP, 0), u16(0, map.length / 3), u16(...map));
  }

  #sendRectangle(rectangle: Rectangle): void {
    const pixels = this.#parts.framebuffer.copy(rectangle);
    this.#writer.convert(pixels);
    const header = rectangleHeader(rectangle, this.#encoding);
    const bytes = new Uint8Array(header.length + largestEncoding(rectangle, this.#writer.bytesPerPixel));
    bytes.set(header);
    const encode = ENCODERS.get(this.#encoding) as Encode;
    const end = encode(pixels, rectangle, this.#writer, bytes, header.length);
    // What waits to be sent is no longer than it has to be.
    this.#parts.send(end === bytes.length ? bytes : bytes.slice(0, end));
  }

  #send(...parts: readonly Uint8Array[]): void {
    this.#parts.send(joined(parts));
  }

  #end(reason: string): void {
    if (this.#isOver) return;
    this.close();
    this.#parts.ended(reason);
  }
}

/** Versions that the RFC does not name count as 3.3, later ones as 3.8. */
function minorVersion(bytes: Uint8Array): number | undefined {
  const [, major, minor] = VERSION_PATTERN.exec(String.fromCharCode(...bytes)) ?? [];
  if (major === undefined || Number(major) < 3) return undefined;
  if (Number(major) > 3 || Number(minor) >= 8) return 8;
  return Number(minor) === 7 ? 7 : 3;
}

function rectangleHeader({ x, y, width, height }: Rectangle, encoding: number): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes.set(u16(x, y, width, height));
  new DataView(bytes.buffer).setInt32(8, encoding);
  return bytes;
}

function union(a: Rectangle, b: Rectangle): Rectangle {
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)];
  const width = Math.max(a.x + a.width, b.x + b.width) - x;
  const height = Math.max(a.y + a.height, b.y + b.height) - y;
  return { x, y, width, height };
}
