/** The map as a picture to hand on: title, map, legend, sources, approval number and time in one. */

export interface Caption {
  title: string;
  lines: string[];
  foot: string[];
  legends: { title: string; from: string[]; colours: string[] }[];
}

const EDGE = 24;
const LEGEND = 76;

export function compose(map: HTMLCanvasElement, caption: Caption, dark: boolean, scale: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const width = map.width / scale;
  const head = 64 + 20 * caption.lines.length;
  const foot = 20 + LEGEND * caption.legends.length + 18 * caption.foot.length;
  canvas.width = map.width;
  canvas.height = map.height + Math.ceil((head + foot) * scale);
  const pen = canvas.getContext("2d");
  if (pen === null) {
    throw new Error("This browser draws no pictures.");
  }
  pen.scale(scale, scale);
  const ink = dark ? "#e9ece9" : "#1c2320";
  const quiet = dark ? "#a3ada7" : "#57605b";
  const font = getComputedStyle(document.body).fontFamily;
  pen.fillStyle = dark ? "#121614" : "#ffffff";
  pen.fillRect(0, 0, width, canvas.height / scale);
  pen.textBaseline = "middle";
  const write = (text: string, x: number, y: number, colour: string, weight: string): void => {
    pen.fillStyle = colour;
    pen.font = `${weight} ${font}`;
    pen.fillText(text, x, y, width - x - EDGE);
  };
  write(caption.title, EDGE, 32, ink, "600 20px");
  caption.lines.forEach((line, i) => write(line, EDGE, 60 + 20 * i, quiet, "13px"));
  pen.drawImage(map, 0, head, width, map.height / scale);
  const below = head + map.height / scale;
  caption.legends.forEach((legend, row) => {
    const top = below + row * LEGEND;
    write(legend.title, EDGE, top + 24, ink, "600 13px");
    const step = Math.min(72, (width - 2 * EDGE) / Math.max(1, legend.from.length));
    legend.from.forEach((first, i) => {
      pen.fillStyle = legend.colours[i] ?? quiet;
      pen.fillRect(EDGE + i * step, top + 40, step, 12);
      write(first, EDGE + i * step, top + 64, quiet, "12px");
    });
  });
  const last = below + caption.legends.length * LEGEND;
  caption.foot.forEach((line, i) => write(line, EDGE, last + 20 + 18 * i, quiet, "12px"));
  return canvas;
}

/** Hands a picture to the browser's downloads. */
export function save(canvas: HTMLCanvasElement, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob === null) {
        reject(new Error("The picture is too large."));
        return;
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = name;
      document.body.append(link);
      link.click();
      link.remove();
      // The download reads it after the click.
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      resolve();
    }, "image/png");
  });
}
