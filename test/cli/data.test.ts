import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { main } from "../../src/cli/command-line.ts";
import { readNpy } from "../../src/data/arrays/npy.ts";
import { inTemporaryFolder } from "../data/temporary.ts";

const PICTURES = join(import.meta.dirname, "../fixtures/pictures");

async function diem(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, "write").mockImplementation(() => true),
  );
  try {
    const code = await main(["data", ...args, "--quiet"]);
    const [out, err] = [stdout, stderr].map((spy) => spy!.mock.calls.map(([text]) => text).join(""));
    return { code, out: out!, err: err! };
  } finally {
    stdout!.mockRestore();
    stderr!.mockRestore();
  }
}

test("data images gathers a folder, and names and counts what it skips", async () => {
  await inTemporaryFolder(async (folder) => {
    const input = join(folder, "in");
    mkdirSync(input);
    for (const name of ["rgb.png", "baseline.jpg", "transparent.png"])
      cpSync(join(PICTURES, name), join(input, name));
    const file = join(folder, "x.npy");
    const options = ["images", input, "--out", file, "--size", "8"];
    const refused = await diem(...options);
    expect([refused.code, refused.err]).toEqual([
      2,
      expect.stringMatching(/transparent.png: expected opaque pixels/),
    ]);
    const { code, out, err } = await diem(...options, "--on-bad", "skip", "--json");
    expect(code, err).toBe(0);
    expect(err).toMatch(/^Skipped: .*transparent.png: expected opaque pixels.*\n$/);
    expect(out).toMatch(/Wrote 2 images \[2, 3, 8, 8\] in \[-2, 2\] to .*x.npy. Skipped 1 files./);
    expect(JSON.parse(out.trim().split("\n").at(-1)!)).toMatchObject({ count: 2, shape: [2, 3, 8, 8] });
    expect((await readNpy(file)).shape).toEqual([2, 3, 8, 8]);
  });
});

test("data cifar10 without network, or with another archive, says so in a line", async () => {
  await inTemporaryFolder(async (folder) => {
    const out = join(folder, "cifar");
    const archive = join(folder, "cifar-10-binary.tar.gz");
    writeFileSync(archive, "no archive");
    const wrong = await diem("cifar10", "--out", out, "--from", archive);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toMatch(
      /expected MD5 c32a1d4ab5d03f1284b67883e8d87530, found .*as it is published.\n$/,
    );
    expect(readdirSync(out)).toEqual([]);
    const dead = await diem("cifar10", "--out", out, "--url", "ftp://127.0.0.1/x");
    expect(dead.err).toMatch(/--url must be an address of http or https/);
  });
});

test("data names options that belong to the other set, and what is missing", async () => {
  const cases: [string[], RegExp][] = [
    [["mnist", "--out", "x"], /must be one of cifar10, images, got "mnist"/],
    [["cifar10", "--out", "x", "--size", "8"], /--size is no option of cifar10/],
    [["images", "x", "--from", "y"], /--from is no option of images/],
    [["images", "--size", "8"], /expected one FOLDER after images, got nothing/],
    [["cifar10", "x"], /expected nothing after cifar10, got x/],
    [["images", "x", "--out", "x.zarr", "--size", "8"], /--out must be a name that ends in .npy/],
    [["images", "x", "--out", "x.npy", "--size", "8,a"], /--size must be .*, got "8,a". Give --size H,W./],
    [["cifar10"], /--out is missing/],
  ];
  for (const [args, message] of cases) {
    const { code, err } = await diem(...args);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  }
});
