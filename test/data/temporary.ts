import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DiemError } from "../../src/core/errors.ts";

/** Runs `work` with a new folder that is removed afterwards. */
export async function inTemporaryFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "diem-data-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What damaged input may do: return a value, or throw an error that is meant to be read. Anything else fails the test. */
export function readsOrRefuses<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DiemError) || error.message.includes("\n")) throw error;
    return undefined;
  }
}
