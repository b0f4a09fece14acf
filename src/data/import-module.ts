/** Modules of users, which import this very copy of the library. */

import { register } from "node:module";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import { DataError } from "../core/errors.ts";

/** Modules that Node runs as they are; the others are TypeScript. */
const TYPESCRIPT = [".ts", ".mts", ".cts"];

/**
 * Imports a module from bytes that were read and checked; the file is not opened again, for it may be another by then.
 * `import ... from "diem"` in it gives the library that runs, wherever the module lies: tensors of another copy would not
 * fit into its graphs.
 * @param path where the bytes are from: what the module imports is looked for beside it
 * @param version part of the module's address, so that a changed file is not taken from memory
 * @throws DataError if it cannot be imported
 */
export async function importModule(path: string, bytes: Uint8Array, version: string): Promise<unknown> {
  // Only Node 22.18 and later have the feature; the types are those of Node 20.
  const features: Readonly<Record<string, unknown>> = { ...process.features };
  const isTypeScript = TYPESCRIPT.includes(extname(path));
  if (isTypeScript && !features.typescript)
    throw new DataError(
      `${path}: expected JavaScript, found TypeScript, which Node ${process.versions.node} does not run. Compile it to .js, or use Node 22.18 or later.`,
    );
  const url = `${pathToFileURL(path).href}?${version}`;
  const format = isTypeScript ? "module-typescript" : "module";
  register(HOOKS, { data: { url, format, source: new TextDecoder().decode(bytes) } });
  try {
    return { ...(await import(url)) };
  } catch (cause) {
    throw new DataError(
      `${path}: expected a module that can be imported, found: ${cause instanceof Error ? cause.message : String(cause)}. Correct it.`,
      { cause },
    );
  }
}

const LIBRARY = new URL(`../index${extname(import.meta.url)}`, import.meta.url).href;

/** Hooks, themselves a module: they resolve "diem" to this library, and give modules the sources that they were told. */
const HOOKS = `data:text/javascript,${encodeURIComponent(`
  const told = new Map();
  export function initialize({ url, ...module }) {
    told.set(url, { ...module, shortCircuit: true });
  }
  export async function resolve(specifier, context, next) {
    const url = specifier === "diem" ? ${JSON.stringify(LIBRARY)} : specifier;
    return url !== specifier || told.has(url) ? { url, shortCircuit: true } : await next(specifier, context);
  }
  export async function load(url, context, next) {
    return told.get(url) ?? (await next(url, context));
  }
`)}`;
