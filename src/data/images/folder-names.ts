/** Names of the files in a folder, in the order in which people count them. */

import { readdir } from "node:fs/promises";
import { DataError } from "../../core/errors.ts";
import { readFailure } from "../../core/files.ts";

/** Which files are listed. */
export interface FolderOptions {
  /** Extensions without a dot, in small letters; files may have them in capitals. */
  readonly extensions: readonly string[];
  /** Files below the folder too; their names are then paths. */
  readonly recursive?: boolean;
  /** The files, in messages: "PNG files". */
  readonly what: string;
  /** What the folder should be, in messages: "a folder of PNG files". */
  readonly wanted: string;
}

/**
 * In natural order: 2 before 10. Hidden files, among them those that macOS leaves beside others (`._0.png`), are none.
 * @throws DataError if the folder cannot be read or has no such file
 */
export async function fileNames(folder: string, options: FolderOptions): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder, { recursive: options.recursive ?? false });
  } catch (error) {
    throw readFailure(folder, options.wanted, error);
  }
  const visible = new RegExp(`(^|[\\\\/])[^.\\\\/][^\\\\/]*\\.(${options.extensions.join("|")})$`, "i");
  const found = names.filter((name) => visible.test(name)).sort(naturalOrder);
  if (found.length === 0)
    throw new DataError(
      `${folder}: expected ${options.what} in the folder, found none. Give another folder.`,
    );
  return found;
}

/** Compares runs of digits as numbers, all else by code units; names that differ in leading zeros only, too. */
export function naturalOrder(a: string, b: string): number {
  const parts = (name: string): readonly string[] => name.match(/\d+|\D/g) ?? [];
  const [x, y] = [parts(a), parts(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = compareParts(x[i]!, y[i]!);
    if (order !== 0) return order;
  }
  return x.length - y.length || compareText(a, b);
}

function compareParts(a: string, b: string): number {
  const significant = (digits: string) => digits.replace(/^0+(?=\d)/, "");
  const [m, n] = [significant(a), significant(b)];
  const areNumbers = /^\d/.test(a) && /^\d/.test(b);
  return areNumbers ? m.length - n.length || compareText(m, n) : compareText(a, b);
}

const compareText = (a: string, b: string) => Number(a > b) - Number(a < b);
