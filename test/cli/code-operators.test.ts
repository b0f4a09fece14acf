import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy, readNpy } from "../../src/data/arrays/npy.ts";
import { normals } from "../diffusion/support.ts";
import { finish, transpileInto } from "../em/child.ts";

/** Whole runs in child processes: what a module imports must be the library that runs it. */
const N = 6;
const COUNT = 64;
const NOISE = 0.01;
let root = "";
const path = (...names: string[]) => join(root, ...names);

async function diem(...args: string[]) {
  const child = spawn(process.execPath, [path("diem", "src", "cli", "main.js"), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, DIEM_THREADS: "1" },
  });
  return await finish(child);
}

const SMALL = [
  ...[
    "--set",
    "em.iterations=1",
    "--set",
    "eStep.steps=4",
    "--set",
    "mStep.steps=8",
    "--set",
    "mStep.finalSteps=8",
  ],
  ...["--set", "figures.prior=8", "--set", "figures.priorSteps=2", "--set", "network.width=8", "--quiet"],
];

/** Differences of neighbours with a gain for each, as in the module below. */
function observe(x: HostArray<"float32">, gain: HostArray<"float32">, rng: Rng): HostArray<"float32"> {
  const M = N - 1;
  return float32(
    gain.data.map((g, i) => {
      const at = Math.floor(i / M) * N + (i % M);
      return g * (x.data[at + 1]! - x.data[at]!) + Math.sqrt(NOISE) * rng.normal();
    }),
    gain.shape,
  );
}

const MODULE = `import { mul, slice, sub } from "diem/graph";
export const data = { gain: [${N - 1}] };
export const operator = (x, { gain }) => mul(gain, sub(slice(x, 1, 1, ${N}), slice(x, 1, 0, ${N - 1})));
`;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "diem-code-"));
  mkdirSync(path("diem"));
  transpileInto(path("diem"), []);
  const rng = new Rng(0);
  const gain = float32(
    Array.from({ length: COUNT * (N - 1) }, () => 0.5 + rng.uniform()),
    [COUNT, N - 1],
  );
  writeFileSync(path("gain.npy"), encodeNpy(gain));
  writeFileSync(path("y.npy"), encodeNpy(observe(normals(rng, [COUNT, N]), gain, rng)));
  writeFileSync(path("operator.mjs"), MODULE);
  for (const name of ["matrix", "affine"])
    copyFileSync(join(import.meta.dirname, `../fixtures/onnx/${name}.onnx`), path(`${name}.onnx`));
  writeFileSync(path("z.npy"), encodeNpy(normals(rng, [COUNT, 3])));
  writeFileSync(path("two.npy"), encodeNpy(normals(rng, [COUNT, 2])));
  writeFileSync(path("L.npy"), encodeNpy(normals(rng, [3, 1])));
}, 60_000);
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

describe("an operator that is an ONNX file", () => {
  const importing = (y: string, onnx: string, latents: string, out: string, ...more: string[]) =>
    diem(
      ...["import", "--y", y, "--operator", "onnx", "--onnx", onnx, "--latent-shape", latents],
      ...["--noise-variance", "0.01", "--out", out, ...more],
    );

  test("is imported, trained with and reconstructed with, its noise of shared patterns", async () => {
    const imported = await importing("z.npy", "matrix.onnx", "6", "linear", "--noise-factor", "L.npy");
    expect(imported.code, imported.err).toBe(0);
    expect(readFileSync(path("linear", "matrix.onnx"))).toEqual(readFileSync(path("matrix.onnx")));
    const info = await diem("info", "linear");
    expect(info.out).toContain(
      "Operator onnx, latents [6], observations [3], noise variance 0.01 and 1 shared pattern",
    );
    const trained = await diem("train", "linear", "--out", "run", ...SMALL);
    expect(trained.code, trained.err).toBe(0);
    const drawn = await diem("reconstruct", "run", "linear", "--out", "x.npy", "--steps", "4", "--quiet");
    expect(drawn.code, drawn.err).toBe(0);
    expect((await readNpy(path("x.npy"))).shape).toEqual([COUNT, N]);
  }, 60_000);

  test("is refused if it is affine, or another file than before", async () => {
    const affine = await importing("two.npy", "affine.onnx", "4", "affine");
    expect([affine.code, affine.err]).toEqual([2, expect.stringMatching(/maps 0 to/)]);
    expect((await importing("z.npy", "matrix.onnx", "6", "changed")).code).toBe(0);
    copyFileSync(path("affine.onnx"), path("changed", "matrix.onnx"));
    const changed = await diem("info", "changed");
    expect([changed.code, changed.err]).toEqual([
      2,
      expect.stringMatching(/matrix\.onnx: expected the file with SHA-256/),
    ]);
  }, 60_000);
});

describe("an operator that is a module", () => {
  test("runs with the library that runs it, when it is allowed to, and unchanged", async () => {
    const imported = await diem(
      ...["import", "--y", "y.npy", "--module", "operator.mjs", "--data", "gain=gain.npy"],
      ...["--latent-shape", "6", "--noise-variance", String(NOISE), "--out", "obs"],
    );
    expect(imported.code, imported.err).toBe(0);
    const forbidden = await diem("train", "obs", "--out", "trained", ...SMALL);
    expect([forbidden.code, forbidden.err]).toEqual([
      2,
      expect.stringMatching(/permission to run operator\.mjs.*--allow-module/),
    ]);
    const trained = await diem("train", "obs", "--out", "trained", "--allow-module", ...SMALL);
    expect(trained.code, trained.err).toBe(0);
    const drawn = await diem(
      ...["reconstruct", "trained", "obs", "--out", "draws.npy", "--steps", "16", "--cg-steps", "8"],
      ...["--allow-module", "--quiet"],
    );
    expect(drawn.code, drawn.err).toBe(0);
    // Draws given y = A x + noise agree with y to the noise: a sum of squares of COUNT (N - 1) = 320 terms, within 5 standard errors.
    const [x, y, gain] = await Promise.all(
      ["draws.npy", "y.npy", "gain.npy"].map(
        async (name) => (await readNpy(path(name))) as HostArray<"float32">,
      ),
    );
    const predicted = observe(x!, gain!, { normal: () => 0 } as unknown as Rng);
    const squares = predicted.data.reduce((sum, value, i) => sum + (value - y!.data[i]!) ** 2 / NOISE, 0);
    expect(squares / y!.data.length).toBeLessThan(1 + 5 * Math.sqrt(2 / 320));
    writeFileSync(path("obs", "operator.mjs"), MODULE.replace("mul(gain, ", "mul(2, "));
    const changed = await diem("train", "obs", "--out", "trained", "--resume", "--allow-module");
    expect([changed.code, changed.err]).toEqual([
      2,
      expect.stringMatching(/operator\.mjs: expected the file with SHA-256/),
    ]);
  }, 90_000);

  const EVIL = `import { writeFileSync } from "node:fs";
writeFileSync(new URL("ran", import.meta.url), "");
export const operator = (x) => x;
`;
  test.each([
    ["", (spec: object) => spec],
    [" inside another", (spec: object) => ({ name: "compose", parts: [{ name: "stack", parts: [spec] }] })],
  ])(
    "does not run because a specification names it%s",
    async (_, within) => {
      mkdirSync(path("evil"), { recursive: true });
      writeFileSync(path("evil", "evil.mjs"), EVIL);
      writeFileSync(path("op.json"), JSON.stringify(within({ name: "module", path: "evil/evil.mjs" })));
      const importing = (...more: string[]) =>
        diem(
          ...["import", "--y", "y.npy", "--operator", "op.json", "--latent-shape", "5"],
          ...["--noise-variance", "0.01", "--out", "evil.zarr", ...more],
        );
      const refused = await importing();
      expect([refused.code, refused.err]).toEqual([
        2,
        expect.stringMatching(/^Error: .*permission to run .*evil\.mjs.*--allow-module.*\n$/),
      ]);
      expect(existsSync(path("evil", "ran"))).toBe(false);
      const allowed = await importing("--allow-module");
      expect(allowed.code, allowed.err).toBe(0);
      expect(existsSync(path("evil", "ran"))).toBe(true);
      rmSync(path("evil"), { recursive: true });
      rmSync(path("evil.zarr"), { recursive: true });
    },
    60_000,
  );

  test("runs from the bytes that were checked, whatever the file holds by then", async () => {
    writeFileSync(path("swapped.mjs"), "throw new Error('the file ran');\n");
    const loader = new URL(`file://${path("diem", "src", "data", "observations", "import-module.js")}`);
    const script = `import { importModule } from ${JSON.stringify(loader.href)};
      const load = (text) => importModule(${JSON.stringify(path("swapped.mjs"))}, new TextEncoder().encode(text), text.length);
      const { operator } = await load("import { sum } from 'diem/graph'; export const operator = sum.name;");
      const other = await load("export { sep as operator } from 'node:path';");
      console.log(operator, other.operator);`;
    writeFileSync(path("script.mjs"), script);
    const child = spawn(process.execPath, [path("script.mjs")], { stdio: ["ignore", "pipe", "pipe"] });
    expect(await finish(child)).toMatchObject({ out: `sum ${sep}\n`, err: "", code: 0 });
  });

  test.each(["../outside.onnx", "/dev/zero", "link.onnx", "."])(
    "is refused at %s, outside its folder",
    async (name) => {
      copyFileSync(path("matrix.onnx"), path("outside.onnx"));
      const folder = path("escaped");
      expect(
        (
          await diem(
            ...["import", "--y", "z.npy", "--onnx", "matrix.onnx", "--latent-shape", "6"],
            ...["--noise-variance", "0.01", "--out", folder],
          )
        ).code,
      ).toBe(0);
      symlinkSync("../outside.onnx", join(folder, "link.onnx"));
      const header = readFileSync(join(folder, "zarr.json"), "utf8");
      writeFileSync(join(folder, "zarr.json"), header.replace('"matrix.onnx"', JSON.stringify(name)));
      const found = await diem("info", folder);
      rmSync(folder, { recursive: true });
      expect([found.code, found.err]).toEqual([
        2,
        expect.stringContaining("operator.path: expected the path of a file in the folder, found"),
      ]);
    },
    60_000,
  );

  test.each([
    ["export const operator = 3;\n", /operator: expected a function/],
    ["export const operator = (x) => 3;\n", /expected the operator to return a tensor, found 3/],
    [
      "import { sum } from 'diem/graph';\nexport const operator = (x) => sum(x, [0]);\n",
      /2 samples must become float32 \[2, \.\.\.\]/,
    ],
    [
      "import { square } from 'diem/graph';\nexport default (x) => square(x);\n",
      /expected a linear operator/,
    ],
    ["export const operator = ;\n", /expected a module that can be imported/],
  ])("is refused where it is none: %s", async (source, message) => {
    writeFileSync(path("wrong.mjs"), source);
    const found = await diem(
      ...["import", "--y", "y.npy", "--module", "wrong.mjs", "--latent-shape", "5"],
      ...["--noise-variance", "0.01", "--out", "wrong"],
    );
    expect([found.code, found.err]).toEqual([2, expect.stringMatching(message)]);
  });
});
