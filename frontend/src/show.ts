import { reveal } from "./reveal";

let enhance: (within: ParentNode) => void = () => undefined;

/** Whatever comes into the page later gets what the page got when it was loaded. */
export function onShow(each: (within: ParentNode) => void): void {
  enhance = each;
}

/** Puts a whole answer in place of the page's content. */
export function show(page: Document): void {
  const main = page.querySelector("main");
  if (main === null) {
    return;
  }
  document.title = page.title;
  document.querySelector("main")?.replaceWith(document.adoptNode(main));
  window.scrollTo(0, 0);
  enhance(main);
  // A screen reader goes on from the new heading, and hears the sentence below it.
  main.querySelector<HTMLElement>("h1")?.focus();
  announce(main.querySelector(".verdict p")?.textContent ?? "");
  reveal(main);
}

/** Puts a part of an answer in place of a part of the page; the rest stays as it is. */
export function swap(old: HTMLElement, fresh: HTMLElement): void {
  old.replaceWith(document.adoptNode(fresh));
  enhance(fresh);
  for (const next of ["[autofocus]", "[data-scan] button[type=submit]", "h1"]) {
    const found = fresh.querySelector<HTMLElement>(next);
    if (found) {
      found.focus();
      break;
    }
  }
  announce(fresh.querySelector(".error, h1, h2")?.textContent ?? "");
}

function announce(words: string): void {
  const live = document.querySelector("[data-live]");
  if (live) {
    live.textContent = words;
  }
}
