import { copyFile, readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DataError } from "../core/errors.ts";
import { makeFolder, writeFileAtomic } from "../core/files.ts";
import type { RunFolder } from "../em/run/run-folder.ts";
import { escapeHtml } from "../report/html.ts";
import { CSS } from "../report/style.ts";
import { encodePrior } from "./prior-file.ts";

/** The script of the page, which `npm run build` bundles from `web/page.ts`. */
const SCRIPT = fileURLToPath(new URL("../../dist/web/page.js", import.meta.url));
/** The engine's files for WebAssembly, and for WebGPU. */
const ENGINE = [
  "ort.wasm.min.mjs",
  "ort-wasm-simd-threaded.mjs",
  "ort-wasm-simd-threaded.wasm",
  "ort.webgpu.min.mjs",
  "ort-wasm-simd-threaded.asyncify.mjs",
  "ort-wasm-simd-threaded.asyncify.wasm",
] as const;
/** The package that has them, of the version of onnxruntime-node. */
const PACKAGE = "onnxruntime-web";

const PRIOR = "prior.safetensors";

/** What a page is made of. */
export interface SiteOptions {
  readonly iteration: number;
  /** The script, if it is not that of the build. */
  readonly script?: string;
}

/**
 * Writes a page that draws from the prior of an iteration, samples and posteriors of observations that are painted or loaded, in
 * a browser. It needs a server of files and nothing outside the folder.
 * @throws DataError if the run's network is code, or the engine for browsers is not installed
 */
export async function writeSite(
  run: RunFolder,
  folder: string,
  { iteration, script = SCRIPT }: SiteOptions,
): Promise<void> {
  const { config, own } = run.info;
  if (own?.network)
    throw new DataError(
      `${run.path}: expected a network that the configuration describes, found ${own.network}, which is code. Export it as ONNX instead (diem export).`,
    );
  await expectFree(folder);
  const engine = engineFolder();
  const name = basename(run.path);
  const prior = encodePrior(
    {
      model: await run.readModel(iteration),
      ...{ name, iteration, eStep: config.eStep, priorSteps: config.figures.priorSteps },
    },
    config.network,
  );
  await makeFolder(join(folder, "engine"));
  for (const file of ENGINE) await copyFile(join(engine, file), join(folder, "engine", file));
  await writeFileAtomic(join(folder, "page.js"), await readFile(script));
  await writeFileAtomic(join(folder, PRIOR), prior);
  await writeFileAtomic(join(folder, "index.html"), page(name));
}

/** @throws DataError if the folder holds something other than such a page */
async function expectFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  if (names.length > 0 && !names.includes(PRIOR))
    throw new DataError(
      `${folder}: expected a new folder, or one with a page of diem web, found ${names.slice(0, 3).join(", ")}. Give another folder.`,
    );
}

/** @throws DataError if the package is not installed */
function engineFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(PACKAGE));
  } catch (cause) {
    throw new DataError(
      `diem web: expected the engine for browsers, found no package ${PACKAGE}. Install it: npm install ${PACKAGE}@1.30.0`,
      { cause },
    );
  }
}

const page = (name: string) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>${escapeHtml(name)}: draw from the prior</title>
<style>${CSS}${PAGE_CSS}</style>
<main id="page"><h1>${escapeHtml(name)}</h1><p class="soft">Loading the prior ...</p></main>
<script type="module" src="./page.js"></script>
</html>
`;

const PAGE_CSS = `
.tools{display:flex;flex-wrap:wrap;align-items:center;gap:10px 18px;margin:0 0 14px}
.tools label{display:inline-flex;align-items:center;gap:6px}
.tools input[type=number]{width:7em;font:inherit}
button{font:inherit;padding:4px 14px}
progress{width:220px;height:8px;accent-color:var(--series-0)}
canvas{image-rendering:pixelated;background:var(--card);max-width:100%}
#paint{touch-action:none;cursor:crosshair;border:1px solid var(--rule)}
.row{display:flex;flex-wrap:wrap;gap:14px 26px}
.draws{display:grid;grid-template-columns:repeat(8,max-content);gap:10px;overflow-x:auto}
figcaption{margin-top:4px}
`;
