/** Observations of several kinds on disk: a Zarr v3 group whose header lists the groups in it, one for each kind. */

import { createHash } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as zarr from "zarrita";
import { AbortedError, ConfigError, DataError } from "../../core/errors.ts";
import { readFileOrFail } from "../../core/files.ts";
import { isRecord, show } from "../../core/json.ts";
import { formatShape, sameShape } from "../../core/shape.ts";
import { FolderStore, readGroupAttributes } from "../arrays/zarr-store.ts";
import { createNewFolder } from "./new-folder.ts";
import { MERGED_FORMAT } from "./observation-header.ts";
import { type MergedObservations, type ObservationSet, takingTurns } from "./observation-set.ts";
import { filesOfObservations, type Observations, openObservations } from "./observations.ts";
import type { CodeOptions } from "./operator-code.ts";

const MERGED_VERSION = 1;

/** A group inside the folder: neither hidden nor a way out of it. */
const PART_NAME = /^[A-Za-z0-9][\w.-]*$/;

/** What has to be there for observations to be merged. */
export interface MergeOptions extends CodeOptions {
  /** Stops; nothing is written then. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a folder of observations, of one kind (`openObservations`) or of several:
 *
 *   attribute diem   format "diem-merged-observations", version 1, parts: names of groups in the folder, in order
 *   each part        observations of one kind; latents of all have the same shape
 *
 * The numbers of a merged set run over all parts, which take turns (`takingTurns`).
 * @throws DataError as `openObservations`; if parts do not fit each other
 */
export async function openObservationSet(path: string, options: CodeOptions = {}): Promise<ObservationSet> {
  const names = await partNames(path);
  if (!names) return await openObservations(path, options);
  const parts: Observations[] = [];
  for (const name of names) parts.push(await openObservations(join(path, name), options));
  return joinKinds(parts, path, async () => {
    const hash = createHash("sha256").update(await readFileOrFail(join(path, "zarr.json"), "a group"));
    for (const part of parts) hash.update(await part.checksum());
    return hash.digest("hex");
  });
}

/**
 * Observations of several kinds as one set.
 * @throws DataError if their latents have different shapes or units
 */
export function joinKinds(
  kinds: readonly Observations[],
  path: string,
  checksum: MergedObservations["checksum"],
): MergedObservations {
  const [first, ...others] = kinds as [Observations, ...Observations[]];
  const { latentShape } = first.header;
  const units = kinds.find(({ header }) => header.units !== undefined)?.header.units;
  for (const { header, path: own } of others) {
    if (!sameShape(header.latentShape, latentShape))
      throw new DataError(
        `${own}: expected latents ${formatShape(latentShape)} as in ${first.path}, found ${formatShape(header.latentShape)}. Only observations of the same latents can be merged.`,
      );
    if (header.units !== undefined && header.units !== units)
      throw new DataError(
        `${own}: expected latents in ${units}, found ${header.units}. Import them in one unit.`,
      );
  }
  const ranges = kinds.flatMap(({ header }) => (header.range ? [header.range] : []));
  const range = [Math.min(...ranges.map(([lo]) => lo)), Math.max(...ranges.map(([, hi]) => hi))] as const;
  const numbers = takingTurns(kinds.map(({ count }) => count));
  return {
    path,
    count: kinds.reduce((total, { count }) => total + count, 0),
    header: { latentShape, ...(units !== undefined && { units }), ...(ranges.length > 0 && { range }) },
    parts: kinds.map((observations, k) => ({ observations, numbers: numbers[k]! })),
    checksum,
  };
}

/**
 * Copies folders of observations of the same latents into one, which appears whole or not at all. A folder that was merged
 * gives its parts.
 * @returns the number of observations
 * @throws ConfigError for fewer than two; DataError if they do not fit each other, or the disk refuses; AbortedError
 */
export async function mergeObservations(
  paths: readonly string[],
  out: string,
  options: MergeOptions = {},
): Promise<number> {
  if (paths.length < 2)
    throw new ConfigError(`mergeObservations: expected at least two folders, got ${paths.length}.`);
  const kinds: Observations[] = [];
  for (const path of paths) {
    const names = await partNames(path);
    for (const own of names?.map((name) => join(path, name)) ?? [path])
      kinds.push(await openObservations(own, options));
  }
  const { count } = joinKinds(kinds, out, async () => "");
  const folder = await createNewFolder(out);
  await folder.guarded(async () => {
    const parts = kinds.map((_, k) => `part-${k}`);
    const header = { format: MERGED_FORMAT, version: MERGED_VERSION, parts };
    await zarr.create(zarr.root(new FolderStore(folder.path)), { attributes: { diem: header } });
    for (const [k, kind] of kinds.entries())
      for (const file of await filesOfObservations(kind)) {
        if (options.signal?.aborted)
          throw new AbortedError(`${out}: stopped; nothing was written. Run the command again.`);
        await copyFlushed(join(kind.path, file), join(folder.path, parts[k]!, file));
      }
  });
  await folder.close();
  return count;
}

async function copyFlushed(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const bytes = await readFileOrFail(from, "a file of observations");
  const handle = await open(to, "wx");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The parts that a merged folder lists; undefined for every other folder. @throws DataError if the list is wrong */
async function partNames(path: string): Promise<readonly string[] | undefined> {
  const { diem } = await readGroupAttributes(new FolderStore(path)).catch(() => ({ diem: undefined }));
  if (!isRecord(diem) || diem.format !== MERGED_FORMAT) return undefined;
  const { version, parts } = diem;
  if (version !== MERGED_VERSION)
    throw new DataError(
      `${path}: version: expected ${MERGED_VERSION}, found ${show(version)}. Merge the folders again, or use a diem that knows this version.`,
    );
  const isName = (name: unknown) => typeof name === "string" && PART_NAME.test(name);
  if (
    !Array.isArray(parts) ||
    parts.length === 0 ||
    !parts.every(isName) ||
    new Set(parts).size < parts.length
  )
    throw new DataError(
      `${path}: parts: expected names of groups in the folder, each once, found ${show(parts)}. Correct the header.`,
    );
  return parts as string[];
}
