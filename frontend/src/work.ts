import { setField } from "./fields";

interface Told {
  share?: number;
  number?: number | null;
}

/**
 * Does the work that the server asks for, in a worker, and sends the scan with it. Where that fails the button stays
 * that sends the scan without: a person then looks at the claim.
 */
export function work(form: HTMLFormElement): void {
  const task = JSON.parse(form.dataset["work"] ?? "{}") as Record<string, unknown>;
  const bar = form.querySelector("progress");
  const button = form.querySelector<HTMLButtonElement>("button[type=submit]");
  const without = form.querySelector<HTMLElement>("[data-without]");
  const fail = (): void => {
    if (without) {
      without.hidden = false;
    }
    if (bar) {
      bar.hidden = true;
    }
  };
  let solver: Worker;
  try {
    solver = new Worker(form.dataset["solver"] ?? "");
  } catch {
    fail();
    return;
  }
  if (without && bar) {
    without.hidden = true;
    bar.hidden = false;
  }
  form.querySelector("[data-lead]")?.removeAttribute("hidden");
  solver.addEventListener("error", fail);
  solver.addEventListener("message", (event: MessageEvent<Told>) => {
    const { share, number } = event.data;
    if (share !== undefined && bar) {
      bar.value = share;
    }
    if (number === undefined) {
      return;
    }
    solver.terminate();
    if (number === null) {
      fail();
      return;
    }
    const { algorithm, challenge, salt, signature } = task;
    setField(form, "without_proof", null);
    setField(form, "proof", btoa(JSON.stringify({ algorithm, challenge, number, salt, signature })));
    button?.click();
  });
  solver.postMessage(task);
}
