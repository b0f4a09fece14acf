import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";

const { loads } = vi.hoisted(() => ({ loads: [] as string[] }));
vi.mock("onnxruntime-node", async (importOriginal) => {
  loads.push("onnxruntime-node");
  return await importOriginal();
});

test("importing the runtime does not load the engine; compiling does, once, and leaves no trace of the user", async () => {
  const cache = mkdtempSync(join(tmpdir(), "diem-cache-"));
  vi.stubEnv("XDG_CACHE_HOME", cache);
  vi.stubEnv("CI", undefined); // the engine keeps quiet where this is set
  const { compile } = await import("../../src/runtime/compile.ts");
  const { input, neg } = await import("../../src/graph/index.ts");
  expect(loads).toEqual([]);
  for (let k = 0; k < 2; k++) {
    const x = input([1]);
    const program = await compile({ inputs: { x }, outputs: { y: neg(x) } });
    await program.release();
  }
  expect(loads).toEqual(["onnxruntime-node"]);
  expect(readdirSync(cache)).toEqual([]);
  expect(process.env.ORT_DISABLE_TELEMETRY).toBe("1");
  rmSync(cache, { recursive: true });
});
