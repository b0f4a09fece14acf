import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { decodeNpy, encodeNpy } from "../../src/data/arrays/npy.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { compileBaselines } from "../../src/em/evaluation/baselines.ts";
import { diem as runDiem } from "./diem.ts";

const FIXTURES = join(import.meta.dirname ?? ".", "../fixtures/scans");

/** Runs the command line, quietly and on one thread. */
const diem = (...args: string[]) => runDiem(...args, "--quiet", "--threads", "1");

const SMALL = [
  'network={"type":"unet","channels":[4],"blocks":[1],"heads":[0],"embedding":8,"patch":2}',
  "start.iterations=2",
  "start.rank=2",
  "em.iterations=1",
  "eStep.steps=2",
  "eStep.batch=4",
  "mStep.steps=2",
  "mStep.finalSteps=2",
  "mStep.batch=4",
  "figures.prior=2",
  "figures.gallery=2",
  "figures.priorSteps=2",
].flatMap((setting) => ["--set", setting]);

describe("from scans to a report by command line", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);
  const ok = async (...args: string[]) => {
    const { code, out, err } = await diem(...args);
    expect(code, err).toBe(0);
    return out;
  };
  const scan = (name: string) => join(FIXTURES, name);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-mri-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("magnitudes: a prior of sub-sampled k-space, reconstructions and their figures", async () => {
    const imported = ["--slices", "0,9", "--size", "16,16", "--on-bad", "skip"];
    const text = await ok(
      "import-mri",
      scan("smooth.h5"),
      scan("truncated.h5"),
      "--out",
      path("obs"),
      ...imported,
    );
    expect(text).toContain("Wrote 10 observations");
    expect(text).toContain("1 whole files");
    await ok("train", path("obs"), "--out", path("run"), ...SMALL);
    const truth = ["--truth", path("truth.npy")];
    await ok(
      "import-mri",
      scan("smooth.h5"),
      "--out",
      path("test"),
      "--acceleration",
      "4",
      ...imported,
      ...truth,
    );
    const drawn = ["--samples", "2", "--count", "2", "--out", path("s.npy"), "--report", path("report")];
    await ok("reconstruct", path("run"), path("test"), ...drawn, ...truth);
    expect(decodeNpy(readFileSync(path("s.npy"))).shape).toEqual([2, 2, 1, 16, 16]);
    const figures = JSON.parse(readFileSync(path("report/results.json"), "utf8"));
    for (const name of ["posteriorMean", "zeroFilled", "baseline"])
      expect(Object.keys(figures[name])).toEqual(["psnr", "equalPairs", "ssim"]);
    expect(figures.chiSquare).toBeGreaterThan(0);
    const holed = decodeNpy(readFileSync(path("truth.npy")));
    holed.data[16 * 16 + 3] = Number.NaN;
    writeFileSync(path("holed.npy"), encodeNpy(holed));
    const refused = await diem(
      "reconstruct",
      path("run"),
      path("test"),
      ...drawn,
      "--truth",
      path("holed.npy"),
    );
    expect(refused.err).toContain(`${path("holed.npy")}: latent 1: expected finite values, found NaN.`);
    const page = readFileSync(path("report/report.html"), "utf8");
    for (const word of ["mask", "zero-filled", "total variation", "standard deviation", "truth"])
      expect(page).toContain(word);
  });

  test("k-space that is complex is refused as that of a real image", async () => {
    const options = ["--dataset", "kspace", "--slices", "0,4", "--out", path("real")];
    const { code, err } = await diem("import-mri", scan("volume.h5"), "--real", ...options);
    expect(code).toBe(2);
    expect(err).toContain("% of the energy in the imaginary part. Use it as complex images.");
  });

  test("k-space of several coils with their maps: the observations are what the operator makes of the image", async () => {
    // The second coil of the file sees the image 2i times as strongly as the first.
    const [H, W] = [8, 6];
    const maps = new Float32Array(2 * 2 * H * W);
    maps.fill(1, 0, H * W).fill(2, 3 * H * W);
    writeFileSync(path("maps.npy"), encodeNpy(float32(maps, [2, 2, H, W])));
    const options = [
      "--dataset",
      "kspace",
      "--maps",
      path("maps.npy"),
      "--slices",
      "0,4",
      "--acceleration",
      "2",
    ];
    const truth = ["--truth", path("coil-truth.npy")];
    await ok("import-mri", scan("coils.h5"), ...options, "--out", path("coils"), ...truth);
    await ok("train", path("coils"), "--out", path("coil-run"), ...SMALL);
    const report = ["--samples", "2", "--out", path("c.npy"), "--report", path("coil-report")];
    await ok("reconstruct", path("coil-run"), path("coils"), ...report, ...truth);
    expect(decodeNpy(readFileSync(path("c.npy"))).shape).toEqual([5, 2, 2, H, W]);
    expect(readFileSync(path("coil-report/report.html"), "utf8")).toContain("standard deviation");
    // The file holds no noise, so the image that all columns give explains the observations to rounding.
    const observations = await openObservations(path("coils"));
    const batch = await observations.read(0, 5);
    const image = decodeNpy(readFileSync(path("coil-truth.npy"))) as HostArray<"float32">;
    await using baselines = await compileBaselines(observations, 5, { threads: 1 }, 1);
    for (const chi of (await baselines.agreement(batch, image)).chiSquare) expect(chi).toBeLessThan(1e-6);
    const wrong = ["--dataset", "kspace", "--maps", path("maps.npy"), "--slices", "0,4", "--out", path("no")];
    expect((await diem("import-mri", scan("volume.h5"), ...wrong)).err).toContain(
      "maps of this scanner's coils",
    );
  });
});
