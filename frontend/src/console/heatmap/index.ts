import type { Atlas } from "./atlas";
import { cellAt } from "./cells";
import { part, speaker, Times, type Config } from "./config";
import { CellView, Figures, Refused, SignedOut, type CellsDocument, type PlacesDocument, type SeriesDocument } from "./figures";
import { drawLegend, type Scale } from "./legend";
import { LiveMark } from "./live";
import { blues, breaks, classOf, colours, ramp } from "./palette";
import { compose, save } from "./picture";
import { Questions } from "./questions";
import { Ranking } from "./ranking";
import type { Shaded } from "./shaded";
import { Slider } from "./slider";

const MOVED_MS = 120;
const RANKING_MS = 250;
const RETRY_MS = 5_000;
// Areas of H3 cells by resolution, from 2 to 9.
const CELL_KM2 = [86_802, 12_393, 1_770, 252.9, 36.13, 5.16, 0.737, 0.105];

// Asked for before anything else is done: it is the largest part of the page.
const atlasPart = hasWebGl2() ? import("./atlas") : new Promise<never>(() => undefined);

type Kind = "cells" | "places" | "series";

/** The page: keeps what is asked, what is shown and the address in step. */
class Heatmap {
  private readonly root = part("heatmap");
  private readonly config = JSON.parse(this.root.dataset["heatmap"] ?? "") as Config;
  private readonly say = speaker(this.config);
  private readonly times = new Times(this.config.language);
  private readonly numbers = new Intl.NumberFormat(this.config.language === "zh" ? "zh-CN" : "en");
  private readonly figures = new Figures(this.config.path);
  private readonly going = new Map<Kind, AbortController>();
  private readonly questions = new Questions(this.say, () => this.asked());
  private readonly ranking = new Ranking(this.say, (place) => this.address(place), (place) => void this.goTo(place, true));
  private readonly slider = new Slider(
    this.say, this.times, (value) => this.number(value),
    (step, playing) => this.stepped(step, playing),
    () => void this.prepareParts(),
  );
  private live: LiveMark | undefined;
  private atlas: Atlas | undefined;
  private shaded: Shaded | undefined;
  private place = this.config.place;
  private view: CellView | undefined;
  private viewIsStepped = false;
  private places: PlacesDocument | undefined;
  private provinces: PlacesDocument | undefined;
  private cellScale: Scale = { from: [], colours: [], title: "" };
  private scales: Scale[] = [];
  private coming: Promise<void> | undefined;
  private moved: number | undefined;
  private reranked: number | undefined;
  private retry: number | undefined;

  async start(): Promise<void> {
    part("map-side").hidden = false;
    this.switches();
    this.exports();
    this.slider.set(this.config.step);
    await this.openMap();
    this.live = new LiveMark(
      this.config.path, this.say, this.times,
      () => this.fetch("cells", "places", "series"),
      () => this.signedOut(),
    );
    this.link();
    await this.fetch("series", "cells", "places");
    this.root.dataset["ready"] = "1";
  }

  private number(value: number): string {
    return this.numbers.format(value);
  }

  private get dark(): boolean {
    const theme = this.config.theme;
    return theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  }

  private async openMap(): Promise<void> {
    const canvas = part("map");
    if (!hasWebGl2()) {
      this.root.dataset["drawn"] = "regions";
      part("hexes").closest("label")?.setAttribute("hidden", "");
      this.trouble(this.say("no_webgl"), false);
      if (this.config.ground.files === null) {
        this.trouble(this.say("no_outlines"), false);
        return;
      }
      const { Shaded } = await import("./shaded");
      this.shaded = new Shaded(canvas, this.config.ground.files, this.config.language, (place) => void this.goTo(place, true));
      return;
    }
    const { Atlas } = await atlasPart;
    this.atlas = new Atlas(
      canvas, this.config.ground, this.config.language, this.say,
      {
        moved: () => this.mapMoved(),
        chosen: (place) => void this.goTo(place, true),
        pointed: (at) => this.point(at),
        trouble: (sentence) => {
          this.trouble(sentence, true);
          part("trouble").dataset["stays"] = "1";
        },
      },
      this.dark, this.config.view,
    );
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.atlas?.recolour(this.dark);
      this.draw();
    });
    void this.atlas.lookAt(this.place, this.config.view === null && this.place !== 0);
    void this.atlas.ready.then(async () => {
      this.atlas?.showHexes(this.hexes);
      this.draw();
      await this.atlas?.settled();
      this.root.dataset["ground"] = this.config.ground.kind;
    });
  }

  private get hexes(): boolean {
    return part<HTMLInputElement>("hexes").checked;
  }

  private get shades(): boolean {
    return part<HTMLInputElement>("shades").checked;
  }

  private switches(): void {
    const [hexes, shades] = [part<HTMLInputElement>("hexes"), part<HTMLInputElement>("shades")];
    hexes.checked = this.config.hexes;
    shades.checked = this.config.shades;
    hexes.addEventListener("change", () => {
      this.atlas?.showHexes(hexes.checked);
      this.draw();
      this.link();
    });
    shades.addEventListener("change", () => {
      this.link();
      void this.fetch("places");
    });
  }

  /** The filters changed: everything is asked anew. */
  private asked(): void {
    this.slider.stop();
    this.slider.set(0);
    part<HTMLElement>("clear").toggleAttribute("hidden", this.questions.query.toString() === "range=30");
    this.view = undefined;
    this.viewIsStepped = false;
    this.link();
    void this.fetch("series", "cells", "places");
  }

  private async goTo(place: number, move: boolean): Promise<void> {
    this.place = place;
    this.link();
    void this.atlas?.lookAt(place, move);
    await this.fetch("places");
  }

  private mapMoved(): void {
    window.clearTimeout(this.moved);
    this.moved = window.setTimeout(() => {
      this.link();
      void this.fetch("cells");
    }, MOVED_MS);
  }

  /** Shows another part of the slider: only colours change where the parts are here already. */
  private async stepped(step: number, playing: boolean): Promise<void> {
    if (step > 0 && !this.viewIsStepped) {
      // Going through the parts quickly asks for them once.
      this.coming ??= this.fetch("cells").finally(() => (this.coming = undefined));
      await this.coming;
    } else if (step === 0 && this.viewIsStepped && !playing) {
      // Cells of few people are judged for the time that is shown: the whole is more than its parts.
      void this.fetch("cells");
    }
    this.draw();
    if (!playing) {
      this.link();
      window.clearTimeout(this.reranked);
      this.reranked = window.setTimeout(() => void this.fetch("places"), RANKING_MS);
    }
  }

  private async prepareParts(): Promise<void> {
    if (!this.viewIsStepped && this.view !== undefined) {
      const query = this.cellsQuery(true);
      // Kept by the figures, so that the first step finds it here.
      await this.figures.get<CellsDocument>("cells", query, new AbortController().signal).catch(() => undefined);
    }
  }

  /** Asks for what is shown; an answer that comes after a newer question is dropped. */
  private async fetch(...kinds: Kind[]): Promise<void> {
    window.clearTimeout(this.retry);
    try {
      await Promise.all(kinds.map((kind) => this.fetchOne(kind)));
      this.calm();
    } catch (error) {
      if (error instanceof SignedOut) {
        this.signedOut();
      } else if (error instanceof Refused) {
        this.trouble(this.say("refused", { sentence: error.message }), true);
      } else if (!(error instanceof DOMException && error.name === "AbortError")) {
        this.trouble(this.say("failed"), true);
        this.retry = window.setTimeout(() => void this.fetch("series", "cells", "places"), RETRY_MS);
      }
    }
  }

  private async fetchOne(kind: Kind): Promise<void> {
    this.going.get(kind)?.abort();
    const mine = new AbortController();
    this.going.set(kind, mine);
    if (kind === "cells") {
      await this.fetchCells(mine.signal);
    } else if (kind === "series") {
      const { document, as_of } = await this.figures.get<SeriesDocument>("series", this.questions.query, mine.signal);
      this.slider.show(document);
      this.live?.shown(as_of);
    } else {
      await this.fetchPlaces(mine.signal);
    }
  }

  private async fetchCells(signal: AbortSignal): Promise<void> {
    if (this.atlas === undefined) {
      return;
    }
    const stepped = this.slider.step > 0 || this.slider.playing;
    const { document, as_of } = await this.figures.get<CellsDocument>("cells", this.cellsQuery(stepped), signal);
    if (document !== this.view?.document) {
      this.view = new CellView(document);
      this.viewIsStepped = stepped;
      this.atlas.hexes.setCells(this.view.cells, this.view.resolution);
    }
    this.draw();
    this.live?.shown(as_of);
  }

  private cellsQuery(stepped: boolean): URLSearchParams {
    const query = this.questions.query;
    const resolution = Math.max(2, Math.min(9, Math.floor(2 + 0.71 * (this.atlas?.zoom ?? 3))));
    query.set("box", (this.atlas?.seen ?? [-180, -85, 180, 85]).join(","));
    query.set("r", String(resolution));
    query.set("parts", stepped ? "1" : "0");
    return query;
  }

  private async fetchPlaces(signal: AbortSignal): Promise<void> {
    const ask = async (place: number): Promise<PlacesDocument> => {
      const query = this.questions.query;
      if (place !== 0) {
        query.set("place", String(place));
      }
      if (this.slider.step > 0) {
        query.set("step", String(this.slider.step));
      }
      const { document, as_of } = await this.figures.get<PlacesDocument>("places", query, signal);
      this.live?.shown(as_of);
      return document;
    };
    const [here, country] = await Promise.all([ask(this.place), this.shades && this.place !== 0 ? ask(0) : undefined]);
    this.places = here;
    this.provinces = this.place === 0 ? here : country;
    this.ranking.show(here, (value) => this.number(value));
    this.draw();
  }

  /** Colours what is known of the view and says in words what it shows. */
  private draw(): void {
    if (this.shaded !== undefined) {
      this.drawRegions();
      return;
    }
    if (this.atlas === undefined) {
      return;
    }
    const view = this.view;
    const step = this.slider.step;
    const dark = this.dark;
    if (view !== undefined) {
      const from = breaks(view.spread(this.viewIsStepped && (step > 0 || this.slider.playing)));
      const shades = colours(from.length, ramp(dark));
      this.atlas.hexes.setCounts(view.counts(step), from, shades);
      this.cellScale = { from, colours: shades, title: this.say("legend") };
    }
    const byNetwork = new Map((this.provinces?.rows ?? []).map(([adcode, , , ip]) => [adcode, ip]));
    const from = breaks([...byNetwork.values()]);
    const tints = colours(from.length, blues(dark));
    const fill = new Map<number, string>();
    for (const [adcode, count] of byNetwork) {
      const shade = tints[classOf(count, from)];
      if (shade !== undefined) {
        fill.set(adcode, shade);
      }
    }
    this.atlas.shade(fill, this.shades);
    this.scales = [];
    if (this.hexes && view !== undefined && view.cells.length > 0) {
      this.scales.push(this.cellScale);
    }
    if (this.shades && fill.size > 0) {
      this.scales.push({ from, colours: tints, title: this.say("legend_regions") });
    }
    drawLegend(this.scales, (value) => this.number(value));
    this.tell();
  }

  private drawRegions(): void {
    const document = this.places;
    if (document === undefined || this.shaded === undefined) {
      return;
    }
    const counts = new Map(document.rows.map(([adcode, , placed, ip]) => [adcode, this.shades ? ip : placed + ip]));
    const from = breaks([...counts.values()]);
    const shades = colours(from.length, this.shades ? blues(this.dark) : ramp(this.dark));
    this.scales = [{ from, colours: shades, title: this.say(this.shades ? "legend_regions" : "legend_all") }];
    drawLegend(document.total === 0 ? [] : this.scales, (value) => this.number(value));
    void this.shaded.show(document, counts, from, shades, (adcode, name) =>
      escaped(`${name}: ${this.say("cell", { scans: counts.get(adcode) ?? 0 })}`),
    );
  }

  private tell(): void {
    const view = this.view;
    const told = part("told");
    if (view === undefined) {
      told.textContent = "";
      return;
    }
    const counts = view.counts(this.slider.step);
    let scans = 0;
    let cells = 0;
    for (const count of counts) {
      scans += count;
      cells += count > 0 ? 1 : 0;
    }
    const [hiddenCells, hiddenScans] = view.document.hidden;
    const sentences = [cells === 0 ? this.say("none") : this.say("shown", { scans, cells })];
    if (hiddenCells > 0) {
      sentences.push(this.say(hiddenCells === 1 ? "hidden_one" : "hidden", { cells: hiddenCells, scans: hiddenScans }));
    }
    if (view.document.r < view.document.asked) {
      sentences.push(this.say("coarser"));
    }
    const words = sentences.join(this.config.language === "zh" ? "" : " ");
    if (told.textContent !== words && !this.slider.playing) {
      told.textContent = words;
    }
    Object.assign(this.root.dataset, {
      cells: String(cells), scans: String(scans), resolution: String(view.resolution), part: String(this.slider.step),
      drawn: "hexagons",
    });
  }

  private point(at: { lat: number; lng: number; x: number; y: number } | null): void {
    const tip = part("tip");
    const lines: string[] = [];
    if (at !== null && this.atlas !== undefined) {
      const view = this.view;
      const counts = view?.counts(this.slider.step);
      if (view !== undefined && counts !== undefined && this.hexes) {
        const found = view.cells.indexOf(cellAt(at.lat, at.lng, view.resolution));
        const count = found < 0 ? 0 : (counts[found] ?? 0);
        if (count > 0) {
          const area = CELL_KM2[view.resolution - 2] ?? 0;
          lines.push(this.say("cell", { scans: count }), this.say("cell_km", { area: Number(area.toPrecision(2)) }));
        }
      }
      const region = this.atlas.region(this.atlas.regionAt(at.x, at.y));
      if (region !== undefined) {
        lines.unshift(region.name);
        const row = this.places?.rows.find(([adcode]) => adcode === region.adcode);
        if (this.shades && row !== undefined) {
          lines.push(this.say("by_network", { scans: row[3] }));
        }
      }
    }
    tip.hidden = lines.length === 0;
    if (at !== null && lines.length > 0 && this.atlas !== undefined) {
      tip.replaceChildren(...lines.map((line) => Object.assign(document.createElement("span"), { textContent: line })));
      const [width] = this.atlas.size;
      tip.style.left = `${Math.min(at.x + 14, Math.max(0, width - tip.offsetWidth - 8))}px`;
      tip.style.top = `${Math.max(8, at.y - tip.offsetHeight - 10)}px`;
    }
  }

  private address(place: number): string {
    const query = this.questions.query;
    if (place !== 0) {
      query.set("place", String(place));
    }
    const text = query.toString();
    return text === "" ? this.config.path : `${this.config.path}?${text}`;
  }

  /** Keeps the address such that it shows this very view to whoever opens it. */
  private link(): void {
    const query = this.questions.query;
    if (this.place !== 0) {
      query.set("place", String(this.place));
    }
    if (this.atlas !== undefined) {
      query.set("view", this.atlas.view.join(","));
    }
    if (!this.hexes) {
      query.set("hex", "0");
    }
    if (this.shades) {
      query.set("ip", "1");
    }
    if (this.slider.step > 0) {
      query.set("step", String(this.slider.step));
    }
    history.replaceState(null, "", `${this.config.path}?${query.toString().replace(/%2C/g, ",")}`);
    // The frame's links to the other language and theme keep the view too.
    for (const other of document.querySelectorAll<HTMLAnchorElement>(".switch a")) {
      const [name, value] = (other.getAttribute("href") ?? "").split(/[?&]/).pop()?.split("=") ?? [];
      if (name !== undefined && value !== undefined) {
        other.setAttribute("href", `?${query.toString()}&${name}=${value}`);
      }
    }
    this.files();
  }

  private files(): void {
    const places = this.questions.query;
    if (this.place !== 0) {
      places.set("place", String(this.place));
    }
    const cells = this.cellsQuery(false);
    cells.delete("parts");
    for (const query of [places, cells]) {
      if (this.slider.step > 0) {
        query.set("step", String(this.slider.step));
      }
    }
    const link = (name: string, query: URLSearchParams): void => {
      document.querySelector(`[data-${name}-file]`)?.setAttribute("href", `${this.config.path}/${name}.csv?${query.toString()}`);
    };
    link("places", places);
    link("cells", cells);
  }

  private exports(): void {
    const copy = part<HTMLButtonElement>("copy");
    copy.hidden = false;
    copy.addEventListener("click", () => void this.copy(copy));
    const picture = document.querySelector<HTMLButtonElement>("[data-picture]");
    const cells = document.querySelector<HTMLElement>("[data-cells-file]");
    if (picture !== null && cells !== null && hasWebGl2()) {
      picture.hidden = false;
      cells.hidden = false;
      picture.addEventListener("click", () => void this.savePicture());
    }
  }

  private async copy(button: HTMLButtonElement): Promise<void> {
    this.link();
    const words = button.textContent ?? "";
    const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    button.textContent = this.say(done === true ? "copied" : "not_copied");
    setTimeout(() => (button.textContent = words), 2_500);
  }

  private async savePicture(): Promise<void> {
    if (this.atlas === undefined) {
      return;
    }
    const { layer, choices } = this.questions.words;
    const ground = this.config.ground;
    const trail = (this.places?.trail ?? []).map(([, name]) => name);
    const canvas = compose(
      await this.atlas.picture(),
      {
        title: this.say("picture_title", { brand: this.config.brand, layer }),
        lines: [
          [trail.join(" › ") || this.say("country"), this.slider.stretch, ...choices].filter((each) => each !== "").join(" · "),
        ],
        legends: this.scales.map(({ title, colours, from }) => ({ title, colours, from: from.map((each) => this.number(each)) })),
        foot: [
          [part("told").textContent ?? "", part("live-text").textContent ?? ""].join(" · "),
          [ground.approval === "" ? "" : this.say("approval", { number: ground.approval }), ground.attribution === "" ? "" : `© ${ground.attribution}`]
            .filter((each) => each !== "").join(" · "),
        ].filter((each) => each !== ""),
      },
      this.dark, devicePixelRatio,
    );
    await save(canvas, `heatmap-${new Date().toISOString().slice(0, 10)}.png`);
  }

  private trouble(sentence: string, bad: boolean): void {
    const box = part("trouble");
    box.textContent = sentence;
    box.classList.toggle("bad", bad);
    box.hidden = false;
    box.dataset["stays"] = bad ? "" : "1";
  }

  private calm(): void {
    const box = part("trouble");
    if (box.dataset["stays"] !== "1") {
      box.hidden = true;
    }
  }

  private signedOut(): void {
    this.live?.end();
    this.slider.stop();
    this.trouble(this.say("signed_out"), true);
    part("trouble").dataset["stays"] = "1";
  }
}

function hasWebGl2(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

function escaped(text: string): string {
  const box = document.createElement("i");
  box.textContent = text;
  return box.innerHTML;
}

export function start(): Promise<void> {
  return new Heatmap().start();
}
