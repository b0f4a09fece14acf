import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { main as experiment } from "../../experiments/command.ts";
import { main as diem } from "../../src/cli/command-line.ts";
import { float32 } from "../../src/core/array.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";

const ROOT = join(import.meta.dirname ?? ".", "../..");
const SCANS = join(ROOT, "test/fixtures/scans");
const PAGE = readFileSync(join(ROOT, "docs/mri.md"), "utf8");
const COMMANDS = [...PAGE.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, code]) =>
  code!.trim().split("\n"),
);

/** What stands in the page, and the small thing that stands for it here. */
const SMALLER: readonly (readonly [RegExp, string])[] = [
  [/\S*coils\/\*\.h5/, join(SCANS, "manual-coils.h5")],
  [/(scans|held-out)\/\*\.h5/, join(SCANS, "manual.h5")],
  [/--size 40,40/, "--size 8,8"],
  [/--size \d+,\d+/, "--size 16,16"],
  [/--samples 32/, "--samples 2"],
  [/--recipe \w+/, "--recipe tiny"],
  [/--predict \d+/, "--predict 0"],
];

const SHORT_TRAINING = [
  'network={"type":"unet","channels":[4],"blocks":[1],"heads":[0],"embedding":8,"patch":2}',
  'start={"iterations":2,"rank":2}',
  "em.iterations=1",
  "eStep.steps=2",
  'mStep={"steps":2,"finalSteps":2,"batch":4}',
  'figures={"prior":2,"gallery":2,"priorSteps":2}',
].flatMap((setting) => ["--set", setting]);

/** Words of a command line; single quotes keep theirs together. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
}

async function quietly(work: () => Promise<number>): Promise<{ code: number; err: string }> {
  let err = "";
  const stdout = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
  try {
    return { code: await work(), err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

describe("the page on magnetic resonance imaging", () => {
  let folder = "";
  const before = process.cwd();
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-mri-manual-"));
    process.chdir(folder);
    // The second coil sees the image 2i times as strongly as the first.
    const maps = new Float32Array(2 * 2 * 16 * 16).fill(1, 0, 256).fill(2, 3 * 256);
    writeFileSync("maps.npy", encodeNpy(float32(maps, [2, 2, 16, 16])));
  });
  afterAll(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });

  test("has commands", () => expect(COMMANDS.length).toBeGreaterThanOrEqual(11));

  // In the page's order, for each uses what those before it wrote.
  test.each(COMMANDS)("%s", async (line) => {
    const small = SMALLER.reduce((text, [found, instead]) => text.replace(found, instead), line);
    const quiet = ["--quiet", "--threads", "1"];
    const [program, ...args] = words(small.replace("npm run experiment --", "experiment"));
    const more = args[0] === "train" ? SHORT_TRAINING : [];
    const run = program === "experiment" ? experiment : diem;
    expect(["diem", "experiment"]).toContain(program);
    const { code, err } = await quietly(() => run([...args, ...more, ...quiet]));
    expect(code, `${small}\n${err}`).toBe(0);
  });
});
