import { BarChart, LineChart, PieChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsType } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, LineChart, PieChart, GridComponent, LegendComponent, TooltipComponent, SVGRenderer]);

type Plain = Record<string, unknown>;

/** Draws every chart of the page from its `data-chart`, in the page's colours, and again when those change. */
export function drawAll(): void {
  const plots = [...document.querySelectorAll<HTMLElement>("[data-chart]")];
  const drawn = new Map<HTMLElement, EChartsType>();
  const draw = (plot: HTMLElement): void => {
    drawn.get(plot)?.dispose();
    const chart = init(plot, null, { renderer: "svg" });
    chart.setOption(dress(JSON.parse(plot.dataset["chart"] ?? "{}") as Plain, plot.clientWidth));
    undress(plot);
    drawn.set(plot, chart);
  };
  plots.forEach(draw);
  const sizes = new ResizeObserver((entries) => {
    for (const entry of entries) {
      drawn.get(entry.target as HTMLElement)?.resize();
    }
  });
  plots.forEach((plot) => sizes.observe(plot));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach(draw));
}

/** Keeps the strokes that the style sheet gives to icons off the chart's drawing. */
function undress(plot: HTMLElement): void {
  const drawing = plot.querySelector("svg");
  if (drawing !== null) {
    Object.assign(drawing.style, { stroke: "none", strokeWidth: "1", strokeLinecap: "butt", strokeLinejoin: "miter" });
  }
}

/** The page's colour of that name, resolved. */
export function colour(name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function dress(option: Plain, widthPx: number): Plain {
  const quiet = colour("quiet");
  const line = colour("line");
  const axis = {
    axisLabel: { color: quiet, fontSize: 12, hideOverlap: true, width: widthPx * 0.36, overflow: "truncate" },
    splitNumber: widthPx < 480 ? 3 : 5,
    axisLine: { lineStyle: { color: line } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: line } },
  };
  const style = getComputedStyle(document.body);
  const single = !Array.isArray(option["series"]) || option["series"].length < 2;
  return {
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    color: ["c1", "c2", "c3", "c4", "c5", "c6"].map(colour),
    textStyle: { fontFamily: style.fontFamily, color: colour("ink") },
    grid: { left: 8, right: 16, top: single ? 8 : 32, bottom: 4, containLabel: true },
    legend: { show: !single, type: "scroll", top: 0, left: 0, icon: "roundRect", itemWidth: 10, itemHeight: 10, textStyle: { color: quiet } },
    tooltip: {
      trigger: "axis",
      confine: true,
      backgroundColor: colour("card"),
      borderColor: line,
      textStyle: { color: colour("ink"), fontSize: 13 },
    },
    ...option,
    ...dressAxis(option, "xAxis", axis),
    ...dressAxis(option, "yAxis", axis),
  };
}

function dressAxis(option: Plain, name: string, axis: Plain): Plain {
  const given = option[name];
  return given === undefined ? {} : { [name]: { ...axis, ...(given as Plain) } };
}
