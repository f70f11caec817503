import type { Feature, FeatureCollection, LineString, MultiPolygon, Point, Position } from "geojson";
import type { Files } from "./config";

/** Land, borders and names from the bundled basemap's files; each border lies there once, for both its sides. */

type Shape = number[][][];
type Row = [number, string, string, number, number, number, Shape];

interface ChinaFile {
  steps: number;
  arcs: number[][];
  provinces: Row[];
  cities: Row[];
  maritime: number[][];
}

interface DistrictsFile {
  steps: number;
  arcs: number[][];
  districts: Row[];
}

interface WorldFile {
  steps: number;
  countries: [string, string, number, number, number[][][]][];
}

export type Level = "province" | "city" | "district";
export type Box = [number, number, number, number];

export interface Region {
  adcode: number;
  name: string;
  level: Level;
  parent: number;
  box: Box;
}

export interface Outlines {
  regions: Map<number, Region>;
  world: FeatureCollection<MultiPolygon>;
  provinces: FeatureCollection<MultiPolygon>;
  cities: FeatureCollection<MultiPolygon>;
  lines: FeatureCollection<LineString>;
  maritime: FeatureCollection<LineString>;
  labels: FeatureCollection<Point>;
}

export interface Districts {
  regions: Map<number, Region>;
  polygons: Feature<MultiPolygon>[];
  lines: Feature<LineString>[];
  labels: Feature<Point>[];
}

/** Which part of the world opens first where there is no other wish: the whole of China, with its southern sea. */
export const CHINA_BOX: Box = [73.4, 17.8, 135.2, 53.6];

export async function fetchOutlines(files: Files, language: "zh" | "en"): Promise<Outlines> {
  const [china, world] = await Promise.all([fetchJson<ChinaFile>(files.china), fetchJson<WorldFile>(files.world)]);
  const arcs = china.arcs.map((steps) => unpack(steps, china.steps));
  const regions = new Map<number, Region>();
  // Where a city has no districts, or a province no cities, one adcode stands for both: the larger wins.
  const cities = features(china.cities, arcs, "city", language, regions);
  const provinces = features(china.provinces, arcs, "province", language, regions);
  const label = language === "zh" ? 1 : 2;
  return {
    regions,
    world: collect(world.countries.map(([, , , , shape]) => {
      const polygons = shape.map((rings) => rings.map((ring) => unpack(ring, world.steps)));
      return feature({ type: "MultiPolygon", coordinates: polygons }, {});
    })),
    provinces: collect(provinces),
    cities: collect(cities),
    lines: collect(borders(china.cities, arcs, "city")),
    maritime: collect(china.maritime.map((line) =>
      feature({ type: "LineString", coordinates: unpack(line, china.steps) }, {}),
    )),
    labels: collect([
      ...china.provinces.map((row) => point(row[3], row[4], { name: row[label] || row[1], level: "province", rank: 1 })),
      ...china.cities
        .filter((row) => row[5] !== 0 && !isWhole(row[0]))
        .map((row) => point(row[3], row[4], { name: row[label] || row[1], level: "city", rank: 2 })),
      ...world.countries
        .filter((row) => row[0] !== "")
        .map((row) => point(row[2], row[3], { name: language === "zh" ? row[0] : row[1], level: "country", rank: 0 })),
    ]),
  };
}

/** Beijing, Tianjin, Shanghai and Chongqing are province and city in one: their name is written once. */
function isWhole(adcode: number): boolean {
  return [11, 12, 31, 50, 81, 82].includes(Math.floor(adcode / 10_000));
}

export async function fetchDistricts(address: string, language: "zh" | "en"): Promise<Districts> {
  const file = await fetchJson<DistrictsFile>(address);
  const arcs = file.arcs.map((steps) => unpack(steps, file.steps));
  const regions = new Map<number, Region>();
  const label = language === "zh" ? 1 : 2;
  return {
    regions,
    polygons: features(file.districts, arcs, "district", language, regions),
    lines: borders(file.districts, arcs, "district"),
    labels: file.districts.filter((row) => row[0] !== row[5]).map((row) => point(row[3], row[4], { name: row[label] || row[1], level: "district", rank: 3 })),
  };
}

async function fetchJson<T>(address: string): Promise<T> {
  const response = await fetch(address);
  if (!response.ok) {
    throw new Error(`${address}: ${response.status}`);
  }
  return (await response.json()) as T;
}

function unpack(moves: number[], steps: number): Position[] {
  const found: Position[] = [];
  let x = 0;
  let y = 0;
  for (let i = 0; i < moves.length; i += 2) {
    x += moves[i] as number;
    y += moves[i + 1] as number;
    found.push([x / steps, y / steps]);
  }
  return found;
}

function features(
  rows: Row[], arcs: Position[][], level: Level, language: "zh" | "en", regions: Map<number, Region>,
): Feature<MultiPolygon>[] {
  return rows.map((row) => {
    const [adcode, zh, en, , , parent, shape] = row;
    const coordinates = shape.map((polygon) => polygon.map((ring) => joined(ring, arcs)));
    const name = language === "zh" ? zh : en || zh;
    regions.set(adcode, { adcode, name, level, parent, box: boxOf(coordinates) });
    return { ...feature({ type: "MultiPolygon" as const, coordinates }, { adcode, name }), id: adcode };
  });
}

/** A ring from its arcs; `~n` is arc n backwards. */
function joined(ring: number[], arcs: Position[][]): Position[] {
  const found: Position[] = [];
  for (const number of ring) {
    const arc = arcs[number < 0 ? ~number : number] as Position[];
    const along = number < 0 ? [...arc].reverse() : arc;
    found.push(...(found.length === 0 ? along : along.slice(1)));
  }
  return found;
}

/** Each border once, with its level: the country's (or the file's) edge, between provinces, or within one. */
function borders(rows: Row[], arcs: Position[][], level: "city" | "district"): Feature<LineString>[] {
  const owners: number[][] = arcs.map(() => []);
  for (const [, , , , , parent, shape] of rows) {
    for (const number of shape.flat(2)) {
      owners[number < 0 ? ~number : number]?.push(parent);
    }
  }
  const found: Feature<LineString>[] = [];
  arcs.forEach((coordinates, i) => {
    const sides = owners[i] as number[];
    if (coordinates.length > 1 && sides.length > 0) {
      const [a = 0, b = 0] = sides;
      const kind = b === 0 ? "edge" : level === "district" || a === b ? level : "province";
      found.push(feature({ type: "LineString", coordinates }, { level: kind, a, b, of: Math.floor(a / 10_000) * 10_000 }));
    }
  });
  return found;
}

function boxOf(polygons: Position[][][]): Box {
  const box: Box = [180, 90, -180, -90];
  for (const [x, y] of polygons.flat(2) as [number, number][]) {
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  return box;
}

function feature<G extends MultiPolygon | LineString | Point>(geometry: G, properties: Record<string, unknown>): Feature<G> {
  return { type: "Feature", geometry, properties };
}

function point(x: number, y: number, properties: Record<string, unknown>): Feature<Point> {
  return feature({ type: "Point", coordinates: [x, y] }, properties);
}

export function collect<G extends MultiPolygon | LineString | Point>(found: Feature<G>[]): FeatureCollection<G> {
  return { type: "FeatureCollection", features: found };
}
