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
  folder = mkdtempSync(join(tmpdir(), "diem-kills-"));
  const files = readdirSync(join(ROOT, "trials/kills")).map((name) => `trials/kills/${name}`);
  transpileInto(join(folder, "js"), files);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a slice of npm run kills: killed commands, run again, write the same bytes and leave nothing", async () => {
  const main = join(folder, "js/trials/kills/main.js");
  const args = [
    main,
    "--kills",
    "7",
    "--only",
    "corrupt,import,merge,sample,reconstruct,evaluate,data images",
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  expect(stdout).toBe("7 kills, 0 went wrong.\n");
}, 300_000);
