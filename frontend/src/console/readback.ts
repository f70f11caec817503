/** Lets photos be dropped, and shows how far they are; without this, the form does it alone. */
export function grow(form: HTMLFormElement): void {
  const drop = form.querySelector<HTMLElement>("[data-drop]");
  const input = form.querySelector<HTMLInputElement>("#files");
  const hint = form.querySelector<HTMLElement>(".drop-hint");
  if (drop === null || input === null) {
    return;
  }
  if (hint !== null && matchMedia("(pointer: fine)").matches) {
    hint.hidden = false;
  }
  const over = (event: DragEvent): void => {
    event.preventDefault();
    drop.classList.toggle("over", event.type === "dragover");
  };
  drop.addEventListener("dragover", over);
  drop.addEventListener("dragleave", over);
  drop.addEventListener("drop", (event) => {
    over(event);
    if (event.dataTransfer !== null && event.dataTransfer.files.length > 0) {
      input.files = event.dataTransfer.files;
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

function send(form: HTMLFormElement): void {
  const area = form.querySelector<HTMLElement>("[data-progress]");
  const text = form.querySelector<HTMLElement>("[data-progress-text]");
  const bar = form.querySelector<HTMLProgressElement>("progress");
  const button = form.querySelector<HTMLButtonElement>("button[type=submit]");
  if (area === null || text === null || bar === null || button === null) {
    form.submit();
    return;
  }
  const words = (name: string): string => form.dataset[name] ?? "";
  const data = new FormData(form);
  const bytes = data.getAll("files").reduce((sum, each) => sum + (each instanceof File ? each.size : 0), 0);
  if (bytes > Number(form.dataset["bytesMax"])) {
    area.hidden = false;
    bar.hidden = true;
    text.textContent = words("large"); // the server would hang up in the middle
    return;
  }
  bar.hidden = false;
  const request = new XMLHttpRequest();
  area.hidden = false;
  button.disabled = true;
  request.upload.addEventListener("progress", (event) => {
    const share = event.lengthComputable ? Math.floor((event.loaded / event.total) * 100) : 0;
    bar.value = share;
    text.textContent = words("sending").replace("{n}", String(share));
  });
  request.upload.addEventListener("load", () => {
    bar.removeAttribute("value");
    text.textContent = words("reading");
  });
  request.addEventListener("load", () => show(request.responseText, request.responseURL));
  request.addEventListener("error", () => {
    bar.value = 0;
    text.textContent = words("lost");
    button.disabled = false;
  });
  request.open("POST", form.action);
  request.send(data);
}

/** Puts the answer's page in place of this one; it is our own, made by the server. */
function show(html: string, address: string): void {
  const answer = new DOMParser().parseFromString(html, "text/html");
  const main = answer.querySelector("main");
  const own = document.querySelector("main");
  if (main === null || own === null || new URL(address).pathname !== location.pathname) {
    location.assign(address); // signed out meanwhile
    return;
  }
  document.title = answer.title;
  own.replaceWith(main);
  const form = main.querySelector<HTMLFormElement>("form[data-readback]");
  if (form !== null) {
    grow(form);
  }
  main.focus();
  scrollTo({ top: 0 });
}
