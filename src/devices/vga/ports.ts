/**
 * The registers of a VGA at 0x3B0-0x3DF (IBM "VGA Function", "VGA Function Registers"): general, sequencer, graphics
 * controller, attribute controller, CRT controller; the palette's are in dac.ts.
 *
 *     0x3C0      attribute index and data (R: index)    0x3CC      R: Miscellaneous Output
 *     0x3C1      R: attribute data                      0x3CE/F    graphics controller, index and data
 *     0x3C2      W: Miscellaneous Output, R: Status 0   0x3?4/5    CRT controller, index and data
 *     0x3C4/5    sequencer, index and data              0x3?A      W: Feature Control, R: Status 1
 *     0x3C6-9    palette                                0x3CA      R: Feature Control
 *
 * where ? is D, or B after Miscellaneous Output has chosen the monochrome adapter's places. Not modelled: light pen,
 * VGA Enable (0x3C3), the diagnostic bits of Status 1.
 */

import type { Dac } from './dac.ts';
import type { VgaState } from './vga-state.ts';
import * as vga from './vga-state.ts';

/** Bits that exist, by register. */
const SEQUENCER_BITS = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];
const GRAPHICS_BITS = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];
const ATTRIBUTE_BITS = [...new Array<number>(16).fill(0x3f), 0xef, 0xff, 0x3f, 0x0f, 0x0f];
/** The registers below this one can be protected from programs made for other displays. */
const PROTECTED_CRTC = 8;
/** The one protected register's bit that is not. */
const OVERFLOW_LINE_COMPARE = 0x10;
/** Registers that a picture depends on; the others are about accesses. */
const SEQUENCER_SHOWN = new Set([vga.SEQ_CLOCKING_MODE, vga.SEQ_FONTS]);
/** Status 0: the monitor's switch sense, as with a colour monitor. */
const SWITCH_SENSE = 0x10;
const UNDRIVEN = 0xff;

export interface PortsHost {
  readonly dac: Dac;
  /** Accesses to the window may go elsewhere now, or do something else. */
  accessChanged(): void;
  pictureChanged(): void;
  /** Input Status 1. */
  status(): number;
}

export class Ports {
  readonly #state: VgaState;
  readonly #host: PortsHost;

  constructor(state: VgaState, host: PortsHost) {
    this.#state = state;
    this.#host = host;
  }

  read(port: number): number {
    const state = this.#state;
    switch (port) {
      case 0x3c0:
        return state.isAttributeData ? 0 : state.attributeIndex;
      case 0x3c1:
        return state.attributes[state.attributeIndex & 0x1f] as number;
      case 0x3c2:
        return SWITCH_SENSE;
      case 0x3c4:
        return state.sequencerIndex;
      case 0x3c5:
        return state.sequencer[state.sequencerIndex & 7] as number;
      case 0x3c6:
      case 0x3c7:
      case 0x3c8:
      case 0x3c9:
        return this.#host.dac.read(port - 0x3c6);
      case 0x3ca:
        return state.featureControl;
      case 0x3cc:
        return state.miscOutput;
      case 0x3ce:
        return state.graphicsIndex;
      case 0x3cf:
        return state.graphics[state.graphicsIndex & 15] as number;
    }
    switch (this.#colourPort(port)) {
      case 0x3d4:
        return state.crtcIndex;
      case 0x3d5:
        return state.crtc[state.crtcIndex & 0x1f] as number;
      case 0x3da:
        state.isAttributeData = false;
        return this.#host.status();
      default:
        return UNDRIVEN;
    }
  }

  write(port: number, value: number): void {
    const state = this.#state;
    switch (port) {
      case 0x3c0:
        return this.#writeAttribute(value);
      case 0x3c2:
        if (state.miscOutput === value) return;
        state.miscOutput = value;
        this.#host.accessChanged();
        return this.#host.pictureChanged();
      case 0x3c4:
        state.sequencerIndex = value & 7;
        return;
      case 0x3c5:
        return this.#writeSequencer(state.sequencerIndex & 7, value);
      case 0x3c6:
      case 0x3c7:
      case 0x3c8:
      case 0x3c9:
        return this.#host.dac.write(port - 0x3c6, value);
      case 0x3ce:
        state.graphicsIndex = value & 15;
        return;
      case 0x3cf:
        return this.#writeGraphics(state.graphicsIndex & 15, value);
    }
    switch (this.#colourPort(port)) {
      case 0x3d4:
        state.crtcIndex = value & 0x3f;
        return;
      case 0x3d5:
        return this.#writeCrtc(state.crtcIndex, value);
      case 0x3da:
        state.featureControl = value & 0x0b;
    }
  }

  /** The port by its name of 0x3D0-0x3DF; 0 where Miscellaneous Output has chosen the other range. */
  #colourPort(port: number): number {
    const isColour = (this.#state.miscOutput & vga.MISC_COLOUR_PORTS) !== 0;
    if (isColour) return port >= 0x3d0 ? port : 0;
    return port < 0x3c0 ? port + 0x20 : 0;
  }

  #writeAttribute(value: number): void {
    const state = this.#state;
    if (!state.isAttributeData) {
      const hasSwitched = ((state.attributeIndex ^ value) & vga.PALETTE_SOURCE) !== 0;
      state.attributeIndex = value & 0x3f;
      if (hasSwitched) this.#host.pictureChanged();
    } else {
      const index = state.attributeIndex & 0x1f;
      const kept = value & (ATTRIBUTE_BITS[index] ?? 0);
      if (state.attributes[index] !== kept) {
        state.attributes[index] = kept;
        this.#host.pictureChanged();
      }
    }
    state.isAttributeData = !state.isAttributeData;
  }

  #writeSequencer(index: number, value: number): void {
    const kept = value & (SEQUENCER_BITS[index] ?? 0);
    if (this.#state.sequencer[index] === kept) return;
    this.#state.sequencer[index] = kept;
    if (SEQUENCER_SHOWN.has(index)) this.#host.pictureChanged();
    else this.#host.accessChanged();
  }

  #writeGraphics(index: number, value: number): void {
    const { graphics } = this.#state;
    const kept = value & (GRAPHICS_BITS[index] ?? 0);
    const changed = (graphics[index] as number) ^ kept;
    if (changed === 0) return;
    graphics[index] = kept;
    this.#host.accessChanged();
    // The write modes next to what is shown change many times in a picture.
    const isShown = index === vga.GFX_MODE && (changed & 0xf0) !== 0;
    if (isShown || index === vga.GFX_MISC) this.#host.pictureChanged();
  }

  #writeCrtc(index: number, value: number): void {
    const { crtc } = this.#state;
    if (index >= vga.CRTC_REGISTERS) return;
    let kept = value;
    if (index < PROTECTED_CRTC && ((crtc[vga.CRTC_V_RETRACE_END] as number) & vga.RETRACE_END_PROTECT) !== 0) {
      if (index !== vga.CRTC_OVERFLOW) return;
      kept = ((crtc[index] as number) & ~OVERFLOW_LINE_COMPARE) | (value & OVERFLOW_LINE_COMPARE);
    }
    if (crtc[index] === kept) return;
    crtc[index] = kept;
    this.#host.pictureChanged();
  }
}
