import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundlePage } from "../../scripts/bundle-web.mjs";
import { corruptArrays } from "../../src/cli/commands/corrupt.ts";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import type { RunFolder } from "../../src/em/run/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { drawAll } from "../../src/inference/draw-source.ts";
import { compilePrior } from "../../src/inference/prior.ts";
import { decodePrior } from "../../src/web/prior-file.ts";
import { writeSite } from "../../src/web/site.ts";
import { diem } from "../cli/diem.ts";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
];
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** A Chromium that starts here. */
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
  .filter(existsSync)
  .find((path) => {
    const args = ["--headless", ...FLAGS, ...QUIET, "--dump-dom", "about:blank"];
    return spawnSync(path, args, { timeout: 60_000 }).status === 0;
  });
const SHAPE = [1, 8, 8];
const COUNT = 64;
/** Milliseconds that the browser may take on a machine with much else to do. */
const LONG = 120_000;

let folder = "";
let run: RunFolder;
const site = () => join(folder, "site");

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "diem-web-"));
  const rng = new Rng(1);
  const images = float32(
    Float32Array.from({ length: COUNT * 64 }, (_, at) => Math.sin(at / 9 + (at >> 6)) + 0.1 * rng.normal()),
    [COUNT, ...SHAPE],
  );
  const path = join(folder, "observations");
  await corruptArrays(images, path, {
    corruption: { name: "mask", deleted: 0.5 },
    noiseVariance: 1e-2,
    seed: 1,
  });
  const config = mergeConfig(defaultConfig(SHAPE, COUNT), {
    network: { channels: [8, 8], blocks: [1, 1], heads: [0, 0], embedding: 8 },
    start: { rank: 2, iterations: 3 },
    em: { iterations: 1, observations: 16, finalObservations: 16, buffer: 1 },
    eStep: { steps: 6, batch: 16 },
    mStep: { steps: 4, finalSteps: 4, batch: 8 },
    figures: { gallery: 2, prior: 2, priorSteps: 6 },
  });
  run = await train(await openObservations(path), config, { out: join(folder, "run") });
  const script = join(folder, "page.js");
  await bundlePage(script);
  await writeSite(run, site(), { iteration: 1, script });
  return () => rmSync(folder, { recursive: true, force: true });
}, 120_000);

const samplesOf = async (model: Parameters<typeof compilePrior>[0]) => {
  const { eStep, figures } = run.info.config;
  await using source = await compilePrior(model, { ...eStep, steps: figures.priorSteps, batch: 16 });
  const rng = new Rng(0);
  return (await drawAll(source, [0, 16], { stream: (index) => rng.split("sample", index) })).data;
};

describe("the folder of a page", () => {
  test("has the prior: samples are the same to the bit", async () => {
    const carried = decodePrior(readFileSync(join(site(), "prior.safetensors")), "prior");
    expect(carried.iteration).toBe(1);
    expect(await samplesOf(carried.model)).toEqual(await samplesOf(await run.readModel(1)));
  });

  test("has a script that asks for nothing of Node, and the engine's files", () => {
    expect(readFileSync(join(site(), "page.js"), "utf8")).not.toMatch(/["']node:|onnxruntime-node/);
    expect(readdirSync(join(site(), "engine")).length).toBe(6);
    expect(readFileSync(join(site(), "index.html"), "utf8")).not.toMatch(/https?:/);
  });

  test("is not written over what is something else", async () => {
    const other = join(folder, "other");
    mkdirSync(other);
    writeFileSync(join(other, "index.html"), "mine");
    const { code, err } = await diem("web", run.path, "--out", other);
    expect(code).toBe(2);
    expect(err).toMatch(/other: expected a new folder, or one with a page of diem web, found index.html/);
    expect(readFileSync(join(other, "index.html"), "utf8")).toBe("mine");
  });
});

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Serves files of a folder, as `python3 -m http.server` does. */
function serve(root: string): Server {
  return createServer((request, response) => {
    const path = join(root, request.url === "/" ? "index.html" : new URL(request.url!, "http://x").pathname);
    if (!existsSync(path)) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
    response.end(readFileSync(path));
  }).listen(0, "127.0.0.1");
}

describe.skipIf(!CHROMIUM)("the page in Chromium", { timeout: LONG }, () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  const asked: string[] = [];
  const faults: string[] = [];
  const work = async (id: string) => {
    await page.click(`#${id}`);
    await page.waitForFunction(`!document.getElementById("${id}").disabled`);
    return await page.textContent(`#${id}-state`);
  };
  const valuesOf = async (id: string) =>
    Float32Array.from(
      (await page.evaluate(`[...document.getElementById("${id}").values]`)) as readonly number[],
    );

  beforeAll(async () => {
    server = serve(site());
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: [...FLAGS, ...QUIET], timeout: LONG });
    page = await browser.newPage();
    page.setDefaultTimeout(LONG);
    page.on("request", (request) => asked.push(new URL(request.url()).host));
    page.on("pageerror", (error) => faults.push(error.message));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForSelector("#sample");
  }, LONG);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  test("draws the samples that Node draws with the same seed", async () => {
    expect(await work("sample")).toBe("16 samples, 6 steps each.");
    const [found, expected] = [await valuesOf("samples"), await samplesOf(await run.readModel(1))];
    expect(found.length).toBe(expected.length);
    expect(Math.max(...found.map((value, at) => Math.abs(value - expected[at]!)))).toBeLessThan(1e-3);
  });

  test("draws from the posterior of what is loaded and partly deleted: they follow what is left, and nothing else", async () => {
    const y = Float32Array.from({ length: 64 }, (_, at) => (at < 48 ? Math.sin(at / 9) : 5));
    await page.setInputFiles("#file", {
      name: "y.npy",
      mimeType: "",
      buffer: Buffer.from(encodeNpy(float32(y, SHAPE))),
    });
    await page.waitForSelector("text=Loaded.");
    await page.fill("#noise", "0.05");
    await page.locator("#paint").scrollIntoViewIfNeeded();
    const canvas = (await page.locator("#paint").boundingBox())!;
    const row = canvas.y + (7.5 / 8) * canvas.height; // a brush of three pixels deletes the lowest two rows
    await page.mouse.move(canvas.x + 2, row);
    await page.mouse.down();
    await page.mouse.move(canvas.x + canvas.width - 2, row, { steps: 20 });
    await page.mouse.up();
    expect(await work("reconstruct")).toBe("16 draws.");
    const draws = await valuesOf("draws");
    expect(draws.length).toBe(16 * 64);
    const rms = (first: number, end: number) => {
      let [total, count] = [0, 0];
      for (const [at, value] of draws.entries())
        if (at % 64 >= first && at % 64 < end)
          [total, count] = [total + (value - y[at % 64]!) ** 2, count + 1];
      return Math.sqrt(total / count);
    };
    expect(rms(0, 48)).toBeLessThan(0.1); // the noise, and as much again
    expect(rms(48, 64)).toBeGreaterThan(3);
  });

  test("tells of a file of another size", async () => {
    const buffer = Buffer.from(encodeNpy(float32(new Float32Array(5), [5])));
    await page.setInputFiles("#file", { name: "five.npy", mimeType: "", buffer });
    await page.waitForSelector(
      "text=five.npy: expected latents [1, 8, 8], 64 numbers each, found 5 numbers.",
    );
  });

  test("asks no other host, and raises no error", () => {
    expect([...new Set(asked)].length).toBe(1);
    expect(faults).toEqual([]);
  });
});
