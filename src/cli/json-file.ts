import { DataError } from "../core/errors.ts";
import { readFileOrFail } from "../core/files.ts";

/** The value in a JSON file that a user wrote. @throws DataError with the place of the mistake */
export async function readJsonFile(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readFileOrFail(path, "a JSON file"));
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${path}: expected JSON, found: ${(cause as Error).message}.`, { cause });
  }
}
