/** The navigation: always open beside a wide page, folded above a narrow one. */
export function keepMenu(): void {
  const menu = document.querySelector<HTMLDetailsElement>("[data-menu]");
  if (menu === null) {
    return;
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (menu.open && event.target instanceof Node && !menu.contains(event.target)) {
      menu.open = false;
    }
  });
}
