import "./styles.css";
import { offerLocation } from "./location";
import { interceptScan } from "./scan";

/** Gives the page as the server made it what JavaScript can add. Every page works without. */
function enhance(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-scan]");
  if (form !== null) {
    offerLocation(form);
    interceptScan(form);
  }
}

enhance();
