const PREFIX = "yima.scan/";
/** Longer than anybody waits, shorter than the server remembers the scan. */
const LIFE_MS = 86_400_000;

interface Pending {
  body: string;
  at: number;
}

/**
 * The scan that this tab has sent for a code and person and has no answer to. It outlives a reload, so that the same
 * scan goes out again and not a second one. Where the browser stores nothing, it lives as long as the page.
 */
export function pendingOf(key: string): string | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(PREFIX + key) ?? "null") as Pending | null;
    return kept !== null && Date.now() - kept.at < LIFE_MS ? kept.body : null;
  } catch {
    return null;
  }
}

/** Keeps a scan until it is answered; null once it is. */
export function setPending(key: string, body: string | null): void {
  try {
    if (body === null) {
      sessionStorage.removeItem(PREFIX + key);
    } else {
      sessionStorage.setItem(PREFIX + key, JSON.stringify({ body, at: Date.now() } satisfies Pending));
    }
  } catch {
    // Storage is switched off or full: the page itself still holds the scan.
  }
}
