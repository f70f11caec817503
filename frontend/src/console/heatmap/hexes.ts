import type { CustomLayerInterface, CustomRenderMethodInput, Map as Atlas } from "maplibre-gl";
import { outline } from "./cells";
import { classOf, rgb } from "./palette";

/**
 * The hexagons as a layer that draws triangles itself. Cells go to the graphics card once; another part of the
 * slider is only another set of colours, and no hexagon is too small for it, as it would be for tiled GeoJSON.
 */
const VERTEX = `#version 300 es
uniform mat4 u_matrix;
in vec2 a_at;
in vec4 a_colour;
out vec4 v_colour;
void main() {
  v_colour = a_colour;
  gl_Position = u_matrix * vec4(a_at, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
uniform float u_opacity;
in vec4 v_colour;
out vec4 colour;
void main() {
  float alpha = v_colour.a * u_opacity;
  if (alpha == 0.0) { discard; }
  colour = vec4(v_colour.rgb * alpha, alpha);
}`;

const OUTLINES_MAX = 60_000;

interface Painter {
  gl: WebGL2RenderingContext;
  program: WebGLProgram;
  shape: WebGLVertexArrayObject;
  at: WebGLBuffer;
  colour: WebGLBuffer;
  triangles: WebGLBuffer;
  matrix: WebGLUniformLocation | null;
  opacity: WebGLUniformLocation | null;
}

export class Hexes implements CustomLayerInterface {
  readonly id = "hexes";
  readonly type = "custom" as const;
  readonly renderingMode = "2d" as const;
  opacity = 0.86;

  private atlas: Atlas | undefined;
  private painter: Painter | undefined;
  private readonly outlines = new Map<number, Float64Array>();
  private outlinesOf = -1;
  private cells: ArrayLike<number> & Iterable<number> = [];
  private starts = new Uint32Array(1);
  private corners = new Float32Array(0);
  private colours = new Uint8Array(0);
  private order = new Uint32Array(0);
  private origin: [number, number] = [0, 0];
  private stale = { shapes: true, colours: true };

  onAdd(atlas: Atlas, gl: WebGLRenderingContext | WebGL2RenderingContext): void {
    this.atlas = atlas;
    this.painter = prepare(gl as WebGL2RenderingContext);
    this.stale = { shapes: true, colours: true };
  }

  onRemove(): void {
    this.painter = undefined;
  }

  /** Shows these shortened cells of a resolution. */
  setCells(cells: Float64Array, resolution: number): void {
    if (resolution !== this.outlinesOf || this.outlines.size > OUTLINES_MAX) {
      this.outlines.clear();
      this.outlinesOf = resolution;
    }
    const shapes: Float64Array[] = [];
    let corners = 0;
    for (const cell of cells) {
      let shape = this.outlines.get(cell);
      if (shape === undefined) {
        shape = outline(cell, resolution);
        this.outlines.set(cell, shape);
      }
      shapes.push(shape);
      corners += shape.length / 2;
    }
    this.cells = cells;
    this.starts = new Uint32Array(cells.length + 1);
    this.corners = new Float32Array(corners * 2);
    this.colours = new Uint8Array(corners * 4);
    this.order = new Uint32Array((corners - 2 * cells.length) * 3);
    // 32 bits tell places apart to 2 m around the world; measured from the first cell they do to millimetres.
    this.origin = [shapes[0]?.[0] ?? 0, shapes[0]?.[1] ?? 0];
    let next = 0;
    let triangle = 0;
    shapes.forEach((shape, i) => {
      this.starts[i] = next;
      const count = shape.length / 2;
      for (let k = 0; k < count; k += 1) {
        this.corners[2 * (next + k)] = (shape[2 * k] as number) - this.origin[0];
        this.corners[2 * (next + k) + 1] = (shape[2 * k + 1] as number) - this.origin[1];
      }
      for (let k = 1; k < count - 1; k += 1) {
        this.order[triangle] = next;
        this.order[triangle + 1] = next + k;
        this.order[triangle + 2] = next + k + 1;
        triangle += 3;
      }
      next += count;
    });
    this.starts[cells.length] = next;
    this.stale.shapes = true;
  }

  /** Colours the cells by their counts. */
  setCounts(counts: Uint32Array, from: number[], colours: string[]): void {
    const shades = colours.map(rgb);
    for (let i = 0; i < this.cells.length; i += 1) {
      const shade = shades[classOf(counts[i] ?? 0, from)];
      const end = 4 * (this.starts[i + 1] as number);
      for (let k = 4 * (this.starts[i] as number); k < end; k += 4) {
        this.colours[k] = shade?.[0] ?? 0;
        this.colours[k + 1] = shade?.[1] ?? 0;
        this.colours[k + 2] = shade?.[2] ?? 0;
        this.colours[k + 3] = shade === undefined ? 0 : 255;
      }
    }
    this.stale.colours = true;
    this.atlas?.triggerRepaint();
  }

  render(_: WebGLRenderingContext | WebGL2RenderingContext, input: CustomRenderMethodInput): void {
    const painter = this.painter;
    if (painter === undefined || this.cells.length === 0 || this.atlas === undefined) {
      return;
    }
    const { gl } = painter;
    gl.bindVertexArray(painter.shape);
    if (this.stale.shapes) {
      load(gl, gl.ARRAY_BUFFER, painter.at, this.corners);
      load(gl, gl.ELEMENT_ARRAY_BUFFER, painter.triangles, this.order);
    }
    if (this.stale.shapes || this.stale.colours) {
      load(gl, gl.ARRAY_BUFFER, painter.colour, this.colours);
    }
    this.stale = { shapes: false, colours: false };
    gl.useProgram(painter.program);
    gl.uniform1f(painter.opacity, this.opacity);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    gl.disable(gl.CULL_FACE);
    const bounds = this.atlas.getBounds();
    const first = Math.floor((bounds.getWest() + 180) / 360) - 1;
    const last = Math.floor((bounds.getEast() + 180) / 360);
    for (let world = first; world <= last; world += 1) {
      const matrix = moved(input.defaultProjectionData.mainMatrix, this.origin[0] + world, this.origin[1]);
      gl.uniformMatrix4fv(painter.matrix, false, matrix);
      gl.drawElements(gl.TRIANGLES, this.order.length, gl.UNSIGNED_INT, 0);
    }
    gl.bindVertexArray(null);
  }
}

function load(gl: WebGL2RenderingContext, target: number, buffer: WebGLBuffer, data: AllowSharedBufferSource): void {
  gl.bindBuffer(target, buffer);
  gl.bufferData(target, data, gl.DYNAMIC_DRAW);
}

/** The matrix with what it is given moved first. */
function moved(matrix: ArrayLike<number>, x: number, y: number): Float32Array {
  const found = Float32Array.from(matrix);
  for (let row = 0; row < 4; row += 1) {
    found[12 + row] =
      (matrix[row] as number) * x + (matrix[4 + row] as number) * y + (matrix[12 + row] as number);
  }
  return found;
}

function prepare(gl: WebGL2RenderingContext): Painter {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) {
      throw new Error("The graphics card makes no shader.");
    }
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The hexagons cannot be drawn: ${gl.getProgramInfoLog(program) ?? ""}`);
  }
  const shape = gl.createVertexArray();
  const [at, colour, triangles] = [gl.createBuffer(), gl.createBuffer(), gl.createBuffer()];
  gl.bindVertexArray(shape);
  const place = gl.getAttribLocation(program, "a_at");
  gl.bindBuffer(gl.ARRAY_BUFFER, at);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 0, 0);
  const shade = gl.getAttribLocation(program, "a_colour");
  gl.bindBuffer(gl.ARRAY_BUFFER, colour);
  gl.enableVertexAttribArray(shade);
  gl.vertexAttribPointer(shade, 4, gl.UNSIGNED_BYTE, true, 0, 0);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, triangles);
  gl.bindVertexArray(null);
  return {
    gl, program, shape, at, colour, triangles,
    matrix: gl.getUniformLocation(program, "u_matrix"),
    opacity: gl.getUniformLocation(program, "u_opacity"),
  };
}
