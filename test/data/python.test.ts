import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { readNpy } from "../../src/data/arrays/npy.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { operatorFamily } from "../../src/operators/registry.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** DIEM_PYTHON may name another interpreter, such as that of a virtual environment. */
const PYTHON = process.env.DIEM_PYTHON ?? "python3";
const hasPython = spawnSync(PYTHON, ["-c", "import zarr, scipy.signal; zarr.create_group"]).status === 0;

/** The Python of the manual's page, block after block. */
function pythonOfPage(): string {
  const page = readFileSync(join(import.meta.dirname, "../../docs/observations.md"), "utf8");
  const section = page.slice(page.indexOf("## From Python"), page.indexOf("`diem info obs.zarr`"));
  const lines = section.split("\n").filter((line) => line === "" || line.startsWith("    "));
  return lines.map((line) => line.slice(4)).join("\n");
}

const OF_IMAGES = [
  "masked",
  "cropped",
  "subsampled",
  "pooled",
  "blurred",
  "kspace",
  "coils",
  "composed",
  "stacked",
];

describe.skipIf(!hasPython)("the manual's Python", () => {
  it(
    "writes folders that diem reads, with y = A x for its operators",
    () =>
      inTemporaryFolder(async (folder) => {
        const save = "\nnp.save('x.npy', x.astype('float32'))\nnp.save('v.npy', v.astype('float32'))\n";
        writeFileSync(join(folder, "page.py"), pythonOfPage() + save);
        execFileSync(PYTHON, ["page.py"], { cwd: folder });
        const apply = async (name: string, latents: string) => {
          const { header, read, count } = await openObservations(join(folder, `${name}.zarr`));
          expect(count).toBe(100);
          const { y, data } = await read(0, 10);
          const x = rows((await readNpy(join(folder, latents))) as HostArray<"float32">, 0, 10);
          const family = operatorFamily(header.operator, header.latentShape, header.observationShape);
          const feeds: Record<string, HostArray<"float32">> = { x: float32(x.data, x.shape), ...data };
          const found = await evaluate(feeds, ({ x, ...own }) => ({ predicted: family.bind(own)(x!) }));
          return { y, predicted: found.predicted };
        };
        for (const name of OF_IMAGES) {
          const { y, predicted } = await apply(name, "x.npy");
          expectAllClose(predicted, y, { relative: 1e-5 });
        }
        const striped = await openObservations(join(folder, "striped.zarr"));
        expect(striped.noiseFactor!.shape).toEqual([1, 28, 28, 2]);
        await striped.read(0, striped.count);
        const { y, predicted } = await apply("projected", "v.npy");
        // Its noise has a standard deviation of 0.01; six of them.
        expectAllClose(predicted, y, { relative: 0, absolute: 0.06 });
      }),
    60_000,
  );
});
