import { setField } from "./fields";
import { encode, post, setBusy, tell } from "./network";
import { show, swap } from "./show";

const KEPT = ["lat", "lng", "accuracy_m", "source"];

/**
 * Signs in without leaving the page: what it says of the code, and the place that was given, stay. The number and the
 * one-time code go to the same addresses as without JavaScript; only the part that asks changes.
 */
export function signInPlace(form: HTMLFormElement): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send(form);
  });
}

async function send(form: HTMLFormElement): Promise<void> {
  const box = form.closest<HTMLElement>("[data-claim]");
  if (form.dataset["sent"] !== undefined) {
    return;
  }
  form.dataset["sent"] = "";
  setBusy(form, true);
  const answer = await post(form.action, encode(form));
  delete form.dataset["sent"];
  setBusy(form, false);
  if (answer === null) {
    tell(form, "failed");
    return;
  }
  const fresh = answer.page.querySelector<HTMLElement>("[data-claim]");
  if (box !== null && fresh !== null) {
    carry(box, fresh);
    swap(box, fresh);
  } else if (answer.redirected) {
    window.location.assign(answer.url);
  } else {
    show(answer.page);
  }
}

/** The place that was given before goes with the scan that comes after. */
function carry(from: HTMLElement, to: HTMLElement): void {
  const target = to.querySelector<HTMLFormElement>("form[data-scan]");
  for (const name of KEPT) {
    const field = from.querySelector<HTMLInputElement>(`input[name="${name}"]`);
    if (target && field) {
      setField(target, name, field.value);
    }
  }
}
