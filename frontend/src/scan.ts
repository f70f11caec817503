import { setField } from "./fields";
import { reveal } from "./reveal";

const ATTEMPT_MS_MAX = 15_000;
/** Waits between attempts. Sixteen seconds is the longest that feels like trying. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 16_000];
/** The page token lives five minutes; an older page asks for a new one before it scans. */
const FRESH_MS = 240_000;

/**
 * Sends the scan without leaving the page, and again while the network fails: always the same body with the
 * same scan id, which the server answers once.
 */
export function interceptScan(form: HTMLFormElement): void {
  const loadedAt = Date.now();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.dataset["sent"] === undefined) {
      form.dataset["sent"] = "";
      void send(form, loadedAt);
    }
  });
}

async function send(form: HTMLFormElement, loadedAt: number): Promise<void> {
  const button = form.querySelector<HTMLButtonElement>("button[type=submit]");
  setBusy(button, true);
  if (Date.now() - loadedAt > FRESH_MS && form.dataset["body"] === undefined) {
    await refreshToken(form);
  }
  // Kept for good: a scan whose answer was lost may have been counted, so it must never change.
  const body = (form.dataset["body"] ??= encode(form));
  for (let attempt = 0; ; attempt += 1) {
    const page = await post(form.action, body);
    if (page !== null) {
      show(page);
      return;
    }
    const pause = PAUSES_MS[attempt];
    if (pause === undefined) {
      break;
    }
    tell(form, "retrying");
    await waitForNetwork(pause);
  }
  tell(form, "failed");
  delete form.dataset["sent"];
  setBusy(button, false);
}

function encode(form: HTMLFormElement): string {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string") {
      fields.append(name, value);
    }
  }
  return fields.toString();
}

/** Gives the page that answers, or null where asking again is right. */
async function post(url: string, body: string): Promise<Document | null> {
  const stop = new AbortController();
  const timer = window.setTimeout(() => stop.abort(), ATTEMPT_MS_MAX);
  try {
    const answer = await fetch(url, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "text/html" },
      signal: stop.signal,
    });
    const page = answer.status >= 500 ? null : parse(await answer.text());
    return page?.querySelector("main") ? page : null;
  } catch {
    // Network failure or timeout: the caller tells the person and tries again.
    return null;
  } finally {
    window.clearTimeout(timer);
  }
}

async function refreshToken(form: HTMLFormElement): Promise<void> {
  try {
    const answer = await fetch(window.location.href, { headers: { Accept: "text/html" } });
    const fresh = parse(await answer.text()).querySelector("form[data-scan]");
    for (const name of ["page_token", "scan_id"]) {
      const field = fresh?.querySelector<HTMLInputElement>(`input[name="${name}"]`);
      if (field) {
        setField(form, name, field.value);
      }
    }
  } catch {
    // Offline: the scan goes out with the old token, and the server says what it thinks of it.
  }
}

function parse(html: string): Document {
  return new DOMParser().parseFromString(html, "text/html");
}

function show(page: Document): void {
  const main = page.querySelector("main");
  if (main === null) {
    return;
  }
  document.title = page.title;
  document.querySelector("main")?.replaceWith(document.adoptNode(main));
  window.scrollTo(0, 0);
  // A screen reader goes on from the new heading.
  main.querySelector<HTMLElement>("h1")?.focus();
  reveal(main);
}

function tell(form: HTMLFormElement, word: "retrying" | "failed"): void {
  const notice = form.querySelector<HTMLElement>("[data-notice]");
  if (notice) {
    notice.hidden = false;
    notice.textContent = form.dataset[word] ?? "";
  }
}

function setBusy(button: HTMLButtonElement | null, busy: boolean): void {
  if (button) {
    button.disabled = busy;
    button.setAttribute("aria-busy", String(busy));
  }
}

/** Waits, but not longer than until the phone says that it is back online. */
function waitForNetwork(pause: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      window.clearTimeout(timer);
      window.removeEventListener("online", done);
      resolve();
    };
    const timer = window.setTimeout(done, pause);
    window.addEventListener("online", done);
  });
}
