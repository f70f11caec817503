/** The figures behind the map: fetched from our server, and from nowhere if nothing has changed. */

export interface CellsDocument {
  r: number;
  asked: number;
  cells: number[];
  parts: (number[] | [number[], number[]])[];
  bounds: number[];
  total: number;
  hidden: [number, number];
  as_of: string;
}

export interface PlacesDocument {
  place: number;
  level: "province" | "city" | "district";
  trail: [number, string][];
  rows: [number, string, number, number][];
  undivided_ip: number;
  unknown_placed: number;
  unknown: number;
  total: number;
  as_of: string;
}

export interface SeriesDocument {
  bounds: number[];
  counts: number[];
  as_of: string;
}

/** The server understood and would not: the sentence is for the person. */
export class Refused extends Error {}

/** The session has ended. */
export class SignedOut extends Error {}

interface Kept {
  mark: string;
  document: unknown;
}

const KEPT_MAX = 24;

export class Figures {
  private readonly kept = new Map<string, Kept>();
  /** How many answers were new, and how many the same as before. */
  asked = { anew: 0, same: 0 };

  constructor(private readonly path: string) {}

  /** The answer to a question; `changed` is false where it is the one given before. */
  async get<T extends { as_of: string }>(
    what: string,
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<{ document: T; as_of: string }> {
    const address = `${this.path}/${what}?${query.toString()}`;
    const before = this.kept.get(address);
    const headers: Record<string, string> = { Accept: "application/json" };
    if (before !== undefined) {
      headers["If-None-Match"] = before.mark;
    }
    const response = await fetch(address, { headers, signal, cache: "no-store" });
    if (response.status === 304 && before !== undefined) {
      this.asked.same += 1;
      const document = before.document as T;
      return { document, as_of: response.headers.get("As-Of") ?? document.as_of };
    }
    if (response.status === 401) {
      throw new SignedOut();
    }
    const isJson = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
    if (response.status >= 400 && response.status < 500 && isJson) {
      throw new Refused(((await response.json()) as { error: string }).error);
    }
    if (!response.ok || !isJson) {
      throw new Error(`The server answered ${response.status}.`);
    }
    const document = (await response.json()) as T;
    this.asked.anew += 1;
    const mark = response.headers.get("ETag");
    if (mark !== null) {
      this.kept.delete(address);
      this.kept.set(address, { mark, document });
      const oldest = this.kept.keys().next().value;
      if (this.kept.size > KEPT_MAX && oldest !== undefined) {
        this.kept.delete(oldest);
      }
    }
    return { document, as_of: document.as_of };
  }
}

/** Cells of a view as the map works with them: shortened cells, and counts of each part. */
export class CellView {
  readonly cells: Float64Array;
  private readonly columns: Uint32Array[];
  private readonly whole: Uint32Array;

  constructor(readonly document: CellsDocument) {
    this.cells = sums(document.cells);
    this.columns = document.parts.map((given) => this.column(given));
    this.whole = new Uint32Array(this.cells.length);
    for (const column of this.columns) {
      column.forEach((count, i) => (this.whole[i] = (this.whole[i] ?? 0) + count));
    }
  }

  get resolution(): number {
    return this.document.r;
  }

  /** Counts of a part counted from 1; of all together for 0. */
  counts(step: number): Uint32Array {
    return (step === 0 ? undefined : this.columns[step - 1]) ?? this.whole;
  }

  /** The highest counts of the view, over its parts or as a whole: what the colours are spread over. */
  spread(stepped: boolean): Uint32Array {
    if (!stepped || this.columns.length < 2) {
      return this.whole;
    }
    const highest = new Uint32Array(this.cells.length);
    for (const column of this.columns) {
      column.forEach((count, i) => (highest[i] = Math.max(highest[i] ?? 0, count)));
    }
    return highest;
  }

  private column(given: number[] | [number[], number[]]): Uint32Array {
    const column = new Uint32Array(this.cells.length);
    if (this.document.parts.length === 1) {
      column.set(given as number[]);
      return column;
    }
    const [steps, counts] = given as [number[], number[]];
    sums(steps).forEach((place, i) => (column[place] = counts[i] ?? 0));
    return column;
  }
}

function sums(steps: number[]): Float64Array {
  const found = new Float64Array(steps.length);
  let sum = 0;
  steps.forEach((step, i) => {
    sum += step;
    found[i] = sum;
  });
  return found;
}
