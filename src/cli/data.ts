import { resolve } from "node:path";
import { openObservationsOrArchive } from "../data/observations/observation-arrays.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import type { Arguments, OptionSpec } from "./arguments.ts";

/** Options of commands that open observations. */
export const DATA_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  "allow-module": { help: "run the module of the observations' operator: code, with your rights" },
};

/** The observations at a path that the command was given. */
export async function openData(args: Arguments, path: string): Promise<ObservationSet> {
  return await openObservationsOrArchive(resolve(path), { allowModules: args.flag("allow-module") });
}
