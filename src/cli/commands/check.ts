import { resolve } from "node:path";
import { DataError } from "../../core/errors.ts";
import { writeFileAtomic } from "../../core/files.ts";
import { whole } from "../../core/kinds.ts";
import { formatShape, sameShape } from "../../core/shape.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import { checkRun } from "../../em/check.ts";
import type { RunFolder } from "../../em/run/run-folder.ts";
import { checkPage, levelsInWords } from "../../report/pages/check-page.ts";
import type { Arguments, Command } from "../arguments.ts";
import { DATA_OPTIONS, openData } from "../data.ts";
import { ITERATION_OPTION, openModel } from "../model-options.ts";
import { withSession } from "../session.ts";

export const check: Command = {
  name: "check",
  summary:
    "Tells from the measurements alone whether a learned prior can be believed: its intervals, noise, operator, sampler, training. Takes about a tenth of the training's time.",
  positionals: ["RUN", "[OBS]"],
  options: {
    out: { value: "FILE.html", help: "page to write", fallback: "RUN/check.html" },
    ...ITERATION_OPTION,
    seed: { value: "N", help: "seed of what is drawn", fallback: "0" },
    ...DATA_OPTIONS,
  },
  run: (args) =>
    withSession(args, async ({ engine, watch }) => {
      const { run, iteration } = await openModel(args);
      const learned = await openData(args, run.info.observations.path);
      const observations = await othersOf(args, run, learned);
      const seed = args.value("seed", whole(0)) ?? 0;
      const found = await checkRun(run, learned, { ...watch, observations, iteration, seed, engine });
      const out = resolve(args.text("out") ?? `${run.path}/check.html`);
      await writeFileAtomic(out, checkPage(run.info.name, found));
      const verdicts = found.verdicts.map(({ pictures: _, ...verdict }) => verdict);
      const lines = verdicts.map(
        ({ name, level, because, remedy }) =>
          `  ${name.padEnd(15)} ${level.padEnd(8)} ${because}${remedy && level !== "unknown" ? ` ${remedy}` : ""}`,
      );
      return {
        text: [levelsInWords(found.verdicts), ...lines, `Wrote ${out}`].join("\n"),
        figures: { run: run.path, iteration, out, ...found.sizes, seconds: found.seconds, verdicts },
      };
    }),
};

/** The observations that the command was given, unless they are those of the run. */
async function othersOf(
  args: Arguments,
  run: RunFolder,
  learned: ObservationSet,
): Promise<ObservationSet | undefined> {
  const path = args.positionals[1];
  if (path === undefined) return undefined;
  const observations = await openData(args, path);
  const { latentShape, checksum } = run.info.observations;
  if (!sameShape(observations.header.latentShape, latentShape))
    throw new DataError(
      `${observations.path}: expected latents ${formatShape(latentShape)} as in the run, found ${formatShape(observations.header.latentShape)}.`,
    );
  return observations.path === learned.path || (await observations.checksum()) === checksum
    ? undefined
    : observations;
}
