/**
 * The two 8237A DMA controllers of a PC with their page registers (Intel 8237A data sheet, order number 231466-005;
 * Intel 82371SB PIIX3 data sheet, §2.4 "ISA-Compatible Registers").
 *
 *     first   ports 0x00-0x0F, channels 0-3, bytes      address = page.16 : address.16
 *     second  ports 0xC0-0xDF, channels 4-7, words      address = page.7 : address.16 : 0
 *
 * A transfer is over when the call that asked for it returns: modes, priorities and timing make no difference. Memory
 * that is not there reads as ones and swallows writes.
 * Deviation: the first controller is served whatever channel 4, through which it asks, is programmed to.
 * Not modelled: memory-to-memory transfers, requests by software, and what would show a request waiting.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { GuestMemory } from '../base/dma.ts';
import { bool, bytes, defineState, list, type StateOf, u8, u16 } from '../base/state.ts';
import { Device } from './device.ts';

/** Registers of a controller behind those of the channels: read, written. */
const STATUS_COMMAND = 8;
const REQUEST = 9;
const SINGLE_MASK = 10;
const MODE = 11;
const CLEAR_FLIP_FLOP = 12;
const TEMPORARY_MASTER_CLEAR = 13;
const CLEAR_MASK = 14;
const ALL_MASKS = 15;

const COMMAND_DISABLE = 0x04;
const MODE_TYPE = 0x0c;
const MODE_VERIFY = 0x00;
const MODE_TO_MEMORY = 0x04;
const MODE_FROM_MEMORY = 0x08;
const MODE_AUTO_INITIALIZE = 0x10;
const MODE_DECREMENT = 0x20;

/** Which of the page registers belongs to a channel. */
const PAGES = [7, 3, 1, 2, 15, 11, 9, 10] as const;
export const DMA_PAGE_PORTS = 16;

const channelState = defineState('8237-channel', 1, {
  baseAddress: u16(),
  baseCount: u16(),
  address: u16(),
  count: u16(),
  mode: u8(),
});

const controllerState = defineState('8237-controller', 1, {
  channels: list(channelState, 4),
  command: u8(),
  /** Channels that reached their terminal count since the status was read. */
  ended: u8({ max: 15 }),
  mask: u8({ max: 15, initial: 15 }),
  /** The next byte of an address or count is its high one. */
  highByte: bool(),
});

const dmaState = defineState('dma-8237', 1, {
  controllers: list(controllerState, 2),
  pages: bytes(DMA_PAGE_PORTS),
});

type ControllerState = StateOf<typeof controllerState>;

export interface DmaResult {
  /** Bytes that went over; fewer than asked for at the terminal count, 0 while the channel does not serve. */
  readonly moved: number;
  /** The last byte moved was the last one of the count. */
  readonly terminalCount: boolean;
}

/** A channel as the device on it sees it. */
export interface DmaChannel {
  /** Bytes of the device for memory; when the channel is there to verify, they are counted and dropped. */
  toMemory(from: Uint8Array): DmaResult;
  /** Fills `into`, or as much of it as the count lets it. */
  fromMemory(into: Uint8Array): DmaResult;
}

const REFUSED: DmaResult = { moved: 0, terminalCount: false };

export class Dma8237 extends Device<StateOf<typeof dmaState>> {
  /** 16 ports. */
  readonly first: IoHandler;
  /** 32 ports: each register at two of them. */
  readonly second: IoHandler;
  /** 16 ports; those that belong to no channel keep what is written to them. */
  readonly pages: IoHandler;
  readonly #memory: GuestMemory;

  constructor(host: { readonly memory: GuestMemory }) {
    super(dmaState);
    this.#memory = host.memory;
    this.first = registers(this.state.controllers[0], 0);
    this.second = registers(this.state.controllers[1], 1);
    this.pages = {
      widest: 1,
      read: (offset) => this.state.pages[offset],
      write: (offset, value) => {
        this.state.pages[offset] = value;
      },
    };
  }

  channel(number: number): DmaChannel {
    return {
      toMemory: (from) => this.#transfer(number, from, true),
      fromMemory: (into) => this.#transfer(number, into, false),
    };
  }

  #transfer(number: number, data: Uint8Array, toMemory: boolean): DmaResult {
    const controller = this.state.controllers[number >> 2];
    const index = number & 3;
    const channel = controller.channels[index];
    const type = channel.mode & MODE_TYPE;
    const serves = toMemory ? type === MODE_TO_MEMORY || type === MODE_VERIFY : type === MODE_FROM_MEMORY;
    if (!serves || controller.command & COMMAND_DISABLE || controller.mask & (1 << index)) return REFUSED;

    const width = number < 4 ? 1 : 2;
    const units = Math.min(Math.floor(data.length / width), channel.count + 1);
    const moved = data.subarray(0, units * width);
    const down = (channel.mode & MODE_DECREMENT) !== 0;
    if (type !== MODE_VERIFY) {
      const page = this.state.pages[PAGES[number]] & (width === 2 ? 0xfe : 0xff);
      this.#move(moved, page * 0x1_0000, channel.address, { width, down, toMemory });
    }
    channel.address = (channel.address + (down ? -units : units)) & 0xffff;
    const terminalCount = units > channel.count;
    channel.count = (channel.count - units) & 0xffff;
    if (terminalCount) {
      controller.ended |= 1 << index;
      if (channel.mode & MODE_AUTO_INITIALIZE) {
        channel.address = channel.baseAddress;
        channel.count = channel.baseCount;
      } else {
        controller.mask |= 1 << index;
      }
    }
    return { moved: moved.length, terminalCount };
  }

  /** The 16 bits of the address wrap; the page register knows nothing of them. */
  #move(
    data: Uint8Array,
    page: number,
    start: number,
    { width, down, toMemory }: { width: number; down: boolean; toMemory: boolean },
  ): void {
    let address = start;
    for (let at = 0; at < data.length; ) {
      const run = down ? 1 : Math.min(data.length / width - at / width, 0x1_0000 - address);
      const part = data.subarray(at, at + run * width);
      if (toMemory) this.#memory.write(page + address * width, part);
      else if (!this.#memory.read(page + address * width, part)) part.fill(0xff);
      at += part.length;
      address = (address + (down ? -1 : run)) & 0xffff;
    }
  }
}

/** The ports of a controller; each register takes `1 << shift` of them. */
function registers(state: ControllerState, shift: number): IoHandler {
  const widest: AccessSize = 1;
  return {
    widest,
    read: (offset) => read(state, offset >> shift),
    write: (offset, value) => write(state, offset >> shift, value),
  };
}

function read(s: ControllerState, register: number): number {
  if (register < 8) {
    const channel = s.channels[register >> 1];
    const value = register & 1 ? channel.count : channel.address;
    s.highByte = !s.highByte;
    return s.highByte ? value & 0xff : value >> 8;
  }
  switch (register) {
    case STATUS_COMMAND: {
      const status = s.ended;
      s.ended = 0;
      return status;
    }
    case TEMPORARY_MASTER_CLEAR:
      return 0;
    case ALL_MASKS:
      return s.mask | 0xf0;
    default:
      return 0xff;
  }
}

function write(s: ControllerState, register: number, value: number): void {
  switch (register) {
    case STATUS_COMMAND:
      s.command = value;
      return;
    case REQUEST:
      return;
    case SINGLE_MASK:
      s.mask = value & 4 ? s.mask | (1 << (value & 3)) : s.mask & ~(1 << (value & 3));
      return;
    case MODE:
      s.channels[value & 3].mode = value & 0xfc;
      return;
    case CLEAR_FLIP_FLOP:
      s.highByte = false;
      return;
    case TEMPORARY_MASTER_CLEAR:
      s.command = 0;
      s.ended = 0;
      s.mask = 15;
      s.highByte = false;
      return;
    case CLEAR_MASK:
      s.mask = 0;
      return;
    case ALL_MASKS:
      s.mask = value & 15;
      return;
    default:
      program(s, register, value);
  }
}

/** A byte of an address or count goes to base and current register alike. */
function program(s: ControllerState, register: number, value: number): void {
  const channel = s.channels[register >> 1];
  const base = register & 1 ? 'baseCount' : 'baseAddress';
  const current = register & 1 ? 'count' : 'address';
  const merge = (old: number): number => (s.highByte ? (old & 0xff) | (value << 8) : (old & 0xff00) | value);
  channel[base] = merge(channel[base]);
  channel[current] = merge(channel[current]);
  s.highByte = !s.highByte;
}
