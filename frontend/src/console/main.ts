import "./console.css";
import "./changes.css";
import "./readback.css";
import "./heatmap/heatmap.css";
import { keepMenu } from "./menu";

/** Gives the console's pages what JavaScript can add. Every page but the map works without. */
async function enhance(): Promise<void> {
  keepMenu();
  const tasks: Promise<void>[] = [];
  if (document.querySelector("[hx-get], [hx-post]") !== null) {
    tasks.push(import("./exchange").then((part) => part.start()));
  }
  if (document.querySelector("[data-chart]") !== null) {
    tasks.push(import("./charts").then((part) => part.drawAll()));
  }
  const territory = document.querySelector<HTMLFormElement>("form[data-territory]");
  if (territory !== null) {
    tasks.push(import("./territory").then((part) => part.grow(territory)));
  }
  const readback = document.querySelector<HTMLFormElement>("form[data-readback]");
  if (readback !== null) {
    tasks.push(import("./readback").then((part) => part.grow(readback)));
  }
  const upload = document.querySelector<HTMLFormElement>("form[data-upload]");
  if (upload !== null) {
    tasks.push(import("./upload").then((part) => part.follow(upload)));
  }
  const previewed = document.querySelector<HTMLFormElement>("form[data-preview]");
  if (previewed !== null) {
    tasks.push(import("./preview").then((part) => part.follow(previewed)));
  }
  if (document.querySelector("[data-heatmap]") !== null) {
    tasks.push(import("./heatmap/index").then((part) => part.start()));
  }
  await Promise.all(tasks);
}

void enhance();
