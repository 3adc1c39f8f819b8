/** A minute of something on a small canvas: a column for each look, the newest at the right, of parts above each other. */

/** Two a second. */
export const LOOKS = 120;

/** A part of a column, from the ground up; `colour` is a custom property of the page's style. */
export interface Part {
  readonly value: number;
  readonly colour: string;
}

/** `least` is as high as the chart at any rate, so that what is next to nothing looks it. */
export function drawHistory(canvas: HTMLCanvasElement, columns: readonly (readonly Part[])[], least: number): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  const scale = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.clearRect(0, 0, width, height);
  const most = Math.max(least, ...columns.map(sum));
  const style = getComputedStyle(canvas);
  const step = width / LOOKS;
  for (const [i, parts] of columns.entries()) {
    const x = (LOOKS - columns.length + i) * step;
    let y = height;
    for (const { value, colour } of parts) {
      const bar = (value / most) * height;
      context.fillStyle = style.getPropertyValue(colour);
      context.fillRect(x, y - bar, Math.max(1, step - scale / 2), bar);
      y -= bar;
    }
    // What is there at all is seen.
    if (y > height - scale) context.fillRect(x, height - scale, Math.max(1, step - scale / 2), scale);
  }
}

export const sum = (parts: readonly Part[]): number => parts.reduce((all, { value }) => all + value, 0);
