import htmx from "htmx.org";

/** htmx for parts of pages that follow their filters; every request bears the session's mark. */
export function start(): void {
  document.body.addEventListener("htmx:config:request", (event) => {
    const request = (event as CustomEvent<{ ctx: { request: { headers: Record<string, string> } } }>).detail.ctx.request;
    request.headers["X-CSRF"] = document.body.dataset["csrf"] ?? "";
  });
  htmx.process(document.body);
}
