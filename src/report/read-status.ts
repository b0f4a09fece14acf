import { join } from "node:path";
import type { ProgressEvent } from "../core/events.ts";
import { isWorkedOn } from "../em/run/run-lock.ts";
import { readJson } from "./fields.ts";

/** How a run stands: what its status.json and progress.json say. */
export interface Status {
  /** "running", "done", "interrupted", "failed"; or "killed", of a run whose process is gone. */
  readonly state: string;
  readonly updatedAt?: string | undefined;
  readonly message?: string | undefined;
  /** The stage that runs, as far as it has been told. */
  readonly progress?: Progress | undefined;
}

/** How far the stage is, and how fast. */
export type Progress = ProgressEvent & { readonly perSecond?: number | undefined };

/** How a run stands; undefined before it says so. @throws DataError if status.json is damaged */
export async function readStatus(folder: string): Promise<Status | undefined> {
  // In this order: a process that ends in between has said so before it lets go of the run.
  const worked = await isWorkedOn(folder);
  const fields = await readJson(join(folder, "status.json"));
  if (fields === undefined) return undefined;
  const state = fields.string("state");
  const updatedAt = fields.optionalString("updatedAt");
  if (state !== "running") return { state, updatedAt, message: fields.optionalString("message") };
  // A power cut may damage it, and the one of an earlier process says nothing of this one.
  const progress = await readProgress(join(folder, "progress.json")).catch(() => undefined);
  const isOfThis = progress !== undefined && progress.updatedAt >= (updatedAt ?? "");
  const now = isOfThis ? { state, progress, updatedAt: progress.updatedAt } : { state, updatedAt };
  if (worked !== false) return now;
  return { ...now, state: "killed", message: "Its process is gone. Continue it with --resume." };
}

async function readProgress(path: string): Promise<(Progress & { updatedAt: string }) | undefined> {
  const fields = await readJson(path);
  return (
    fields && {
      updatedAt: fields.string("updatedAt"),
      stage: fields.string("stage"),
      iteration: fields.number("iteration"),
      iterations: fields.number("iterations"),
      done: fields.number("done"),
      total: fields.number("total"),
      unit: fields.string("unit"),
      perSecond: fields.optionalNumber("perSecond"),
      loss: fields.optionalNumber("loss"),
    }
  );
}
