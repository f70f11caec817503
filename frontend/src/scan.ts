import { setField } from "./fields";
import { encode, parse, post, setBusy, tell, waitForNetwork } from "./network";
import { pendingOf, setPending } from "./pending";
import { show } from "./show";

/** Waits between attempts. Sixteen seconds is the longest that feels like trying. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 16_000];
/** The page token lives five minutes; an older page asks for a new one before it scans. */
const FRESH_MS = 240_000;

/**
 * Sends the scan without leaving the page, and again while the network fails: always the same body with the
 * same scan id, which the server answers once. A scan that a reload left without its answer goes out again by itself.
 */
export function interceptScan(form: HTMLFormElement): void {
  const loadedAt = Date.now();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin(form, loadedAt);
  });
  const left = pendingOf(keyOf(form));
  if (left !== null) {
    form.dataset["body"] = left;
    tell(form, "resumed");
    begin(form, loadedAt);
  }
}

function begin(form: HTMLFormElement, loadedAt: number): void {
  if (form.dataset["sent"] === undefined) {
    form.dataset["sent"] = "";
    void send(form, loadedAt);
  }
}

async function send(form: HTMLFormElement, loadedAt: number): Promise<void> {
  setBusy(form, true);
  if (Date.now() - loadedAt > FRESH_MS && form.dataset["body"] === undefined) {
    await refreshToken(form);
  }
  // Kept for good: a scan whose answer was lost may have been counted, so it must never change.
  const body = (form.dataset["body"] ??= encode(form));
  setPending(keyOf(form), body);
  for (let attempt = 0; form.isConnected; attempt += 1) {
    const answer = await post(form.action, body);
    if (answer !== null) {
      setPending(keyOf(form), null);
      show(answer.page);
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
  setBusy(form, false);
  // Nobody has to tap again: the phone knows when there is a network.
  await waitForNetwork(null);
  if (form.isConnected) {
    begin(form, loadedAt);
  }
}

/** One scan of one code by one person. */
function keyOf(form: HTMLFormElement): string {
  const code = form.querySelector<HTMLInputElement>("input[name=code]")?.value ?? "";
  return `${code}/${form.dataset["who"] ?? ""}`;
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
