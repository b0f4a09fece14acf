/** Reads fields of JSON files; what does not fit is a DataError that names file, field and remedy. */
import { stat } from "node:fs/promises";
import { DataError } from "../core/errors.ts";
import { readFileOrFail } from "../core/files.ts";
import { parseJson } from "../core/json.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

const REMEDY = "Restore the file or remove it.";

/** The object in a JSON file, or undefined where there is no such file. */
export async function readJson(path: string): Promise<Fields | undefined> {
  if (!(await exists(path))) return undefined;
  const text = new TextDecoder().decode(await readFileOrFail(path, "a JSON file"));
  try {
    return new Fields(parseJson(text) as Json, path, "the file");
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${path}: expected JSON, got ${describe(text)}. ${REMEDY}`, { cause });
  }
}

/** True if there is something under that path. */
export function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The fields of one JSON object. */
export class Fields {
  readonly values: JsonObject;
  readonly #path: string;

  constructor(value: Json | undefined, path: string, name: string) {
    if (!isObject(value))
      throw new DataError(`${path}: ${name} must be a JSON object, got ${shorten(value)}. ${REMEDY}`);
    this.values = value;
    this.#path = path;
  }

  string(key: string): string {
    const value = this.values[key];
    return typeof value === "string" ? value : this.#fail(key, "a string");
  }

  optionalString(key: string): string | undefined {
    return this.values[key] === undefined ? undefined : this.string(key);
  }

  number(key: string): number {
    const value = this.values[key];
    return typeof value === "number" ? value : this.#fail(key, "a number");
  }

  /** JSON has no NaN: null stands for a number that was not finite. */
  optionalNumber(key: string): number | undefined {
    return this.values[key] === undefined || this.values[key] === null ? undefined : this.number(key);
  }

  /** A list whose items all pass the test. A missing list is undefined. */
  optionalList<T extends Json>(key: string, fits: (item: Json) => item is T, of: string): T[] | undefined {
    const value = this.values[key];
    if (value === undefined) return undefined;
    return Array.isArray(value) && value.every(fits) ? value : this.#fail(key, `a list of ${of}`);
  }

  /** An object below this one; a missing one is empty. */
  object(key: string): Fields {
    return new Fields(this.values[key] ?? {}, this.#path, key);
  }

  /** The numbers of an object below this one, null for those that were not finite; a missing one is empty. */
  numbers(key: string): Record<string, number | null> {
    const below = this.object(key);
    const entries = Object.keys(below.values).map(
      (name) => [name, below.optionalNumber(name) ?? null] as const,
    );
    return Object.fromEntries(entries);
  }

  #fail(key: string, expected: string): never {
    const found = this.values[key];
    throw new DataError(`${this.#path}: "${key}" must be ${expected}, got ${shorten(found)}. ${REMEDY}`);
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shorten(value: Json | undefined): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

function describe(text: string): string {
  return text.trim() === "" ? "an empty file" : `text that starts with ${shorten(text.slice(0, 30))}`;
}
