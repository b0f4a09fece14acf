import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { readStatus, type Status } from "../report/read-status.ts";
import { PAGES, pagePath } from "./runs.ts";

/** What a look at a run's folder tells in no time. */
export interface Glance {
  /** See `Runs`. */
  readonly place: string;
  readonly folder: string;
  readonly name: string;
  readonly status: Status | undefined;
  /** Its pages. */
  readonly pages: readonly string[];
  /** Differs where the run's report does. */
  readonly stamp: string;
}

/** @throws DataError if status.json is damaged */
export async function glanceAt(place: string, folder: string): Promise<Glance> {
  const status = await readStatus(folder);
  const found = await Promise.all(PAGES.map((name) => pagePath(folder, name)));
  return {
    place,
    folder,
    name: basename(folder),
    status,
    pages: PAGES.filter((_, k) => found[k]),
    stamp: JSON.stringify([folder, status?.state, ...(await changesOf(folder))]),
  };
}

/** When the start, and the last iterations, were completed. One that is under way has no figures yet. */
async function changesOf(folder: string): Promise<number[]> {
  const names = await readdir(join(folder, "iterations")).catch(() => []);
  const last = names.sort((a, b) => Number(a) - Number(b)).slice(-2);
  const folders = [join(folder, "start"), ...last.map((name) => join(folder, "iterations", name))];
  const changed = (path: string) =>
    stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
  return await Promise.all(folders.map((path) => changed(join(path, "figures.json"))));
}
