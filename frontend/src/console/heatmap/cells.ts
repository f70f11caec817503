import { cellToBoundary, h3IndexToSplitLong, latLngToCell } from "h3-js";

/**
 * Shortened cells: the base cell and the digits down to the resolution, 7 + 3·r bits, as the server sends them.
 * A whole index has 64 bits, of which a JavaScript number holds 53.
 */
const DIGITS = 15;
const HALF = 2 ** 32;

/** The cell as h3-js takes it: lower and upper half. */
export function lengthen(short: number, resolution: number): [number, number] {
  const dropped = 2 ** (3 * (DIGITS - resolution));
  const low52 = short * dropped + (dropped - 1);
  const upper = (1 << 27) | (resolution << 20) | Math.floor(low52 / HALF);
  return [low52 % HALF, upper];
}

/** The shortened cell at a place. */
export function cellAt(lat: number, lng: number, resolution: number): number {
  const [lower, upper] = h3IndexToSplitLong(latLngToCell(lat, lng, resolution));
  const low52 = (upper & 0xfffff) * HALF + (lower >>> 0);
  return Math.floor(low52 / 2 ** (3 * (DIGITS - resolution)));
}

/** The corners of a cell in Mercator's unit square, x and y in turn; past 1 where it lies over the date line. */
export function outline(short: number, resolution: number): Float64Array {
  const corners = cellToBoundary(lengthen(short, resolution));
  const found = new Float64Array(corners.length * 2);
  const first = corners[0]?.[1] ?? 0;
  corners.forEach(([lat, lng], i) => {
    const near = lng - first > 180 ? lng - 360 : lng - first < -180 ? lng + 360 : lng;
    found[2 * i] = (near + 180) / 360;
    const clamped = Math.max(-85.05, Math.min(85.05, lat));
    found[2 * i + 1] = 0.5 - Math.log(Math.tan(Math.PI / 4 + (clamped * Math.PI) / 360)) / (2 * Math.PI);
  });
  return found;
}
