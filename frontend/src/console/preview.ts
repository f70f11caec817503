const WAIT_MS = 350;

/** Keeps the preview of what a form makes in step with it. Without this, a button does it. */
export function follow(form: HTMLFormElement): void {
  const frame = document.querySelector<HTMLIFrameElement>("[data-preview-frame]");
  const note = document.querySelector<HTMLElement>("[data-colour-note]");
  const address = form.dataset["preview"];
  if (frame === null || address === undefined) {
    return;
  }
  let timer = 0;
  let latest = 0;
  const show = async (): Promise<void> => {
    const mine = ++latest;
    const fields = new URLSearchParams();
    new FormData(form).forEach((value, name) => {
      if (typeof value === "string") {
        fields.append(name, value);
      }
    });
    const answer = await fetch(address, { method: "POST", body: fields });
    if (answer.redirected) {
      location.reload(); // the session has ended: the page leads to the sign-in
      return;
    }
    // Somebody who types fast gets answers out of order.
    if (!answer.ok || mine !== latest) {
      return;
    }
    const top = frame.contentWindow?.scrollY ?? 0;
    frame.onload = () => frame.contentWindow?.scrollTo(0, top);
    frame.srcdoc = await answer.text();
    if (note !== null) {
      note.textContent = decodeURIComponent(answer.headers.get("Yima-Colour-Note") ?? "");
    }
  };
  const soon = (): void => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void show(), WAIT_MS);
  };
  form.addEventListener("input", soon);
  // The choice of the page stands outside the form's element, though it belongs to it.
  document.querySelectorAll(`[form="${form.id}"]`).forEach((field) => field.addEventListener("input", soon));
  form.querySelector<HTMLInputElement>("[name=colour]")?.addEventListener("input", () => {
    const own = form.querySelector<HTMLInputElement>("[name=own_colour]");
    if (own !== null) {
      own.checked = true;
    }
  });
  document.querySelector<HTMLElement>("[data-preview-now]")?.setAttribute("hidden", "");
  if (!frame.hasAttribute("src")) {
    void show();
  }
}
