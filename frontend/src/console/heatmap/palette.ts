/** One sequential palette, its lightness falling all the way, so that it is read in grey and by the colour-blind. */
export const PALETTE = ["#ffe998", "#fed470", "#feb24c", "#fd8d3c", "#fb5b2e", "#e31a1c", "#b10026", "#780023"] as const;

const NICE = [1, 2, 3, 4, 5, 6, 8];

/** The palette from few to many: on dark ground the light colours stand out, so that it runs the other way. */
export function ramp(dark: boolean): readonly string[] {
  return dark ? [...PALETTE].reverse() : PALETTE;
}

/** For what a network address tells of a province: never to be taken for located scans, under which it lies. */
const BLUES = ["#e9f0f7", "#d6e4f1", "#bfd5e8", "#a5c4de", "#8ab1d3", "#6f9dc7", "#5588b8", "#3c72a6"] as const;

export function blues(dark: boolean): readonly string[] {
  return dark ? [...BLUES].reverse() : BLUES;
}

/** Where each colour begins: round numbers, spread by ratio from the lowest to all but the very highest counts. */
export function breaks(counts: ArrayLike<number>): number[] {
  const sorted = Array.from(counts)
    .filter((count) => count > 0)
    .sort((a, b) => a - b);
  const lowest = sorted[0] ?? 1;
  const highest = sorted[Math.ceil((sorted.length - 1) * 0.995)] ?? 1;
  if (highest - lowest < PALETTE.length) {
    return Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i);
  }
  const found = PALETTE.map((_, i) => nice(lowest * (highest / lowest) ** (i / (PALETTE.length - 0.5))));
  return [...new Set([lowest, ...found.slice(1)])].filter((from) => from >= lowest);
}

function nice(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = NICE.reduce((best, each) => (each * power <= value * 1.001 ? each : best), 1);
  return step * power;
}

/** Colours of the classes: spread over the ramp where there are fewer classes than colours. */
export function colours(classes: number, all: readonly string[]): string[] {
  if (classes <= 1) {
    return [all[3] as string];
  }
  return Array.from({ length: classes }, (_, i) => all[Math.round((i * (all.length - 1)) / (classes - 1))] as string);
}

/** Which class a count falls into; -1 for none. */
export function classOf(count: number, from: number[]): number {
  let found = -1;
  for (let i = 0; i < from.length && count >= (from[i] as number); i += 1) {
    found = i;
  }
  return found;
}

export function rgb(hex: string): [number, number, number] {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
