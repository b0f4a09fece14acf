import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { float32, type HostArray, toBytes } from "../../core/array.ts";
import { checksum, syncFolder, writeFailure } from "../../core/files.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { encodeNpyHeader } from "../../data/arrays/npy.ts";
import { DrawFiles } from "./draws.ts";
import type { DrawsName, RunFolder } from "./run-folder.ts";

/** Rows of one of an iteration's files of draws, which another process drew. */
export interface Shard {
  readonly name: DrawsName;
  /** [from, to) */
  readonly rows: readonly [number, number];
}

/** A shard that is on the disk. */
export interface ShardFile extends Shard {
  readonly path: string;
  readonly sha256: string;
}

const NAME = /^(draws|held-out-draws)-(\d+)-(\d+)-([0-9a-f]{64})\.npy$/;

/**
 * Where the shards of iteration k are, whose draws are those of the prior after iteration k - 1: one file each, whose name tells
 * the rows and the checksum. The folder's name tells the prior, for one that is computed again on another machine may be another.
 */
export async function shardFolder(run: RunFolder, k: number): Promise<string> {
  const files = run.priorFiles(k - 1).map(([, path]) => path);
  if (await run.hasNoise(k - 1)) files.push(run.noisePath(k - 1));
  const sums = await Promise.all(files.map(checksum));
  return join(run.shardsPath(k), (await checksum(new TextEncoder().encode(sums.join()))).slice(0, 16));
}

/** The shards in a folder of `shardFolder`, if there is one. */
export async function shardsIn(folder: string): Promise<ShardFile[]> {
  const names = existsSync(folder) ? await readdir(folder) : [];
  return names.flatMap((file) => {
    const found = NAME.exec(file);
    if (!found) return [];
    const [, name, from, to, sha256] = found as unknown as [string, DrawsName, string, string, string];
    return [{ name, rows: [Number(from), Number(to)] as const, path: join(folder, file), sha256 }];
  });
}

/** Whether a shard is what was written. */
export async function isWhole({ path, sha256 }: ShardFile): Promise<boolean> {
  return (await checksum(path)) === sha256;
}

/** Rows [from, to) of a shard's file, some at a time. */
export function* rowsOf(
  { path, rows: [first] }: ShardFile,
  [from, to]: readonly [number, number],
  shape: Shape,
): Generator<HostArray<"float32">> {
  const file = new DrawFiles([path], shape);
  try {
    for (let at = from; at < to; at += TOGETHER) {
      const n = Math.min(TOGETHER, to - at);
      const some = float32(new Float32Array(n * sizeOf(shape)), [n, ...shape]);
      for (let i = 0; i < n; i++) file.copyRow(at - first + i, some.data, i);
      yield some;
    }
  } finally {
    file.close();
  }
}

/** Rows that are copied at a time. */
const TOGETHER = 256;

/**
 * Writes a shard whole or not at all. Several processes, on one file system but perhaps not on one machine, may write the same one
 * at a time: each writes a file of its own, and all have the same bytes.
 * @throws DataError if the disk refuses
 */
export async function writeShard(
  folder: string,
  { name, rows: [from, to] }: Shard,
  shape: Shape,
  draws: AsyncIterable<HostArray<"float32">>,
): Promise<void> {
  const unfinished = join(folder, `${randomUUID()}.part`);
  const guarded = async <T>(work: Promise<T>) =>
    await work.catch((error: unknown) => {
      throw writeFailure(unfinished, error);
    });
  await guarded(mkdir(folder, { recursive: true }));
  const handle = await guarded(open(unfinished, "wx"));
  const hash = createHash("sha256");
  const write = async (bytes: Uint8Array) => {
    hash.update(bytes);
    await guarded(handle.writeFile(bytes));
  };
  try {
    await write(encodeNpyHeader([to - from, ...shape], "float32"));
    for await (const some of draws) await write(toBytes(some));
    await guarded(handle.sync());
    await handle.close();
    await guarded(rename(unfinished, join(folder, `${name}-${from}-${to}-${hash.digest("hex")}.npy`)));
    await syncFolder(folder);
  } finally {
    await handle.close().catch(() => undefined);
    await rm(unfinished, { force: true });
  }
}

/** Removes the shards of an iteration, whose draws are complete, and what killed processes left of them. */
export async function removeShards(run: RunFolder, k: number): Promise<void> {
  await rm(run.shardsPath(k), { recursive: true, force: true });
}
