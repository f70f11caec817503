import { part } from "./config";

/** What the colours of a layer stand for: each begins at a count. */
export interface Scale {
  title: string;
  from: number[];
  colours: string[];
}

/** The legend: a scale for each layer that is drawn. */
export function drawLegend(scales: Scale[], number: (value: number) => string): void {
  const box = part("legend");
  box.replaceChildren(
    ...scales.flatMap(({ title, from, colours }) => {
      const heading = document.createElement("b");
      heading.textContent = title;
      const steps = document.createElement("ol");
      from.forEach((first, i) => {
        const step = document.createElement("li");
        const colour = document.createElement("i");
        colour.style.background = colours[i] ?? "";
        const words = document.createElement("span");
        words.textContent = number(first) + (i === from.length - 1 ? "+" : "");
        step.append(colour, words);
        steps.append(step);
      });
      return [heading, steps];
    }),
  );
  box.hidden = scales.length === 0;
  box.setAttribute("aria-label", scales.map(({ title, from }) => `${title}: ${from.map(number).join(", ")}`).join("; "));
}
