const ATTEMPT_MS_MAX = 15_000;

/** A page as the server answered, and where it was found after redirects. */
export interface Answer {
  page: Document;
  url: string;
  redirected: boolean;
}

/** Sends a form's fields. Null where asking again is right: no network, a time-out, a server out of order. */
export async function post(url: string, body: string): Promise<Answer | null> {
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
    return page?.querySelector("main") ? { page, url: answer.url, redirected: answer.redirected } : null;
  } catch {
    // Network failure or timeout: the caller tells the person and tries again.
    return null;
  } finally {
    window.clearTimeout(timer);
  }
}

export function parse(html: string): Document {
  return new DOMParser().parseFromString(html, "text/html");
}

export function encode(form: HTMLFormElement): string {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string") {
      fields.append(name, value);
    }
  }
  return fields.toString();
}

/** Waits until the phone says that it is online, or at most so long. */
export function waitForNetwork(pause: number | null): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      window.clearTimeout(timer);
      window.removeEventListener("online", done);
      resolve();
    };
    const timer = pause === null ? undefined : window.setTimeout(done, pause);
    window.addEventListener("online", done);
  });
}

/** Tells in a form's notice what is the matter; its words come with the form. */
export function tell(form: HTMLFormElement, word: string): void {
  const notice = form.querySelector<HTMLElement>("[data-notice]");
  if (notice) {
    notice.hidden = false;
    notice.textContent = form.dataset[word] ?? "";
  }
}

export function setBusy(form: HTMLFormElement, busy: boolean): void {
  const button = form.querySelector<HTMLButtonElement>("button[type=submit]");
  if (button) {
    button.disabled = busy;
    button.setAttribute("aria-busy", String(busy));
  }
}

/** Says on top of the page that the phone is offline, for as long as it is. */
export function watchNetwork(): void {
  const notice = document.querySelector<HTMLElement>("[data-offline]");
  const look = (): void => {
    if (notice) {
      notice.hidden = navigator.onLine;
      notice.textContent = navigator.onLine ? "" : (notice.dataset["offline"] ?? "");
    }
  };
  window.addEventListener("offline", look);
  window.addEventListener("online", look);
  look();
}
