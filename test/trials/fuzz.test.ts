import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { transpileInto } from "../em/child.ts";

const ROOT = resolve(import.meta.dirname, "../..");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-fuzz-"));
  const files = readdirSync(join(ROOT, "trials/fuzz")).map((name) => `trials/fuzz/${name}`);
  transpileInto(join(folder, "js"), files);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// It asks Linux for the memory and time that a case takes.
test.runIf(process.platform === "linux")(
  "a slice of npm run fuzz: every reader ends with a value or an error that is meant to be read",
  async () => {
    const main = join(folder, "js/trials/fuzz/main.js");
    const args = [main, "--cases", "200", "--out", join(folder, "cases")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    expect(stdout).toMatch(/^2\d\d cases, 0 went wrong\.\n$/);
  },
  300_000,
);
