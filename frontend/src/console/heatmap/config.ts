/** What the server tells the page to begin with, and the words it speaks. */

export interface Files {
  china: string;
  world: string;
  districts: Record<string, string>;
}

export interface Ground {
  kind: "bundled" | "style" | "tiles" | "none";
  withheld: boolean;
  url: string;
  attribution: string;
  approval: string;
  files: Files | null;
}

export interface Config {
  path: string;
  language: "zh" | "en";
  theme: "auto" | "light" | "dark";
  brand: string;
  place: number;
  view: [number, number, number] | null;
  hexes: boolean;
  shades: boolean;
  step: number;
  ground: Ground;
  words: Record<string, string>;
}

export type Say = (key: string, values?: Record<string, string | number>) => string;

/** Gives the text of a key, its gaps filled; numbers are written the reader's way. */
export function speaker(config: Config): Say {
  const numbers = new Intl.NumberFormat(config.language === "zh" ? "zh-CN" : "en");
  return (key, values = {}) => {
    const text = config.words[key];
    if (text === undefined) {
      throw new Error(`There is no text ${key}.`);
    }
    return text.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name] ?? "";
      return typeof value === "number" ? numbers.format(value) : value;
    });
  };
}

/** The page's element of that mark; the template and the script belong together. */
export function part<E extends HTMLElement = HTMLElement>(name: string, within: ParentNode = document): E {
  const found = within.querySelector<E>(`[data-${name}]`);
  if (found === null) {
    throw new Error(`The page has no [data-${name}].`);
  }
  return found;
}

/** Times as people in China read them, whatever zone and time this computer believes in. */
export class Times {
  private readonly clock: Intl.DateTimeFormat;
  private readonly dayClock: Intl.DateTimeFormat;
  private readonly dayOnly: Intl.DateTimeFormat;

  constructor(language: "zh" | "en") {
    const locale = language === "zh" ? "zh-CN" : "en-GB";
    const zone = { timeZone: "Asia/Shanghai", hourCycle: "h23" as const };
    this.clock = new Intl.DateTimeFormat(locale, { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.dayClock = new Intl.DateTimeFormat(locale, {
      ...zone, month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
    });
    this.dayOnly = new Intl.DateTimeFormat(locale, { ...zone, year: "numeric", month: "short", day: "numeric" });
  }

  /** 12:03:05 */
  second(iso: string): string {
    return this.clock.format(new Date(iso));
  }

  /** 3 May, 14:00 */
  minute(epoch_s: number): string {
    return this.dayClock.format(new Date(epoch_s * 1000));
  }

  /** 3 May 2026; of the last day where a range ends at midnight. */
  day(epoch_s: number): string {
    return this.dayOnly.format(new Date(epoch_s * 1000));
  }

  /** A stretch of time: by the hour where it is shorter than a day, else by its days. */
  stretch(from_s: number, to_s: number): [string, string] {
    if ((to_s - from_s) % 86_400 === 0) {
      return [this.day(from_s), this.day(to_s - 1)];
    }
    return [this.minute(from_s), this.minute(to_s)];
  }
}
