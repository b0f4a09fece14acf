/** Loading operators that are files beside observations: ONNX models and modules. */

import { createHash } from "node:crypto";
import { basename, extname, isAbsolute, relative, resolve, sep } from "node:path";
import { DataError } from "../../core/errors.ts";
import { readFileOrFail, withoutLinks } from "../../core/files.ts";
import { isRecord } from "../../core/json.ts";
import { readOnnx } from "../../graph/onnx/read.ts";
import {
  type CodeSpec,
  codeSpecs,
  moduleFamily,
  type OperatorCode,
  onnxFamily,
} from "../../operators/code.ts";
import type { OperatorFamily } from "../../operators/operator.ts";
import { operatorFamily } from "../../operators/registry.ts";
import { expectShallow, type OperatorSpec } from "../../operators/spec.ts";
import { importModule } from "./import-module.ts";
import { checkLinear } from "./linearity.ts";
import type { ObservationHeader } from "./observation-header.ts";

/** Options of readers of observations whose operator may be code. */
export interface CodeOptions {
  /** Whether to run modules that the header names. They are code with the rights of this process. Default false. */
  readonly allowModules?: boolean;
}

type Shapes = Pick<ObservationHeader, "operator" | "latentShape" | "observationShape">;

/**
 * The family that the header of a folder describes, the code that it names loaded and its linearity probed.
 * @throws DataError if a file is missing, changed or no operator; if a module was not allowed; if a map is not linear
 */
export async function loadFamily(
  header: Shapes,
  folder: string,
  { allowModules = false }: CodeOptions,
): Promise<OperatorFamily> {
  const files = codeSpecs(header.operator, folder);
  const code: Record<string, OperatorCode[string]> = {};
  for (const spec of files) {
    if (spec.name === "module" && !allowModules) throw notAllowed(folder, spec.path);
    const path = await pathInside(folder, spec.path);
    code[spec.path] = await loadFile(spec, path, await readFileOrFail(path, "the operator"));
  }
  return await checkedFamily(header, folder, code);
}

/** A file that comes from somewhere must not run code: whoever gives the command allows it. */
function notAllowed(where: string, path: string): DataError {
  return new DataError(
    `${where}: expected permission to run ${path}, the module of the operator, found none. It is code with all your rights: read it, then give --allow-module (allowModules in TypeScript).`,
  );
}

/** The file of a folder that a header names. @throws DataError if it lies elsewhere, be it by a link */
async function pathInside(folder: string, path: string): Promise<string> {
  const full = resolve(folder, path);
  const pairs = [
    [resolve(folder), full],
    [await withoutLinks(folder), await withoutLinks(full)], // reading tells what is missing
  ] as const;
  const isOutside = ([root, file]: (typeof pairs)[number]) => {
    const way = relative(root, file);
    return way === "" || way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way);
  };
  if (isAbsolute(path) || pairs.some(isOutside))
    throw new DataError(
      `${folder}: operator.path: expected the path of a file in the folder, found "${path}", which leads out of it. Copy the file into the folder and correct the header.`,
    );
  return full;
}

/** Endings that keep the files of a folder apart from its arrays. */
const EXTENSIONS: Readonly<Record<CodeSpec["name"], readonly string[]>> = {
  onnx: [".onnx"],
  module: [".js", ".mjs", ".ts", ".mts"],
};

/** A file that goes into a folder of observations. */
export interface CodeFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** An operator whose code is on its way into a new folder. */
export interface AdoptedOperator {
  /** With paths relative to the folder, and checksums. */
  readonly operator: OperatorSpec;
  readonly files: readonly CodeFile[];
  readonly code: OperatorCode;
}

/**
 * Prepares an operator for a new folder: paths of its files are those of the files now, and checksums may be missing.
 * The files keep their names.
 * @throws DataError if a file is missing, of another kind, or a module that was not allowed
 */
export async function adoptOperator(
  given: OperatorSpec,
  where: string,
  { allowModules = false }: CodeOptions,
): Promise<AdoptedOperator> {
  const files = new Map<string, Uint8Array>();
  const code: Record<string, OperatorCode[string]> = {};
  const adopt = async (spec: unknown): Promise<unknown> => {
    if (isRecord(spec) && Array.isArray(spec.parts)) {
      const parts: unknown[] = [];
      for (const part of spec.parts) parts.push(await adopt(part));
      return { ...spec, parts };
    }
    const [found] = codeSpecs(withChecksum(spec), where);
    if (!found) return spec;
    const path = resolve(found.path);
    if (found.name === "module" && !allowModules) throw notAllowed(where, path);
    if (!EXTENSIONS[found.name].includes(extname(path)))
      throw new DataError(
        `${path}: expected a file that ends in ${EXTENSIONS[found.name].join(", ")}, found another. Rename it.`,
      );
    const bytes = await readFileOrFail(path, "the operator");
    const adopted = { ...found, path: basename(path), sha256: digestOf(bytes) };
    const other = files.get(adopted.path);
    if (other && digestOf(other) !== adopted.sha256)
      throw new DataError(`${where}: expected one file named ${adopted.path}, found two. Rename one.`);
    files.set(adopted.path, bytes);
    code[adopted.path] = await loadFile(adopted, path, bytes);
    return adopted;
  };
  expectShallow(given, where);
  const operator = (await adopt(given)) as OperatorSpec; // as far as it was one
  return { operator, files: [...files].map(([name, bytes]) => ({ name, bytes })), code };
}

/** A specification whose checksum is still to be made. */
function withChecksum(spec: unknown): unknown {
  return typeof spec === "object" && spec !== null ? { ...spec, sha256: "" } : spec;
}

/** The family of a header whose code is loaded, its linearity probed. @throws DataError if a map is not linear */
export async function checkedFamily(
  { operator, latentShape, observationShape }: Shapes,
  where: string,
  code: OperatorCode,
): Promise<OperatorFamily> {
  const family = operatorFamily(operator, latentShape, observationShape, where, code);
  if (Object.keys(code).length > 0 && family.linear !== false) await checkLinear(family, where);
  return family;
}

/** @param bytes of the file at `path`: what is checked is what is loaded */
async function loadFile(spec: CodeSpec, path: string, bytes: Uint8Array): Promise<OperatorCode[string]> {
  const found = digestOf(bytes);
  if (found !== spec.sha256)
    throw new DataError(
      `${path}: expected the file with SHA-256 ${spec.sha256}, which the observations were written with, found ${found}. Restore it, or import the observations again.`,
    );
  if (spec.name === "onnx") return onnxFamily(readOnnx(bytes, path), spec.linear ?? true, path);
  return moduleFamily(await importModule(path, bytes, found), path);
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
