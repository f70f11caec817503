/** Sends a form with a large file and shows how far it is; without this the browser sends it all the same. */
export function follow(form: HTMLFormElement): void {
  const bar = form.querySelector<HTMLProgressElement>("[data-upload-bar]");
  const status = form.querySelector<HTMLElement>("[data-upload-status]");
  const button = form.querySelector<HTMLButtonElement>("button[type=submit]");
  if (bar === null || status === null || button === null) {
    return;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    const tell = (text: string): void => {
      status.hidden = false;
      status.textContent = text;
    };
    request.upload.addEventListener("progress", (sent) => {
      const done = sent.lengthComputable ? Math.floor((100 * sent.loaded) / sent.total) : 0;
      bar.hidden = false;
      bar.value = done;
      tell((form.dataset["uploading"] ?? "").replace("{done}", String(done)));
    });
    request.addEventListener("load", () => show(request));
    request.addEventListener("error", () => {
      tell(form.dataset["failed"] ?? "");
      bar.hidden = true;
      button.disabled = false;
    });
    request.open("POST", form.action);
    request.send(new FormData(form));
    button.disabled = true;
  });
}

/** Goes where the answer led, or shows the form again with what was refused. */
function show(request: XMLHttpRequest): void {
  if (request.status < 400) {
    window.location.assign(request.responseURL);
    return;
  }
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const main = page.querySelector("main");
  const here = document.querySelector("main");
  if (main === null || here === null) {
    window.location.reload();
    return;
  }
  here.replaceWith(main);
  window.scrollTo(0, 0);
  const form = main.querySelector<HTMLFormElement>("form[data-upload]");
  if (form !== null) {
    follow(form);
  }
}
