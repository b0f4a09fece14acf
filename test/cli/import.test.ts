import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { main } from "../../src/cli/command-line.ts";
import { float32, hostArray } from "../../src/core/array.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { openObservations } from "../../src/data/observations/observations.ts";

let folder = "";
const path = (name: string) => join(folder, name);

async function diem(...args: string[]) {
  const written = { out: "", err: "" };
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written.out += text;
    return true;
  });
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    written.err += text;
    return true;
  });
  try {
    return { code: await main(args), ...written };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

const ramp = (...shape: number[]) =>
  float32(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 7) - 3),
    shape,
  );

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-import-"));
  writeFileSync(path("y.npy"), encodeNpy(ramp(4, 2)));
  writeFileSync(path("A.npy"), encodeNpy(ramp(4, 2, 3)));
  writeFileSync(path("images.npy"), encodeNpy(ramp(4, 1, 4, 4)));
  writeFileSync(path("flat.npy"), encodeNpy(ramp(4)));
  writeFileSync(path("one.npy"), encodeNpy(ramp(2, 3)));
  writeFileSync(
    path("i8.npy"),
    encodeNpy(hostArray("int64", [4, 2], new BigInt64Array(8).fill(2n ** 53n + 1n, 7))),
  );
  const bad = ramp(4, 2);
  bad.data[7] = Number.NaN;
  writeFileSync(path("nan.npy"), encodeNpy(bad));
  writeFileSync(path("low.npy"), encodeNpy(ramp(4, 1, 2, 2)));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("diem import", () => {
  test("makes observations of y and A", async () => {
    const { code, out, err } = await diem(
      ...["import", "--y", path("y.npy"), "--operator", "matrix", "--matrix", path("A.npy")],
      ...["--noise-variance", "1e-4", "--units", "mm", "--range", "-1,1", "--out", path("obs"), "--json"],
    );
    expect(code, err).toBe(0);
    expect(JSON.parse(out.trim().split("\n").at(-1)!)).toEqual({ out: path("obs"), count: 4 });
    const { header, read } = await openObservations(path("obs"));
    expect(header).toMatchObject({
      latentShape: [3],
      observationShape: [2],
      noiseVariance: 1e-4,
      units: "mm",
      range: [-1, 1],
    });
    expect(Array.from((await read(0, 4)).data.matrix!.data)).toEqual(Array.from(ramp(4, 2, 3).data));
  });

  test("takes an operator without arrays, given as JSON", async () => {
    const { code, err } = await diem(
      ...["import", "--y", path("low.npy"), "--operator", '{ "name": "average-pool", "size": 2 }'],
      ...["--latent-shape", "1,4,4", "--noise-variance", "0.01", "--out", path("pooled")],
    );
    expect(code, err).toBe(0);
    expect((await openObservations(path("pooled"))).header.operator).toEqual({
      name: "average-pool",
      size: 2,
    });
  });

  test("takes everything from an archive that NumPy wrote", async () => {
    const archive = resolve(import.meta.dirname ?? ".", "../fixtures/data/observations.npz");
    const { code, err } = await diem("import", "--npz", archive, "--out", path("archive"));
    expect(code, err).toBe(0);
    expect((await diem("config", archive)).out).toBe((await diem("config", path("archive"))).out);
    const { header, count } = await openObservations(path("archive"));
    expect(count).toBe(5);
    expect(header).toMatchObject({ operator: { name: "mask", maskShape: [1, 4, 4] }, noiseVariance: 0.25 });
  });

  test("takes a variance that is an integer, opened and imported", async () => {
    const archive = resolve(import.meta.dirname ?? ".", "../fixtures/data/integer-variance.npz");
    expect((await diem("import", "--npz", archive, "--out", path("integers"))).code).toBe(0);
    expect((await openObservations(path("integers"))).header.noiseVariance).toBe(1);
    expect((await diem("config", archive)).code).toBe(0);
  });

  test("keeps a variance that a file states as one number", async () => {
    writeFileSync(path("v.npy"), encodeNpy(hostArray("float64", [], Float64Array.of(1e-4))));
    const { code, err } = await diem(
      ...["import", "--y", path("y.npy"), "--matrix", path("A.npy"), "--noise-variance", path("v.npy")],
      ...["--out", path("scalar")],
    );
    expect(code, err).toBe(0);
    expect((await openObservations(path("scalar"))).header.noiseVariance).toBe(1e-4);
  });

  test.each([
    [["--out", "o"], "--y is missing"],
    [["--y", "y.npy", "--out", "o"], "--noise-variance is missing"],
    [
      ["--y", "y.npy", "--noise-variance", "1", "--out", "o"],
      "found arrays none but y. Give --mask, --matrix",
    ],
    [
      ["--y", "y.npy", "--noise-variance", "x", "--matrix", "A.npy", "--out", "o"],
      '--noise-variance must be a number, got "x"',
    ],
    [["--y", "y.npy", "--noise-variance", "0", "--matrix", "A.npy", "--out", "o"], "noiseVariance"],
    [["--y", "images.npy", "--noise-variance", "1", "--matrix", "A.npy", "--out", "o"], "observationShape"],
    [["--y", "y.npy", "--noise-variance", "1", "--data", "A.npy", "--out", "o"], "expected NAME=FILE with"],
    [["--y", "nowhere.npy", "--noise-variance", "1", "--out", "o"], "nowhere.npy"],
    [
      [
        "--y",
        "low.npy",
        "--noise-variance",
        "1",
        "--operator",
        "bulr",
        "--latent-shape",
        "1,4,4",
        "--out",
        "o",
      ],
      'Did you mean "blur"?',
    ],
    [
      ["--y", "y.npy", "--noise-variance", "1", "--operator", "matrx", "--out", "o"],
      'Did you mean "matrix"?',
    ],
    [
      ["--y", "i8.npy", "--noise-variance", "1", "--matrix", "A.npy", "--out", "o"],
      "i8.npy: entry 7: expected integers up to 2^53, found 9007199254740993",
    ],
    [["--y", "flat.npy", "--noise-variance", "1", "--mask", "y.npy", "--out", "o"], "y[:, None]"],
    [
      ["--y", "y.npy", "--noise-variance", "1", "--matrix", "one.npy", "--out", "o"],
      "a[None], of one row, is the same for all.",
    ],
    [
      ["--y", "nan.npy", "--noise-variance", "1", "--matrix", "A.npy", "--out", "o"],
      "observation 3, entry 1",
    ],
    [
      ["--y", "y.npy", "--noise-variance", "1", "--matrix", "A.npy", "--out", "y.npy/o"],
      "expected its parent to be a folder, found a file.",
    ],
    [["--y", "low.npy", "--noise-variance", "1", "--operator", "{", "--out", "o"], "expected a name or JSON"],
  ])("%j is answered with one line and exit code 2, and nothing is written", async (args, message) => {
    const { code, err } = await diem(
      "import",
      ...args.map((arg) => (/npy(\/o)?$|^o$/.test(arg) && !arg.includes("=") ? path(arg) : arg)),
    );
    expect(err).toContain(message);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(2);
    expect(readdirSync(folder).filter((name) => name === "o" || name.startsWith("."))).toEqual([]);
  });
});

describe("diem config", () => {
  test("prints the resolved configuration, which is a configuration file", async () => {
    writeFileSync(path("c.yaml"), "em: { iterations: 3 }\n");
    const { code, out } = await diem(
      ...["config", path("obs"), "--config", path("c.yaml"), "--set", "network.width=8", "--seed", "7"],
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      seed: 7,
      em: { iterations: 3 },
      network: { type: "mlp", width: 8 },
    });
    writeFileSync(path("c.json"), out);
    expect((await diem("config", path("obs"), "--config", path("c.json"))).out).toBe(out);
  });

  test("says which file or option a mistake is in", async () => {
    writeFileSync(path("bad.json"), '{ "em": { "iteration": 3 } }');
    expect((await diem("config", path("obs"), "--config", path("bad.json"))).err).toContain(
      "bad.json: em.iteration",
    );
    expect((await diem("config", path("obs"), "--set", "em.buffer=0")).err).toContain(
      "--set: em.buffer must be",
    );
  });

  test("a file of it can be checked", async () => {
    const { code, out } = await diem("info", path("c.json"));
    expect(out).toContain("Configuration");
    expect(code).toBe(0);
    expect(readFileSync(path("c.json"), "utf8")).toContain('"seed": 7');
    expect((await diem("info", path("bad.json"))).err).toContain('Did you mean "iterations"?');
  });
});
