/**
 * Turns the prize cards over. The server has decided long before; for those who prefer reduced motion the
 * style sheet shows the cards at once.
 */
export function reveal(main: HTMLElement): void {
  for (const card of main.querySelectorAll<HTMLElement>("[data-prize]")) {
    card.classList.add("turning");
    card.addEventListener("animationend", () => card.classList.remove("turning"), { once: true });
  }
}
