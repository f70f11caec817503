import "./styles.css";
import { signInPlace } from "./inplace";
import { offerLocation } from "./location";
import { watchNetwork } from "./network";
import { interceptScan } from "./scan";
import { onShow } from "./show";
import { groupTyped } from "./typed";

/** Gives the page as the server made it what JavaScript can add. Every page works without. */
function enhance(within: ParentNode): void {
  within.querySelectorAll<HTMLFormElement>("form[data-inplace]").forEach(signInPlace);
  const form = within.querySelector<HTMLFormElement>("form[data-scan]");
  if (form !== null) {
    offerLocation(form);
    interceptScan(form);
    if (form.dataset["work"] !== undefined) {
      void import("./work").then(({ work }) => work(form));
    }
  }
  const typed = within.querySelector<HTMLInputElement>("input#code");
  if (typed !== null) {
    groupTyped(typed);
  }
}

onShow(enhance);
watchNetwork();
enhance(document);
