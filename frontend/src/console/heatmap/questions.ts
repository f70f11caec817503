import { part, type Say } from "./config";

/** The filters' form: what it asks as a query string, and a call whenever that changes. */
export class Questions {
  private readonly form = part<HTMLFormElement>("questions");

  constructor(private readonly say: Say, changed: () => void) {
    part("apply").hidden = true;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", (event) => {
      if ((event.target as HTMLElement).dataset["find"] === undefined) {
        this.tidy();
        changed();
      }
    });
    for (const find of this.form.querySelectorAll<HTMLInputElement>("[data-find]")) {
      find.hidden = false;
      find.addEventListener("input", () => narrow(find));
    }
    for (const pick of document.querySelectorAll<HTMLDetailsElement>("[data-pick]")) {
      fold(pick);
    }
    this.tidy();
  }

  /** The filters as the server reads them, defaults left out. */
  get query(): URLSearchParams {
    const found = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) {
      const text = String(value);
      const plain = name === "layer" && text === "scans";
      const date = name === "from" || name === "to";
      if (text !== "" && name !== "place" && !plain && !(date && this.range !== "custom")) {
        found.append(name, text);
      }
    }
    return found;
  }

  get range(): string {
    return this.form.querySelector<HTMLInputElement>("[name=range]:checked")?.value ?? "";
  }

  /** What is shown, in words: of the layer and of the choices. */
  get words(): { layer: string; choices: string[] } {
    const layer = this.form.querySelector<HTMLInputElement>("[name=layer]:checked");
    const chosen = this.form.querySelectorAll<HTMLInputElement>("input[type=checkbox]:checked");
    return { layer: nameOf(layer), choices: [...chosen].map(nameOf) };
  }

  private tidy(): void {
    part("dates").hidden = this.range !== "custom";
    for (const pick of this.form.querySelectorAll<HTMLDetailsElement>("[data-pick]")) {
      const count = pick.querySelectorAll("input[type=checkbox]:checked").length;
      const mark = part("count", pick);
      mark.textContent = count === 0 ? "" : String(count);
      mark.title = count === 0 ? "" : this.say("chosen", { n: count });
    }
  }
}

function nameOf(input: HTMLInputElement | null): string {
  return input?.closest("label")?.querySelector("span")?.textContent?.trim() ?? "";
}

function narrow(find: HTMLInputElement): void {
  const wanted = find.value.trim().toLowerCase();
  for (const option of find.parentElement?.querySelectorAll<HTMLElement>(".options label") ?? []) {
    option.hidden = !(option.textContent ?? "").toLowerCase().includes(wanted);
  }
}

/** A folded list closes when one looks elsewhere, and gives the focus back on Escape. */
function fold(pick: HTMLDetailsElement): void {
  document.addEventListener("click", (event) => {
    if (pick.open && event.target instanceof Node && !pick.contains(event.target)) {
      pick.open = false;
    }
  });
  pick.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && pick.open) {
      pick.open = false;
      pick.querySelector("summary")?.focus();
      event.stopPropagation();
    }
  });
  pick.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !pick.contains(event.relatedTarget)) {
      pick.open = false;
    }
  });
}
