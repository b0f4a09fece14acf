/**
 * Draws the README's picture from a run of the demo: node scripts/draw-demo-picture.ts runs/demo docs/images/demo.png
 * (Node >= 22.18). Left: prior samples of the start and of the end, two rows each. Right: observations, their posterior
 * samples at the start and at the end, and the truth.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { float32, type HostArray, rows } from "../src/core/array.ts";
import { readNpy } from "../src/data/arrays/npy.ts";
import { encodeRgba, imageGrid } from "../src/report/png.ts";

const SCALE = 2;
const PRIOR_COLUMNS = 7;
const POSTERIOR_COLUMNS = 10;
const GAP = 28;

const [run, out] = process.argv.slice(2) as [string, string];
const last = readdirSync(join(run, "iterations")).sort().at(-1)!;
const read = async (name: string) => (await readNpy(join(run, name))) as HostArray<"float32">;
const first = (array: HostArray<"float32">, count: number) => rows(array, 0, count);

function stack(...arrays: HostArray<"float32">[]): HostArray<"float32"> {
  const [, ...shape] = arrays[0]!.shape;
  const data = Float32Array.from(arrays.flatMap((array) => Array.from(array.data)));
  return float32(data, [arrays.reduce((sum, array) => sum + array.shape[0]!, 0), ...shape]);
}

const prior = stack(
  first(await read("start/prior.npy"), 2 * PRIOR_COLUMNS),
  first(await read(`iterations/${last}/gallery-prior.npy`), 2 * PRIOR_COLUMNS),
);
const seen = first(await read("gallery/observations.npy"), POSTERIOR_COLUMNS);
const latents = await Promise.all(
  ["start/posterior.npy", `iterations/${last}/gallery-posterior.npy`, "gallery/truth.npy"].map(read),
);
const mask = first(await read("gallery/mask.npy"), POSTERIOR_COLUMNS);
const full = float32(new Float32Array(mask.data.length * 3).fill(1), [
  3 * POSTERIOR_COLUMNS,
  ...mask.shape.slice(1),
]);
const posterior = stack(seen, ...latents.map((array) => first(array, POSTERIOR_COLUMNS)));

const options = { range: [-2, 2] as const, scale: SCALE };
const left = decode(imageGrid(prior, { ...options, columns: PRIOR_COLUMNS }));
const right = decode(
  imageGrid(posterior, { ...options, columns: POSTERIOR_COLUMNS, mask: stack(mask, full) }),
);
const width = left.width + GAP + right.width;
const rgba = new Uint8Array(width * left.height * 4);
for (const [image, offset] of [
  [left, 0],
  [right, left.width + GAP],
] as const)
  for (let y = 0; y < image.height; y++)
    for (let x = 0; x < image.width; x++)
      for (let c = 0; c < 4; c++) {
        // Grey pictures come as grey and alpha, others as RGBA.
        const from =
          (y * image.width + x) * image.channels +
          (c === 3 ? image.channels - 1 : image.channels === 2 ? 0 : c);
        rgba[(y * width + offset + x) * 4 + c] = image.data[from]!;
      }
writeFileSync(out, encodeRgba(rgba, width, left.height));
