/** Modules of users, which import this very copy of the library. */

import { register } from "node:module";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import { DataError } from "../core/errors.ts";

/** Modules that Node runs as they are; the others are TypeScript. */
const TYPESCRIPT = [".ts", ".mts", ".cts"];

let isRegistered = false;

/**
 * Imports a module. `import ... from "diem"` in it gives the library that runs, wherever the module lies: tensors of
 * another copy would not fit into its graphs.
 * @param version part of the module's address, so that a changed file is not taken from memory
 * @throws DataError if it cannot be imported
 */
export async function importModule(path: string, version: string): Promise<unknown> {
  // Only Node 22.18 and later have the feature; the types are those of Node 20.
  const features: Readonly<Record<string, unknown>> = { ...process.features };
  if (TYPESCRIPT.includes(extname(path)) && !features.typescript)
    throw new DataError(
      `${path}: expected JavaScript, found TypeScript, which Node ${process.versions.node} does not run. Compile it to .js, or use Node 22.18 or later.`,
    );
  if (!isRegistered) register(resolver());
  isRegistered = true;
  try {
    return { ...(await import(`${pathToFileURL(path).href}?${version}`)) };
  } catch (cause) {
    throw new DataError(
      `${path}: expected a module that can be imported, found: ${cause instanceof Error ? cause.message : String(cause)}. Correct it.`,
      { cause },
    );
  }
}

/** A hook, itself a module, that resolves "diem" to this library. */
function resolver(): string {
  const library = new URL(`../index${extname(import.meta.url)}`, import.meta.url).href;
  const source = `export async function resolve(specifier, context, next) {
    return specifier === "diem" ? { url: ${JSON.stringify(library)}, shortCircuit: true } : await next(specifier, context);
  }`;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}
