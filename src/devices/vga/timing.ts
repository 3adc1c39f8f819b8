/**
 * Where the beam is: Input Status 1, and the frames that blinking counts, by virtual time (IBM "VGA Function", "CRT
 * Controller Registers" for totals and retrace, "Miscellaneous Output" for the two clocks).
 *
 * Programs wait for a retrace to begin or end: whatever the registers hold, each frame has both states.
 */

import { NS_PER_SECOND } from '../../base/clock.ts';
import * as vga from './vga-state.ts';
import { displayLines, type VgaState, vertical } from './vga-state.ts';

export const STATUS_NOT_DISPLAYING = 0x01;
export const STATUS_RETRACE = 0x08;

/** Dots a second: of modes 640 (or 320) wide, and of those 720 wide. */
const CLOCKS_HZ = [25_175_000, 28_322_000] as const;
const DISPI_FRAMES_PER_SECOND = 60;
/** What a frame of a VBE mode has beside the lines shown, as a part of these. */
const DISPI_BLANKED = 0.05;
/** Frames in which the cursor is shown, then not; characters that blink take twice that. */
const CURSOR_FRAMES = 8;

export interface Timing {
  readonly lineNs: number;
  /** Time of a line in which pixels are shown. */
  readonly shownNs: number;
  readonly lines: number;
  readonly shownLines: number;
  readonly retraceStart: number;
  readonly retraceEnd: number;
}

/** `dispiLines`: the height of the VBE mode that is on, for its drivers leave the CRT controller alone. */
export function timing(state: VgaState, dispiLines: number | undefined): Timing {
  if (dispiLines !== undefined) return dispiTiming(dispiLines);
  const { crtc, sequencer, miscOutput } = state;
  const clocking = sequencer[vga.SEQ_CLOCKING_MODE] as number;
  const dots = (clocking & vga.CLOCKING_8_DOTS) !== 0 ? 8 : 9;
  const clockHz = CLOCKS_HZ[(miscOutput & 0x0c) === 0 ? 0 : 1];
  const characterNs = ((clocking & vga.CLOCKING_HALF) !== 0 ? 2 : 1) * dots * (NS_PER_SECOND / clockHz);
  const total = (crtc[vga.CRTC_H_TOTAL] as number) + 5;
  const shown = Math.min((crtc[vga.CRTC_H_DISPLAY_END] as number) + 1, total - 1);
  const lines = vertical(crtc, vga.CRTC_V_TOTAL, 0, 5) + 2;
  const shownLines = Math.min(displayLines(crtc), lines - 1);
  const start = vertical(crtc, vga.CRTC_V_RETRACE_START, 2, 7);
  const retraceStart = start > 0 && start < lines ? start : shownLines;
  const length = ((crtc[vga.CRTC_V_RETRACE_END] as number) - retraceStart) & 15 || 16;
  const retraceEnd = Math.min(retraceStart + length, lines);
  return {
    lineNs: total * characterNs,
    shownNs: shown * characterNs,
    lines,
    shownLines,
    retraceStart,
    retraceEnd,
  };
}

function dispiTiming(shownLines: number): Timing {
  const lines = shownLines + Math.ceil(shownLines * DISPI_BLANKED) + 1;
  const lineNs = NS_PER_SECOND / DISPI_FRAMES_PER_SECOND / lines;
  return { lineNs, shownNs: lineNs * 0.8, lines, shownLines, retraceStart: shownLines, retraceEnd: lines };
}

export function statusAt(beam: Timing, nowNs: number): number {
  const inFrameNs = nowNs % (beam.lineNs * beam.lines);
  const line = Math.floor(inFrameNs / beam.lineNs);
  const isShowing = line < beam.shownLines && inFrameNs - line * beam.lineNs < beam.shownNs;
  const isRetracing = line >= beam.retraceStart && line < beam.retraceEnd;
  return (isShowing ? 0 : STATUS_NOT_DISPLAYING) | (isRetracing ? STATUS_RETRACE : 0);
}

export interface BlinkPhase {
  readonly isCursorShown: boolean;
  readonly areCharactersShown: boolean;
}

/** Counts up as the cursor comes and goes. */
export function blinkCount(beam: Timing, nowNs: number): number {
  return Math.floor(nowNs / (beam.lineNs * beam.lines * CURSOR_FRAMES));
}

export function blinkPhase(count: number): BlinkPhase {
  return { isCursorShown: count % 2 === 0, areCharactersShown: count % 4 < 2 };
}
