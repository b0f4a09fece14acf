/** A brush on an image: deletes what was measured, paints it, or brings it back. */
import type { Shape } from "../src/core/shape.ts";
import { make, numberField } from "./elements.ts";
import { imageOf, type Limits } from "./pictures.ts";

/** What was measured of a latent: y, and 1 where the mask shows it. Both change in place. */
export interface Observation {
  readonly y: Float32Array;
  readonly mask: Float32Array;
}

type Mode = "delete" | "bright" | "dark" | "restore";
const MODES: readonly Mode[] = ["delete", "bright", "dark", "restore"];

/** Tools of the brush, and the brush on the canvas; for latents that are no images, a button that deletes at random. */
export function brush(
  canvas: HTMLCanvasElement,
  observation: Observation,
  shape: Shape,
  limits: () => Limits,
  show: () => void,
): HTMLElement[] {
  const image = imageOf(shape);
  const mode = make(
    "select",
    { id: "mode" },
    MODES.map((name) => make("option", { value: name }, [name])),
  );
  const size = numberField("size", "Brush", 3, 1);
  const half = make("button", { textContent: "Delete half at random", id: "half" });
  half.onclick = () => {
    const places = observation.mask.length / (image?.[0] ?? 1);
    const hidden = crypto.getRandomValues(new Uint8Array(places)).map((value) => value & 1);
    for (let at = 0; at < observation.mask.length; at++)
      if (hidden[at % places] === 1) observation.mask[at] = 0;
    show();
  };
  const all = make("button", { textContent: "Delete all", id: "all" });
  all.onclick = () => {
    observation.mask.fill(0);
    show();
  };
  if (image) {
    const stroke = (event: PointerEvent) => {
      if (event.buttons === 0) return;
      const [C, H, W] = image;
      const box = canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * W);
      const y = Math.floor(((event.clientY - box.top) / box.height) * H);
      const [low, high] = limits();
      const value = { delete: undefined, restore: undefined, bright: high, dark: low }[mode.value as Mode];
      const reach = (size.read() - 1) / 2;
      for (let row = Math.ceil(y - reach); row <= y + reach; row++)
        for (let column = Math.ceil(x - reach); column <= x + reach; column++)
          for (let c = 0; c < C; c++) {
            if (row < 0 || row >= H || column < 0 || column >= W) continue;
            const at = (c * H + row) * W + column;
            observation.mask[at] = mode.value === "delete" ? 0 : 1;
            if (value !== undefined) observation.y[at] = value;
          }
      show();
    };
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      stroke(event);
    };
    canvas.onpointermove = stroke;
  }
  const tools = image ? [make("label", {}, ["Brush to ", mode]), size.labelled, half, all] : [half, all];
  return [make("div", { className: "tools" }, tools)];
}
