const WAIT_MS = 300;

/** Gives the tree of regions what a script can add: whole and part in step, search, and a map that follows. */
export function grow(form: HTMLFormElement): void {
  const tree = form.querySelector<HTMLElement>("[data-tree]");
  const area = form.querySelector<HTMLElement>("[data-area]");
  if (tree === null || area === null) {
    return;
  }
  tree.querySelectorAll<HTMLInputElement>("input:checked").forEach((box) => spread(box));
  settle(tree);
  let timer = 0;
  let latest = 0;
  const show = async (): Promise<void> => {
    const mine = ++latest;
    const answer = await fetch(form.dataset["territory"] ?? "", { method: "POST", body: fields(form) });
    if (answer.redirected) {
      location.reload(); // the session has ended: the page leads to the sign-in
      return;
    }
    // Somebody who ticks fast gets answers out of order.
    if (answer.ok && mine === latest) {
      area.innerHTML = await answer.text();
    }
  };
  tree.addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement) {
      spread(event.target);
      settle(tree);
      window.clearTimeout(timer);
      timer = window.setTimeout(() => void show(), WAIT_MS);
    }
  });
  // A whole says its parts: the form's fields stay few.
  form.addEventListener("formdata", (event) => {
    event.formData.delete("adcode");
    wholes(tree).forEach((adcode) => event.formData.append("adcode", adcode));
  });
  form.querySelector<HTMLElement>("[data-show]")?.setAttribute("hidden", "");
  search(form, tree);
}

function fields(form: HTMLFormElement): URLSearchParams {
  const found = new URLSearchParams();
  new FormData(form).forEach((value, name) => {
    if (typeof value === "string") {
      found.append(name, value);
    }
  });
  return found;
}

function spread(box: HTMLInputElement): void {
  box.indeterminate = false;
  box.closest("li")?.querySelectorAll<HTMLInputElement>("li input").forEach((part) => {
    part.checked = box.checked;
    part.indeterminate = false;
  });
}

/** Sets each region that has parts by its parts, the innermost first. */
function settle(tree: HTMLElement): void {
  for (const list of [...tree.querySelectorAll("details > ul")].reverse()) {
    const parts = [...list.querySelectorAll<HTMLInputElement>(":scope > li > label > input")];
    const own = list.parentElement?.parentElement?.querySelector<HTMLInputElement>(":scope > label > input");
    if (own) {
      own.checked = parts.every((part) => part.checked);
      own.indeterminate = !own.checked && parts.some((part) => part.checked || part.indeterminate);
    }
  }
}

function wholes(list: Element): string[] {
  return [...list.querySelectorAll<HTMLElement>(":scope > li")].flatMap((item) => {
    const box = item.querySelector<HTMLInputElement>(":scope > label > input");
    const below = item.querySelector(":scope > details > ul");
    return box?.checked === true ? [box.value] : below === null ? [] : wholes(below);
  });
}

function search(form: HTMLFormElement, tree: HTMLElement): void {
  const field = form.querySelector<HTMLElement>("[data-tree-search]");
  const input = field?.querySelector<HTMLInputElement>("input");
  if (!field || !input) {
    return;
  }
  field.hidden = false;
  const items = [...tree.querySelectorAll<HTMLElement>("li")];
  const names = new Map(items.map((item) => [item, item.querySelector("label")?.textContent?.toLowerCase() ?? ""]));
  const opened = new Set([...tree.querySelectorAll("details")].filter((each) => each.open));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
    }
  });
  input.addEventListener("input", () => {
    const words = input.value.trim().toLowerCase();
    const shown = new Set<Element>();
    for (const item of words === "" ? [] : items) {
      if (names.get(item)?.includes(words)) {
        item.querySelectorAll("li").forEach((part) => shown.add(part));
        for (let at: Element | null = item; at !== null && at !== tree; at = at.parentElement) {
          shown.add(at);
        }
      }
    }
    items.forEach((item) => (item.hidden = words !== "" && !shown.has(item)));
    tree.querySelectorAll("details").forEach((each) => {
      each.open = words === "" ? opened.has(each) : shown.has(each);
    });
  });
}
