/** Writing observations, one chunk at a time. */

import { open } from "node:fs/promises";
import { join } from "node:path";
import * as zarr from "zarrita";
import { type HostArray, hostArray, rows } from "../../core/array.ts";
import { AbortedError, ConfigError, DataError } from "../../core/errors.ts";
import { sizeOf } from "../../core/shape.ts";
import { packBits, packedBytes } from "../arrays/mask-bits.ts";
import { createRows, type StoredDType } from "../arrays/zarr-rows.ts";
import { FolderStore } from "../arrays/zarr-store.ts";
import { createNewFolder } from "./new-folder.ts";
import { checkBatch, checkNoiseFactor, type ObservationBatch } from "./observation-check.ts";
import {
  type NewObservationHeader,
  OBSERVATION_FORMAT,
  OBSERVATION_VERSION,
  parseObservationHeader,
} from "./observation-header.ts";
import type { ObservationKind } from "./observation-kind.ts";
import { adoptOperator, type CodeFile, type CodeOptions, checkedFamily } from "./operator-code.ts";

/** Options of `createObservations`. */
export interface ObservationWriterOptions extends CodeOptions {
  /** Observations in a chunk. The writer holds a chunk in memory, and a reader decodes all of it for one. Default 256. */
  readonly chunkRows?: number;
  /** L of Sigma_y = diag(d) + L L', [...observationShape, noiseRank], if the header has a noiseRank. */
  readonly noiseFactor?: HostArray<"float32"> | undefined;
  /** Names of the operator's arrays that all observations share: only the first row is kept. Default: none. */
  readonly shared?: readonly string[];
  /** Stops the work at the next batch; nothing is left then. */
  readonly signal?: AbortSignal | undefined;
}

/** Defaults of `createObservations`: 256 images of 3 x 32 x 32 are 3 MB, small beside a model, large beside a seek. */
export const OBSERVATION_WRITER_DEFAULTS = {
  chunkRows: 256,
  shared: [],
} as const satisfies ObservationWriterOptions;

/** A folder of observations under construction. Any failure removes what was written and closes it. */
export interface ObservationWriter {
  /** Adds observations, any number at a time. @throws DataError naming the observation and entry that is wrong */
  append(batch: ObservationBatch): Promise<void>;
  /** Flushes, and gives the folder its name. @throws DataError if observations are missing */
  close(): Promise<void>;
  /** Removes what was written so far; does nothing after `close`. */
  abort(): Promise<void>;
}

/**
 * Starts a folder of observations, which appears under `path` at `close`. If the operator is code, the header has the paths of
 * its files as they are now; they are copied into the folder.
 * @param count number of observations that will be appended
 * @throws DataError if the path exists, the header is wrong or the disk refuses
 * @throws ConfigError if count or chunkRows is not a positive integer; `append` throws AbortedError after the signal
 */
export async function createObservations(
  path: string,
  header: NewObservationHeader,
  count: number,
  options: ObservationWriterOptions = {},
): Promise<ObservationWriter> {
  const { chunkRows, noiseFactor, shared, signal } = { ...OBSERVATION_WRITER_DEFAULTS, ...options };
  for (const [name, value] of Object.entries({ count, chunkRows })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new ConfigError(`createObservations: ${name} must be a positive integer, got ${value}.`);
  }
  const { operator, files, code } = await adoptOperator(header.operator, path, options);
  const complete = parseObservationHeader(
    { ...header, operator, format: OBSERVATION_FORMAT, version: OBSERVATION_VERSION },
    path,
  );
  const family = await checkedFamily(complete, path, code);
  checkNoiseFactor(noiseFactor, complete, path);
  const kind = { header: complete, family, ...(noiseFactor && { noiseFactor }) };
  const folder = await createNewFolder(path);
  const chunks = await folder.guarded(async () => {
    await writeFiles(folder.path, files);
    return startChunks(new FolderStore(folder.path), kind, count, Math.min(chunkRows, count), shared);
  });
  let open = true;
  let appended = 0;
  const requireOpen = () => {
    if (!open)
      throw new DataError(
        `${path}: expected an open writer, found it closed or busy. Await each call, or start again.`,
      );
    open = false; // until the step succeeds, so that a failed one closes for good
  };
  return {
    async append(batch) {
      requireOpen();
      await folder.guarded(async () => {
        if (signal?.aborted)
          throw new AbortedError(`${path}: stopped; nothing was written. Run the command again.`);
        const own = { ...batch, y: { ...batch.y, data: batch.y.data.slice() } };
        checkBatch(own, kind, appended, path);
        const more = own.y.shape[0]!;
        if (appended + more > count)
          throw new DataError(
            `${path}: expected ${count} observations in all, found ${appended + more}. Create it with the right count.`,
          );
        await chunks.add(own, more);
        appended += more;
      });
      open = true;
    },
    async close() {
      requireOpen();
      await folder.guarded(async () => {
        if (appended !== count)
          throw new DataError(
            `${path}: expected ${count} observations before closing, found ${appended}. Append the rest.`,
          );
        await chunks.flush();
      });
      await folder.close();
    },
    async abort() {
      if (open) await folder.abort();
      open = false;
    },
  };
}

type WriteRows = (start: number, data: Float32Array) => Promise<void>;
type Column = {
  readonly rows: HostArray<"float32">;
  readonly write: WriteRows;
  /** Whether its first row is all that is kept. */
  readonly single: boolean;
};

/** Collects rows up to one chunk for each array, and writes chunk by chunk. */
async function startChunks(
  store: FolderStore,
  { header, family, noiseFactor }: ObservationKind,
  count: number,
  chunkRows: number,
  shared: readonly string[],
) {
  await zarr.create(zarr.root(store), { attributes: { diem: header } });
  const column = async (name: string, shape: readonly number[]): Promise<Column> => {
    const size = sizeOf(shape);
    const single = shared.includes(name);
    const create = <T extends StoredDType>(dtype: T, width: readonly number[]) =>
      createRows(store, name, dtype, [single ? 1 : count, ...width], single ? 1 : chunkRows);
    let write: WriteRows;
    if (name in family.masks) {
      const writeBytes = await create("uint8", [packedBytes(size)]);
      write = (start, data) => writeBytes(start, packBits(data, size));
    } else write = await create("float32", shape);
    const held = new Float32Array(chunkRows * size);
    return { rows: hostArray("float32", [chunkRows, ...shape], held), write, single };
  };
  const columns = [await column("y", header.observationShape)];
  for (const [name, shape] of Object.entries(family.data)) columns.push(await column(name, shape));
  if (header.noiseVariance === "array") columns.push(await column("noise_variance", header.observationShape));
  if (noiseFactor) {
    const { shape, data } = noiseFactor;
    await (await createRows(store, "noise_factor", "float32", shape, shape[0]!))(0, data);
  }

  let start = 0;
  let filled = 0;
  const flush = async () => {
    if (filled === 0) return;
    for (const { rows: held, write, single } of columns)
      if (!single || start === 0) await write(start, rows(held, 0, single ? 1 : filled).data);
    start += filled;
    filled = 0;
  };
  const add = async (batch: ObservationBatch, more: number) => {
    const carried = Object.keys(family.data).map((name) => batch.data[name]!);
    const sources = [batch.y, ...carried, ...(batch.noiseVariance ? [batch.noiseVariance] : [])];
    for (let done = 0; done < more; ) {
      const step = Math.min(more - done, chunkRows - filled);
      columns.forEach(({ rows: held }, i) => {
        rows(held, filled, filled + step).data.set(rows(sources[i]!, done, done + step).data);
      });
      done += step;
      filled += step;
      if (filled === chunkRows) await flush();
    }
  };
  return { add, flush };
}

async function writeFiles(folder: string, files: readonly CodeFile[]): Promise<void> {
  for (const { name, bytes } of files) {
    const handle = await open(join(folder, name), "wx");
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
