import { part, type Say } from "./config";
import type { PlacesDocument } from "./figures";

/** The ranking beside the map: a table with bars, its names leading down, the trail above it leading up. */
export class Ranking {
  private readonly box = part("ranking");
  private readonly rows = part("rows");
  private readonly trail = part("trail").querySelector("ol") as HTMLOListElement;

  constructor(
    private readonly say: Say,
    private readonly address: (place: number) => string,
    chosen: (place: number) => void,
  ) {
    this.box.addEventListener("click", (event) => {
      const link = event.target instanceof Element ? event.target.closest<HTMLElement>("a[data-place]") : null;
      if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) {
        return;
      }
      event.preventDefault();
      chosen(Number(link.dataset["place"]));
    });
  }

  show(document: PlacesDocument, number: (value: number) => string): void {
    const focused = (window.document.activeElement as HTMLElement | null)?.dataset["place"];
    const last = document.trail[document.trail.length - 1];
    part("ranking-title").textContent =
      last === undefined ? this.say("ranking") : this.say("ranking_of", { place: last[1] });
    const steps: [number, string][] = [[0, this.say("country")], ...document.trail];
    this.trail.replaceChildren(
      ...steps.map(([adcode, name], i) => {
        const item = window.document.createElement("li");
        item.append(i === steps.length - 1 ? here(name) : this.link(adcode, name));
        return item;
      }),
    );
    const highest = Math.max(1, ...document.rows.map(([, , placed, ip]) => placed + ip));
    const lines = document.rows.map(([adcode, name, placed, ip]) => {
      const head = document.level === "district" ? text(name) : this.link(adcode, name);
      const line = row(head, placed + ip, placed, ip, number);
      line.classList.toggle("here", last?.[0] === adcode);
      const bar = element("span", "bar");
      bar.setAttribute("aria-hidden", "true");
      const fill = element("i");
      fill.style.width = `${((100 * (placed + ip)) / highest).toFixed(1)}%`;
      bar.append(fill);
      line.firstElementChild?.append(bar);
      return line;
    });
    const rest: [string, number, number, number][] = [
      [this.say("undivided"), document.undivided_ip, 0, document.undivided_ip],
      [this.say("abroad"), document.unknown_placed, document.unknown_placed, 0],
      [this.say("unknown"), document.unknown, 0, 0],
    ];
    for (const [name, count, placed, ip] of rest) {
      if (count > 0) {
        const line = row(text(name), count, placed, ip, number);
        line.className = "rest";
        lines.push(line);
      }
    }
    if (document.total === 0) {
      const line = element("tr", "rest");
      const cell = element("td");
      cell.setAttribute("colspan", "4");
      cell.textContent = this.say("empty");
      line.append(cell);
      lines.push(line);
    }
    this.rows.replaceChildren(...lines);
    part("total").textContent = number(document.total);
    if (focused !== undefined) {
      // What had the keyboard's focus was replaced: it goes on where it was, or to the title's table.
      (this.box.querySelector<HTMLElement>(`a[data-place="${focused}"]`) ?? this.box.querySelector<HTMLElement>(".scroll"))?.focus({ preventScroll: true });
    }
  }

  private link(adcode: number, name: string): HTMLElement {
    const link = window.document.createElement("a");
    link.href = this.address(adcode);
    link.dataset["place"] = String(adcode);
    link.textContent = name;
    return link;
  }
}

function row(head: Node, count: number, placed: number, ip: number, number: (value: number) => string): HTMLElement {
  const line = element("tr");
  const name = element("th");
  name.setAttribute("scope", "row");
  name.append(head);
  line.append(name, ...[count, placed, ip].map((value) => {
    const cell = element("td", "number");
    cell.textContent = number(value);
    return cell;
  }));
  return line;
}

function here(name: string): HTMLElement {
  const found = element("span");
  found.setAttribute("aria-current", "location");
  found.textContent = name;
  return found;
}

function element(tag: string, name = ""): HTMLElement {
  const found = window.document.createElement(tag);
  found.className = name;
  return found;
}

function text(value: string): Text {
  return window.document.createTextNode(value);
}
