/** A guest's screen: what a display adapter shows of it, and the memory that adapter and guest share. */

/** Contiguous memory that the guest may map: a BAR, a window. */
export interface VideoMemory {
  readonly sizeBytes: number;
  /** The whole of it; ask anew at each use, for the buffer can move when memory grows. */
  readonly bytes: Uint8Array;
  /** Pages of 4 KiB (by number) that the guest has written through a mapping since this was last asked. */
  takeDirtyPages(): Uint32Array | readonly number[];
}

export interface ScreenImage {
  readonly width: number;
  readonly height: number;
  /** RGBA, row by row from the top; alpha is 255. Belongs to the adapter, and is overwritten by the next image. */
  readonly pixels: Uint8ClampedArray;
}

export interface TextScreen {
  readonly columns: number;
  readonly rows: number;
  /** Row by row from the top: the character's code in the low byte, its attribute (as the adapter has it) above. */
  readonly cells: Uint16Array;
  readonly cursor: { readonly column: number; readonly row: number; readonly visible: boolean };
  /** The 16 colours attributes speak of, 0xRRGGBB. */
  readonly palette: Uint32Array;
  /** Bit 7 of an attribute makes the character blink; otherwise it is the background's intensity. */
  readonly isBlinking: boolean;
}

export interface Screen {
  /** `blank` while the adapter is off or its mode makes no picture. */
  readonly mode: 'text' | 'graphics' | 'blank';
  /** Undefined but in text modes. */
  text(): TextScreen | undefined;
  /** What a monitor would show now. A blank screen is black, and of the size it last had. */
  image(): ScreenImage;
  /** Counts up when what is shown may have changed, so that looking at an unchanged screen costs nothing. */
  readonly generation: number;
}
