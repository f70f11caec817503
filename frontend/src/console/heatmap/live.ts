import { part, type Say, type Times } from "./config";

const EVERY_MS = 2_000;
const AGAIN_MS_MIN = 3_000;
const AGAIN_MS_MAX = 60_000;
/** The server beats every 15 s: a connection that is silent for longer is dead, whatever the browser thinks. */
const SILENT_MS_MAX = 45_000;

/**
 * Follows the server's events: tells when there is something new, at most every two seconds, and only while the page
 * is seen. Whoever comes back, be it after an hour, gets one look at how things are now.
 */
export class LiveMark {
  private stream: EventSource | undefined;
  private timer: number | undefined;
  private again: number | undefined;
  private silent: number | undefined;
  private wait_ms = AGAIN_MS_MIN;
  private last_ms = -EVERY_MS;
  private waiting = false;
  private as_of = "";
  private state: "connecting" | "live" | "reconnecting" | "ended" = "connecting";
  private readonly mark = part("live");
  private readonly words = part("live-text");

  constructor(
    private readonly path: string,
    private readonly say: Say,
    private readonly times: Times,
    private readonly changed: () => Promise<void>,
    private readonly ended: () => void,
  ) {
    this.mark.hidden = false;
    this.tell();
    document.addEventListener("visibilitychange", () => this.look());
    addEventListener("pageshow", () => this.look());
    addEventListener("online", () => this.connect());
    this.look();
  }

  /** The figures on the screen are of this moment, by the server's clock. */
  shown(as_of: string): void {
    if (as_of > this.as_of) {
      this.as_of = as_of;
    }
    this.tell();
  }

  end(): void {
    this.state = "ended";
    this.close();
    this.tell();
  }

  private look(): void {
    if (this.state === "ended") {
      return;
    }
    if (document.visibilityState === "visible") {
      if (this.stream === undefined) {
        this.connect();
      }
    } else {
      // A page that nobody sees holds no connection.
      this.close();
    }
  }

  private connect(): void {
    if (this.state === "ended" || document.visibilityState !== "visible") {
      return;
    }
    this.close();
    const stream = new EventSource(`${this.path}/live`);
    this.stream = stream;
    stream.addEventListener("hello", (event) => {
      this.state = "live";
      this.wait_ms = AGAIN_MS_MIN;
      const { as_of } = JSON.parse((event as MessageEvent<string>).data) as { as_of: string };
      if (this.as_of !== "" && as_of > this.as_of) {
        this.soon();
      }
      this.tell();
    });
    for (const kind of ["hello", "change", "beat"]) {
      stream.addEventListener(kind, () => this.alive());
    }
    this.alive();
    stream.addEventListener("change", () => this.soon());
    stream.addEventListener("full", () => this.later());
    stream.addEventListener("ended", () => this.ended());
    stream.addEventListener("error", () => {
      if (this.stream === stream) {
        this.later();
      }
    });
  }

  /** Connects anew after a while that grows; a closed connection tells nobody why. */
  private later(): void {
    this.close();
    this.state = "reconnecting";
    this.tell();
    // A stream does not tell why it was refused; a view does: whoever was signed out learns it from its answer.
    this.soon();
    this.again = window.setTimeout(() => this.connect(), this.wait_ms);
    this.wait_ms = Math.min(AGAIN_MS_MAX, this.wait_ms * 1.6);
  }

  private close(): void {
    this.stream?.close();
    this.stream = undefined;
    window.clearTimeout(this.again);
    window.clearTimeout(this.silent);
  }

  private alive(): void {
    window.clearTimeout(this.silent);
    this.silent = window.setTimeout(() => this.later(), SILENT_MS_MAX);
  }

  private soon(): void {
    if (this.waiting) {
      return;
    }
    this.waiting = true;
    const wait = Math.max(0, this.last_ms + EVERY_MS - performance.now());
    this.timer = window.setTimeout(() => {
      this.waiting = false;
      if (document.visibilityState === "visible") {
        this.last_ms = performance.now();
        void this.changed();
      } else {
        // Forgotten on purpose: the next connection's hello finds the figures older than the server's.
        window.clearTimeout(this.timer);
      }
    }, wait);
  }

  private tell(): void {
    this.mark.dataset["state"] = this.state;
    const time = this.as_of === "" ? "" : this.times.second(this.as_of);
    const key = { connecting: "connecting", live: "live", reconnecting: "reconnecting", ended: "signed_out" }[this.state];
    this.words.textContent = this.state === "live" && time === "" ? this.say("connecting") : this.say(key, { time });
  }
}
