import { part, type Say, type Times } from "./config";
import type { SeriesDocument } from "./figures";

const STEP_MS = 900;
const PLAY = "M8 5l11 7-11 7z";
const PAUSE = "M8 5v14M16 5v14";

/** The time slider: bars of what happened when, a range input over them, and a button that goes through the parts. */
export class Slider {
  step = 0;
  private document: SeriesDocument | undefined;
  private readonly input = part<HTMLInputElement>("step");
  private readonly output = part("step-text");
  private readonly bars = part("bars");
  private readonly button = part("play");
  private timer: number | undefined;

  constructor(
    private readonly say: Say,
    private readonly times: Times,
    private readonly number: (value: number) => string,
    /** Shows a part; resolves when it is on the screen. */
    private readonly chosen: (step: number, playing: boolean) => Promise<void>,
    prepare: () => void,
  ) {
    this.input.addEventListener("input", () => {
      this.stop();
      this.move(Number(this.input.value));
    });
    for (const hint of ["pointerenter", "focus"]) {
      this.input.addEventListener(hint, prepare);
      this.button.addEventListener(hint, prepare);
    }
    this.button.addEventListener("click", () => (this.playing ? this.stop() : this.play()));
    this.bars.addEventListener("click", (event) => {
      const found = [...this.bars.children].indexOf(event.target as Element);
      if (found >= 0) {
        this.stop();
        this.move(found + 1);
      }
    });
  }

  get playing(): boolean {
    return this.timer !== undefined;
  }

  show(document: SeriesDocument): void {
    this.document = document;
    const highest = Math.max(1, ...document.counts);
    this.bars.replaceChildren(
      ...document.counts.map((count) => {
        const bar = window.document.createElement("i");
        bar.style.height = count === 0 ? "0" : `max(2px, ${((100 * count) / highest).toFixed(1)}%)`;
        return bar;
      }),
    );
    this.input.max = String(document.counts.length);
    this.step = Math.min(this.step, document.counts.length);
    this.tell();
  }

  /** Sets the part without telling anybody, as a link does. */
  set(step: number): void {
    this.step = step;
    this.tell();
  }

  /** When the part chosen begins and ends, in words. */
  get stretch(): string {
    const bounds = this.document?.bounds;
    if (bounds === undefined) {
      return "";
    }
    const first = this.step === 0 ? 0 : this.step - 1;
    const end = this.step === 0 ? bounds.length - 1 : this.step;
    const [from, to] = this.times.stretch(bounds[first] ?? 0, bounds[end] ?? 0);
    return from === to ? from : this.say("part", { from, to });
  }

  stop(): void {
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.face();
  }

  private play(): void {
    const from = this.step >= Number(this.input.max) ? 0 : this.step;
    const next = async (step: number): Promise<void> => {
      this.step = step;
      this.tell();
      await this.chosen(step, true);
      if (this.playing) {
        if (step >= Number(this.input.max)) {
          this.stop();
          void this.chosen(step, false);
        } else {
          this.timer = window.setTimeout(() => void next(step + 1), STEP_MS);
        }
      }
    };
    this.timer = window.setTimeout(() => void next(from + 1), 0);
    this.face();
  }

  private move(step: number): void {
    this.step = step;
    this.tell();
    void this.chosen(step, false);
  }

  private face(): void {
    this.button.setAttribute("aria-pressed", String(this.playing));
    this.button.setAttribute("aria-label", this.say(this.playing ? "pause" : "play"));
    part("play-icon").setAttribute("d", this.playing ? PAUSE : PLAY);
  }

  private tell(): void {
    this.input.value = String(this.step);
    const count = this.document?.counts[this.step - 1];
    const stretch = this.stretch;
    const words = this.step === 0 ? this.say("whole") : stretch;
    this.output.textContent = words;
    this.input.setAttribute(
      "aria-valuetext",
      count === undefined ? words : this.say("part_count", { part: stretch, scans: this.number(count) }),
    );
    [...this.bars.children].forEach((bar, i) => bar.classList.toggle("on", this.step === 0 || i === this.step - 1));
  }
}
