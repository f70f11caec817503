import "./styles.css";
import { offerLocation } from "./location";
import { interceptScan } from "./scan";
import { groupTyped } from "./typed";

/** Gives the page as the server made it what JavaScript can add. Every page works without. */
function enhance(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-scan]");
  if (form !== null) {
    offerLocation(form);
    interceptScan(form);
  }
  const typed = document.querySelector<HTMLInputElement>("input#code");
  if (typed !== null) {
    groupTyped(typed);
  }
}

enhance();
