/** Folders that appear whole or not at all. */

import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DataError } from "../../core/errors.ts";
import {
  releaseTemporary,
  removeLeftovers,
  syncFolder,
  temporaryBeside,
  writeFailure,
} from "../../core/files.ts";

/** A folder under construction. Whatever goes into it is flushed by whoever writes it. */
export interface NewFolder {
  /** Where it is until it has its name. */
  readonly path: string;
  /** Runs a step of the work; if it fails, nothing is left of the folder. @throws the step's error, or a DataError if the disk refuses */
  guarded<T>(work: () => Promise<T>): Promise<T>;
  /** Gives the folder its name. @throws DataError if the name is taken by now */
  close(): Promise<void>;
  /** Removes the folder. Only before `close`. */
  abort(): Promise<void>;
}

/** Starts a folder that appears under `path` at `close`. @throws DataError if the path exists or the disk refuses */
export async function createNewFolder(path: string): Promise<NewFolder> {
  await refuseExisting(path);
  await removeLeftovers(path);
  const temporary = temporaryBeside(resolve(path));
  const abort = async () => {
    // Where nothing can be made nothing can be removed either; the error that brought us here says more.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    releaseTemporary(temporary);
  };
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      await abort();
      throw writeFailure(path, error);
    }
  };
  await guarded(() => mkdir(temporary));
  return {
    path: temporary,
    guarded,
    close: () =>
      guarded(async () => {
        await syncFolders(temporary);
        await refuseExisting(path);
        await rename(temporary, path);
        releaseTemporary(temporary);
        await syncFolder(dirname(resolve(path)));
      }),
    abort,
  };
}

async function refuseExisting(path: string): Promise<void> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (exists)
    throw new DataError(
      `${path}: expected no such folder, found one. Remove it or choose another name. Nothing already written was lost.`,
    );
}

async function syncFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncFolders(join(folder, entry.name));
  }
  await syncFolder(folder);
}
