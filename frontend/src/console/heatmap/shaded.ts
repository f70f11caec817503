import { MapChart } from "echarts/charts";
import { GeoComponent, TooltipComponent } from "echarts/components";
import { init, registerMap, use, type EChartsType } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { colour } from "../charts";
import type { Files } from "./config";
import type { PlacesDocument } from "./figures";
import { fetchDistricts, fetchOutlines, type Districts, type Outlines } from "./geography";
import { classOf } from "./palette";

use([MapChart, GeoComponent, TooltipComponent, SVGRenderer]);

/** Where there is no WebGL2: regions shaded by their scans, drawn as SVG. */
export class Shaded {
  private outlines: Outlines | undefined;
  private readonly districts = new Map<number, Districts>();
  private readonly chart: EChartsType;
  private shown = 0;

  constructor(box: HTMLElement, private readonly files: Files, private readonly language: "zh" | "en", chosen: (adcode: number) => void) {
    this.chart = init(box, null, { renderer: "svg" });
    this.chart.on("click", (event) => {
      const found = Number((event.data as { adcode?: number } | undefined)?.adcode ?? 0);
      if (found !== 0) {
        chosen(found);
      }
    });
    new ResizeObserver(() => this.chart.resize()).observe(box);
  }

  /** Shades the parts of the place that the ranking is about. */
  async show(
    document: PlacesDocument, counts: Map<number, number>, from: number[], colours: string[], tip: (adcode: number, name: string) => string,
  ): Promise<void> {
    this.shown += 1;
    const turn = this.shown;
    this.outlines ??= await fetchOutlines(this.files, this.language);
    const features = await this.parts(document);
    if (turn !== this.shown) {
      return;
    }
    // A name of our own each time: the library mends "china" with islands of its own.
    const name = `ground-${document.place}-${document.level}`;
    const southern = document.place === 0 ? this.outlines.maritime.features.map((line, i) => ({ ...line, properties: { name: `~${i}` } })) : [];
    const named = features.map((each) => ({ ...each, properties: { ...each.properties, name: String(each.properties?.["adcode"]) } }));
    registerMap(name, { type: "FeatureCollection", features: [...named, ...southern] } as unknown as Parameters<typeof registerMap>[1]);
    const quiet = colour("line");
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.chart.setOption(
      {
        animation: !still,
        tooltip: {
          confine: true, backgroundColor: colour("card"), borderColor: quiet, textStyle: { color: colour("ink"), fontSize: 13 },
          formatter: (given: { data?: { adcode?: number; title?: string } }) =>
            given.data?.adcode === undefined ? "" : tip(given.data.adcode, given.data.title ?? ""),
        },
        series: [
          {
            type: "map", map: name, roam: false, projection: MERCATOR, layoutCenter: ["50%", "50%"], layoutSize: "96%",
            selectedMode: false,
            label: { show: false },
            itemStyle: { areaColor: colour("card"), borderColor: colour("edge"), borderWidth: 0.6 },
            emphasis: { label: { show: false }, itemStyle: { areaColor: "inherit", borderColor: colour("go"), borderWidth: 2 } },
            data: features.map((each) => {
              const adcode = Number(each.properties?.["adcode"]);
              const shade = colours[classOf(counts.get(adcode) ?? 0, from)];
              return {
                name: String(adcode), adcode, title: String(each.properties?.["name"]), value: counts.get(adcode) ?? 0,
                itemStyle: shade === undefined ? {} : { areaColor: shade },
              };
            }),
          },
        ],
      },
      { notMerge: true },
    );
  }

  private async parts(document: PlacesDocument): Promise<Outlines["provinces"]["features"]> {
    const outlines = this.outlines as Outlines;
    if (document.level === "province") {
      return outlines.provinces.features;
    }
    const parentOf = (adcode: unknown): number => outlines.regions.get(Number(adcode))?.parent ?? -1;
    const province = Math.floor(document.place / 10_000) * 10_000;
    const cities = outlines.cities.features.filter((each) => Math.floor(Number(each.properties?.["adcode"]) / 10_000) * 10_000 === province);
    if (document.level === "city") {
      return cities.filter((each) => parentOf(each.properties?.["adcode"]) === document.place || cities.length === 1);
    }
    let loaded = this.districts.get(province);
    if (loaded === undefined) {
      loaded = await fetchDistricts(this.files.districts[String(province)] ?? "", this.language);
      this.districts.set(province, loaded);
    }
    const { regions, polygons } = loaded;
    const own = polygons.filter((each) => regions.get(Number(each.properties?.["adcode"]))?.parent === document.place);
    return own.length > 0 ? own : cities.filter((each) => Number(each.properties?.["adcode"]) === document.place);
  }
}

const MERCATOR = {
  project: ([lng, lat]: number[]): number[] => [
    lng ?? 0, (-180 / Math.PI) * Math.log(Math.tan(Math.PI / 4 + ((lat ?? 0) * Math.PI) / 360)),
  ],
  unproject: ([x, y]: number[]): number[] => [
    x ?? 0, (360 / Math.PI) * Math.atan(Math.exp(-((y ?? 0) * Math.PI) / 180)) - 90,
  ],
};
