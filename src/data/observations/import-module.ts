/** Modules of users, which import this very copy of the library. */

import nodeModule, { register } from "node:module";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import { DataError } from "../../core/errors.ts";

/** Modules that Node runs as they are; the others are TypeScript. */
const TYPESCRIPT = [".ts", ".mts", ".cts"];

/**
 * Imports a module from bytes that were read and checked; the file is not opened again, for it may be another by then.
 * `import ... from "diem"` or "diem/graph" in it gives the library that runs, wherever the module lies: tensors of another copy would not
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
  tell(url, { format, source: new TextDecoder().decode(bytes) });
  try {
    return { ...(await import(url)) };
  } catch (cause) {
    throw new DataError(
      `${path}: expected a module that can be imported, found: ${cause instanceof Error ? cause.message : String(cause)}. Correct it.`,
      { cause },
    );
  }
}

/** Where "diem" and its modules, such as "diem/graph", lie. */
const LIBRARY = {
  index: new URL("../../index", import.meta.url).href,
  module: new URL("../../api/", import.meta.url).href,
  extension: extname(import.meta.url),
} as const;

/** The address that an import of this library stands for, undefined for any other. */
function addressOf(specifier: string, { index, module, extension }: typeof LIBRARY): string | undefined {
  if (specifier === "diem") return index + extension;
  return /^diem\/\w+$/.test(specifier) ? module + specifier.slice(5) + extension : undefined;
}

/** What a module is made of, in place of its file. */
interface Source {
  readonly format: string;
  readonly source: string;
}

type Resolve = (specifier: string, context: unknown, next: (...rest: unknown[]) => unknown) => unknown;

/** Hooks in this thread, from Node 22.15 on, where `register` is on its way out; the types are those of Node 20. */
const { registerHooks } = nodeModule as unknown as {
  readonly registerHooks?: (hooks: { readonly resolve: Resolve; readonly load: Resolve }) => void;
};

/** Sources told so far, for the hooks in this thread. */
const told = new Map<string, Source>();

/** Makes imports of an address give this source, and those of "diem" this library. */
function tell(url: string, module: Source): void {
  if (!registerHooks) {
    register(HOOKS, { data: { url, ...module } });
    return;
  }
  if (told.size === 0)
    registerHooks({
      resolve: (specifier, context, next) => {
        const url = addressOf(specifier, LIBRARY) ?? (told.has(specifier) ? specifier : undefined);
        return url ? { url, shortCircuit: true } : next(specifier, context);
      },
      load: (address, context, next) => {
        const found = told.get(address);
        return found ? { ...found, shortCircuit: true } : next(address, context);
      },
    });
  told.set(url, module);
}

/** The same hooks for older Nodes, which run them in a thread of their own: themselves a module. */
const HOOKS = `data:text/javascript,${encodeURIComponent(`
  const told = new Map();
  ${addressOf}
  export function initialize({ url, ...module }) {
    told.set(url, { ...module, shortCircuit: true });
  }
  export async function resolve(specifier, context, next) {
    const url = addressOf(specifier, ${JSON.stringify(LIBRARY)}) ?? (told.has(specifier) ? specifier : undefined);
    return url ? { url, shortCircuit: true } : await next(specifier, context);
  }
  export async function load(url, context, next) {
    return told.get(url) ?? (await next(url, context));
  }
`)}`;
