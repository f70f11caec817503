import {
  Map as MapLibre, NavigationControl, ScaleControl, setWorkerUrl,
  type GeoJSONSource, type LayerSpecification, type StyleSpecification,
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import type { Ground, Say } from "./config";
import { CHINA_BOX, collect, fetchDistricts, fetchOutlines, type Box, type Districts, type Outlines, type Region } from "./geography";
import { Hexes } from "./hexes";

setWorkerUrl(workerUrl);

const DISTRICT_ZOOM = 6.6;
const ZOOM_MAX = 14;
const FONTS = '"PingFang SC", "HarmonyOS Sans SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif';

const COLOURS = {
  light: {
    sea: "#dfe7ee", world: "#f5f3ee", rim: "#c9c7c1", land: "#fffefa", outer: "#8b8a86", province: "#9d9b96",
    city: "#c9c7c0", district: "#dcdad3", maritime: "#b0413e", label: "#333b37", quiet: "#77736c", halo: "#ffffff", chosen: "#0b6b4c",
  },
  dark: {
    sea: "#10171c", world: "#1d2422", rim: "#323b38", land: "#262e2b", outer: "#7d8783", province: "#5f6965",
    city: "#434c48", district: "#39413e", maritime: "#d9746c", label: "#e6eae7", quiet: "#99a29d", halo: "#161c19", chosen: "#6fd0aa",
  },
};

export interface AtlasEvents {
  moved(): void;
  /** A region of the bundled basemap was clicked. */
  chosen(adcode: number): void;
  /** The pointer is over a place of the map (in pixels of it), or has left. */
  pointed(at: { lat: number; lng: number; x: number; y: number } | null): void;
  trouble(sentence: string): void;
}

/** The map: the ground of the brand's choice, hexagons, borders and names. */
export class Atlas {
  readonly hexes = new Hexes();
  readonly ready: Promise<void>;
  outlines: Outlines | undefined;
  private readonly map: MapLibre;
  private readonly districts = new Map<number, Districts | "coming">();
  private place = 0;
  private shadesOf: { fill: Map<number, string>; shown: boolean } = { fill: new Map(), shown: false };

  constructor(
    private readonly box: HTMLElement,
    private readonly ground: Ground,
    private readonly language: "zh" | "en",
    private readonly say: Say,
    private readonly on: AtlasEvents,
    private dark: boolean,
    view: [number, number, number] | null,
  ) {
    this.map = new MapLibre({
      container: box,
      style: ground.kind === "style" ? ground.url : this.plainStyle(),
      ...(view === null
        ? { bounds: CHINA_BOX, fitBoundsOptions: { padding: 12 } }
        : { center: [view[0], view[1]] as [number, number], zoom: view[2] }),
      maxZoom: ZOOM_MAX,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
      localIdeographFontFamily: FONTS,
      canvasContextAttributes: { antialias: hasGraphicsCard() },
      // On a phone one finger scrolls the page, and two move the map.
      cooperativeGestures: matchMedia("(pointer: coarse)").matches,
      locale: {
        "CooperativeGesturesHandler.MobileHelpText": say("two_fingers"),
        "CooperativeGesturesHandler.WindowsHelpText": say("wheel"),
        "CooperativeGesturesHandler.MacHelpText": say("wheel"),
        "Map.Title": say("map"), "NavigationControl.ZoomIn": say("zoom_in"), "NavigationControl.ZoomOut": say("zoom_out"),
      },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-left");
    this.ready = this.prepare();
    this.listen();
  }

  private async prepare(): Promise<void> {
    const files = this.ground.kind === "bundled" ? this.ground.files : null;
    const outlines = files === null ? null : fetchOutlines(files, this.language);
    await this.styled();
    if (outlines !== null) {
      this.outlines = await outlines;
      this.drawOutlines(this.outlines);
    }
    this.layHexes();
    // A laptop that slept may lose its context; MapLibre restores its own layers, and not ours.
    this.map.on("webglcontextrestored", () => this.map.once("idle", () => this.layHexes()));
    this.recolour(this.dark);
    void this.fetchNear();
  }

  private layHexes(): void {
    if (this.map.getLayer("hexes") === undefined) {
      this.map.addLayer(this.hexes, this.map.getLayer("lines-district") === undefined ? undefined : "lines-district");
    }
  }

  /** Waits for the style; a brand's own that does not load gives way to plain ground. */
  private styled(): Promise<void> {
    return new Promise((resolve) => {
      let failed = false;
      this.map.on("error", ({ error }) => {
        if (this.ground.kind === "style" || this.ground.kind === "tiles") {
          this.on.trouble(this.say("own_failed", { url: this.ground.url }));
          if (this.ground.kind === "style" && !this.map.isStyleLoaded() && !failed) {
            failed = true;
            this.map.setStyle(this.plainStyle());
          }
        } else {
          this.on.trouble(this.say("no_map", { reason: error.message }));
        }
      });
      if (this.map.style?._loaded) {
        resolve();
      } else {
        this.map.once("style.load", () => resolve());
      }
    });
  }

  private plainStyle(): StyleSpecification {
    const style: StyleSpecification = {
      version: 8,
      sources: {},
      layers: [{ id: "sea", type: "background", paint: { "background-color": COLOURS[this.dark ? "dark" : "light"].sea } }],
    };
    if (this.ground.kind === "tiles") {
      style.sources["own"] = { type: "raster", tiles: [this.ground.url.startsWith("/") ? location.origin + this.ground.url : this.ground.url], tileSize: 256 };
      style.layers.push({ id: "own", type: "raster", source: "own" });
    }
    return style;
  }

  private drawOutlines(outlines: Outlines): void {
    const map = this.map;
    for (const name of ["world", "provinces", "cities", "lines", "maritime", "labels"] as const) {
      map.addSource(name, { type: "geojson", data: outlines[name] });
    }
    map.addSource("districts", { type: "geojson", data: collect([]) });
    map.addSource("district-lines", { type: "geojson", data: collect([]) });
    map.addSource("district-labels", { type: "geojson", data: collect([]) });
    layers().forEach((layer) => map.addLayer(layer));
  }

  /** Colours for light or dark, everything but the hexagons'. */
  recolour(dark: boolean): void {
    this.dark = dark;
    const c = COLOURS[dark ? "dark" : "light"];
    const paints: [string, string, unknown][] = [
      ["sea", "background-color", c.sea],
      ["world-fill", "fill-color", c.world],
      ["world-line", "line-color", c.rim],
      ["provinces-fill", "fill-color", this.fill()],
      ["lines-district", "line-color", c.district],
      ["lines-city", "line-color", c.city],
      ["lines-province", "line-color", c.province],
      ["lines-edge", "line-color", c.outer],
      ["maritime", "line-color", c.maritime],
      ["chosen", "line-color", c.chosen],
      ["chosen-district", "line-color", c.chosen],
      ...["province", "city", "district"].flatMap((level): [string, string, unknown][] => [
        [`labels-${level}`, "text-color", c.label],
        [`labels-${level}`, "text-halo-color", c.halo],
      ]),
      ["labels-country", "text-color", c.quiet],
      ["labels-country", "text-halo-color", c.halo],
    ];
    for (const [layer, name, value] of paints) {
      if (this.map.getLayer(layer) !== undefined) {
        this.paint(layer, name, value);
      }
    }
  }

  private paint(layer: string, name: string, value: unknown): void {
    // The library's types know each property by its name; these come from a table.
    (this.map.setPaintProperty as (layer: string, name: string, value: unknown) => void).call(this.map, layer, name, value);
  }

  /** Shades the provinces by colour; those that are not named stay land. */
  shade(fill: Map<number, string>, shown: boolean): void {
    this.shadesOf = { fill, shown };
    if (this.map.getLayer("provinces-fill") !== undefined) {
      this.paint("provinces-fill", "fill-color", this.fill());
    }
  }

  private fill(): unknown {
    const land = COLOURS[this.dark ? "dark" : "light"].land;
    const { fill, shown } = this.shadesOf;
    return shown && fill.size > 0 ? ["match", ["get", "adcode"], ...[...fill].flat(), land] : land;
  }

  showHexes(shown: boolean): void {
    if (this.map.getLayer("hexes") !== undefined) {
      this.map.setLayoutProperty("hexes", "visibility", shown ? "visible" : "none");
    }
  }

  private listen(): void {
    const map = this.map;
    map.on("moveend", () => {
      void this.fetchNear();
      this.on.moved();
    });
    map.on("mousemove", ({ lngLat, point }) => {
      this.on.pointed({ lat: lngLat.lat, lng: lngLat.lng, x: point.x, y: point.y });
      map.getCanvas().style.cursor = this.regionAt(point.x, point.y) === 0 ? "" : "pointer";
    });
    map.on("mouseout", () => this.on.pointed(null));
    map.on("movestart", () => this.on.pointed(null));
    map.on("click", ({ point, lngLat }) => {
      const found = this.regionAt(point.x, point.y);
      if (found !== 0) {
        this.on.chosen(found);
      } else {
        this.on.pointed({ lat: lngLat.lat, lng: lngLat.lng, x: point.x, y: point.y });
      }
    });
  }

  /** The region that a click at a point of the map looks into: one level below where we are. */
  regionAt(x: number, y: number): number {
    if (this.outlines === undefined || this.map.getLayer("provinces-hit") === undefined) {
      return 0;
    }
    const at = (layer: string): number => {
      const [found] = this.map.queryRenderedFeatures([x, y], { layers: [layer] });
      return Number(found?.properties["adcode"] ?? 0);
    };
    const province = at("provinces-hit");
    const here = this.region(this.place);
    if (here === undefined || Math.floor(this.place / 10_000) !== Math.floor(province / 10_000)) {
      return province === this.place ? 0 : province;
    }
    const city = at("cities-hit");
    if (here.level === "province") {
      return city;
    }
    const within = here.level === "city" ? here.adcode : here.parent;
    return city === within ? at("districts-hit") : city;
  }

  region(adcode: number): Region | undefined {
    const known = this.outlines?.regions.get(adcode);
    if (known !== undefined || adcode === 0) {
      return known;
    }
    const loaded = this.districts.get(Math.floor(adcode / 10_000) * 10_000);
    return loaded === undefined || loaded === "coming" ? undefined : loaded.regions.get(adcode);
  }

  /** Looks at a region (0: the country): its border stands out, and the map moves there unless told not to. */
  async lookAt(adcode: number, move: boolean): Promise<void> {
    this.place = adcode;
    await this.ready;
    if (adcode !== 0 && this.outlines !== undefined) {
      await this.fetchDistrictsOf(Math.floor(adcode / 10_000) * 10_000);
    }
    if (this.place !== adcode) {
      return;
    }
    if (this.map.getLayer("chosen") !== undefined) {
      const level = adcode === 0 ? undefined : this.region(adcode)?.level;
      this.map.setFilter("chosen", level === "province"
        ? ["all", ["==", ["get", "level"], "edge"], ["==", ["get", "of"], adcode]]
        // A city's outline: lines with the city on one side only.
        : ["!=", ["==", ["get", "a"], level === "city" ? adcode : -1], ["==", ["get", "b"], level === "city" ? adcode : -1]]);
      this.map.setFilter("chosen-district", ["==", ["get", "adcode"], level === "district" ? adcode : 0]);
    }
    const box = adcode === 0 ? CHINA_BOX : this.region(adcode)?.box;
    if (move && box !== undefined) {
      this.map.fitBounds(box, { padding: adcode === 0 ? 12 : 28, maxZoom: 11, duration: 550 });
    }
  }

  private async fetchNear(): Promise<void> {
    if (this.outlines === undefined || this.map.getZoom() < DISTRICT_ZOOM) {
      return;
    }
    const { _sw: low, _ne: high } = this.map.getBounds();
    const near = [...this.outlines.regions.values()].filter(
      ({ level, box }) => level === "province" && box[0] < high.lng && box[2] > low.lng && box[1] < high.lat && box[3] > low.lat,
    );
    await Promise.all(near.map((province) => this.fetchDistrictsOf(province.adcode)));
  }

  private async fetchDistrictsOf(province: number): Promise<void> {
    const address = this.ground.files?.districts[String(province)];
    if (address === undefined || this.districts.has(province)) {
      return;
    }
    this.districts.set(province, "coming");
    try {
      this.districts.set(province, await fetchDistricts(address, this.language));
    } catch (error) {
      this.districts.delete(province);
      this.on.trouble(this.say("no_map", { reason: String(error) }));
      return;
    }
    const all = [...this.districts.values()].filter((each): each is Districts => each !== "coming");
    this.source("districts").setData(collect(all.flatMap((each) => each.polygons)));
    this.source("district-lines").setData(collect(all.flatMap((each) => each.lines)));
    this.source("district-labels").setData(collect(all.flatMap((each) => each.labels)));
  }

  private source(name: string): GeoJSONSource {
    return this.map.getSource(name) as GeoJSONSource;
  }

  get zoom(): number {
    return this.map.getZoom();
  }

  /** Longitude, latitude and zoom, as a link holds them. */
  get view(): [number, number, number] {
    const { lng, lat } = this.map.getCenter().wrap();
    return [round(lng, 4), round(lat, 4), round(this.map.getZoom(), 2)];
  }

  /** West, south, east and north of what is seen; west > east over the date line. */
  get seen(): Box {
    const bounds = this.map.getBounds();
    const [west, east] = [bounds.getWest(), bounds.getEast()];
    const [south, north] = [Math.max(-90, bounds.getSouth()), Math.min(90, bounds.getNorth())];
    if (east - west >= 360) {
      return [-180, round(south, 4), 180, round(north, 4)];
    }
    return [round(wrapped(west), 4), round(south, 4), round(wrapped(east), 4), round(north, 4)];
  }

  /** The picture of the map as it is drawn just now. */
  picture(): Promise<HTMLCanvasElement> {
    return new Promise((resolve) => {
      this.map.once("render", () => {
        // Read within the frame: afterwards the browser may have thrown the drawing away.
        const copy = document.createElement("canvas");
        const canvas = this.map.getCanvas();
        copy.width = canvas.width;
        copy.height = canvas.height;
        copy.getContext("2d")?.drawImage(canvas, 0, 0);
        resolve(copy);
      });
      this.map.triggerRepaint();
    });
  }

  /** Runs once everything asked for is on the screen. */
  settled(): Promise<void> {
    return new Promise((resolve) => void this.map.once("idle", () => resolve()));
  }

  resize(): void {
    this.map.resize();
  }

  get size(): [number, number] {
    return [this.box.clientWidth, this.box.clientHeight];
  }
}

/** Whether a card draws: in software, smoothing the edges costs three quarters of each frame. */
function hasGraphicsCard(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  const names = gl?.getExtension("WEBGL_debug_renderer_info");
  const renderer = names ? String(gl?.getParameter(names.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  // Not every browser owns up to drawing in software.
  return gl !== null && !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

function wrapped(lng: number): number {
  return ((((lng + 180) % 360) + 360) % 360) - 180;
}

/** Layers of the bundled basemap from the ground up; the hexagons come below the first line. */
function layers(): LayerSpecification[] {
  const line = (id: string, source: string, width: unknown, more: Record<string, unknown> = {}): LayerSpecification =>
    ({
      id, source, type: "line", layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-width": width }, ...more,
    }) as LayerSpecification;
  const hit = (id: string, source: string): LayerSpecification =>
    ({ id, source, type: "fill", paint: { "fill-opacity": 0 } });
  const growing = (low: number, high: number): unknown => ["interpolate", ["linear"], ["zoom"], 3, low, 9, high];
  return [
    { id: "world-fill", source: "world", type: "fill" },
    line("world-line", "world", 0.6),
    { id: "provinces-fill", source: "provinces", type: "fill", paint: { "fill-antialias": false } },
    hit("provinces-hit", "provinces"),
    hit("cities-hit", "cities"),
    hit("districts-hit", "districts"),
    line("lines-district", "district-lines", growing(0.3, 0.8), {
      minzoom: DISTRICT_ZOOM, filter: ["==", ["get", "level"], "district"],
    }),
    line("lines-city", "lines", growing(0.4, 1), { minzoom: 4.6, filter: ["==", ["get", "level"], "city"] }),
    line("lines-province", "lines", growing(0.7, 1.6), { filter: ["==", ["get", "level"], "province"] }),
    line("lines-edge", "lines", growing(0.8, 1.4), { filter: ["==", ["get", "level"], "edge"] }),
    line("maritime", "maritime", growing(1, 2)),
    line("chosen", "district-lines", 2.2, { filter: ["==", ["get", "of"], -1] }),
    line("chosen-district", "districts", 2.2, { filter: ["==", ["get", "adcode"], 0] }),
    label("labels-country", "labels", "country", 10.5, { minzoom: 2.2, maxzoom: 7 }),
    label("labels-district", "district-labels", "district", 11, { minzoom: 7.6 }),
    label("labels-city", "labels", "city", 11.5, { minzoom: 5.4 }),
    label("labels-province", "labels", "province", 12.5, { maxzoom: 7.5 }),
  ];
}

function label(id: string, source: string, level: string, size: number, more: Record<string, unknown>): LayerSpecification {
  return {
    id, source, type: "symbol",
    filter: ["==", ["get", "level"], level],
    layout: { "text-field": ["get", "name"], "text-size": size, "text-font": ["sans-serif"], "text-padding": 4, "text-max-width": 8 },
    paint: { "text-halo-width": 1.4 },
    ...more,
  } as LayerSpecification;
}
