import { resolve } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { whole } from "../../core/kinds.ts";
import { drawShard } from "../../em/draw-shard.ts";
import { RunFolder } from "../../em/run/run-folder.ts";
import type { Arguments, Command } from "../arguments.ts";
import { DATA_OPTIONS, openData } from "../data.ts";
import { withSession } from "../session.ts";

export const draw: Command = {
  name: "draw",
  summary:
    "Draws a share of a run's next E-step into files that diem train --resume takes, so that several processes and machines share the work.",
  positionals: ["RUN"],
  options: {
    shard: {
      value: "I/N",
      help: "the share: I of N, from 1; what is there already is not drawn again",
      isRequired: true,
    },
    iteration: { value: "K", help: "EM iteration to draw for", fallback: "the one that the run does next" },
    ...DATA_OPTIONS,
  },
  run: (args) =>
    withSession(args, async ({ engine, watch }) => {
      const [index, count] = shardOf(args);
      const iteration = args.value("iteration", whole(1));
      const run = await RunFolder.open(resolve(args.positionals[0]!));
      const observations = await openData(args, run.info.observations.path);
      const share = await drawShard(run, observations, { ...watch, index, count, iteration, engine });
      const { draws, drawn } = share;
      const name = `Iteration ${share.iteration}, share ${index} of ${count}`;
      const there = draws === 0 ? "nothing to draw" : `${draws} draws, ${drawn} of them made now`;
      return { text: `${name}: ${there}.`, figures: { run: run.path, ...share, index, count } };
    }),
};

/** I and N of I/N. */
function shardOf(args: Arguments): [number, number] {
  const text = args.required("shard");
  const [, index, count] = /^(\d{1,9})\/(\d{1,9})$/.exec(text)?.map(Number) ?? [];
  if (!index || !count || index > count)
    throw new ConfigError(`--shard must be I/N with I from 1 to N, as 1/4, got "${text}".`);
  return [index, count];
}
