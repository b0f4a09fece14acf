import { createHash } from "node:crypto";
import type { HostArray } from "../../core/array.ts";
import { DataError, isErrorOf } from "../../core/errors.ts";
import { readFileOrFail, writeFileAtomic } from "../../core/files.ts";
import { decodeSafetensors, encodeSafetensors, type Safetensors } from "../../nn/safetensors.ts";

/** What to do about a damaged file of a run: whatever is missing, a resumed run computes again, to the same bytes. */
export const RECOMPUTE = "Delete it and continue with --resume: it is computed again, to the same bytes.";

/** Stands in the file for its own checksum while that is computed. */
const BLANK = "0".repeat(64);

/** Writes a safetensors file whose metadata hold `sha256`: that of the file itself with 64 zeros in its place. */
export async function writeSealed(
  path: string,
  tensors: Readonly<Record<string, HostArray>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const bytes = encodeSafetensors(tensors, { ...metadata, sha256: BLANK });
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(`"sha256":"${BLANK}"`);
  const seal = createHash("sha256").update(bytes).digest("hex");
  bytes.set(new TextEncoder().encode(seal), at + '"sha256":"'.length);
  await writeFileAtomic(path, bytes);
}

/**
 * Reads what `writeSealed` wrote.
 * @param what what the file holds, for messages
 * @throws DataError if it is missing, or one bit of it is not what was written
 */
export async function readSealed(path: string, what: string): Promise<Safetensors> {
  const bytes = await readFileOrFail(path, what);
  const damaged = (found: string, cause?: unknown) =>
    new DataError(`${path}: expected ${what}, found ${found}. ${RECOMPUTE}`, { cause });
  let content: Safetensors;
  try {
    content = decodeSafetensors(bytes, path);
  } catch (error) {
    throw isErrorOf(error, "DataError") ? damaged("a damaged file", error) : error;
  }
  const { sha256 = "" } = content.metadata;
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(`"sha256":"${sha256}"`);
  const start = at + '"sha256":"'.length;
  if (!/^[0-9a-f]{64}$/.test(sha256) || at < 0) throw damaged("a file without its checksum");
  const hash = createHash("sha256").update(bytes.subarray(0, start)).update(BLANK);
  if (hash.update(bytes.subarray(start + BLANK.length)).digest("hex") !== sha256)
    throw damaged("other bytes than were written");
  return content;
}
