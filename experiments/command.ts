import { resolve } from "node:path";
import { type Arguments, type Command, parseArguments } from "../src/cli/arguments.ts";
import { reportError } from "../src/cli/command-line.ts";
import { withSession } from "../src/cli/session.ts";
import { ConfigError } from "../src/core/errors.ts";
import { finite, positive, whole } from "../src/core/kinds.ts";
import { didYouMean } from "../src/core/nearest.ts";
import { EXPERIMENTS, OWN_OPTIONS } from "./registry.ts";

const COMMAND: Command = {
  name: "experiment",
  summary: "Runs an experiment.",
  positionals: ["NAME..."], // a shell turns --data *.h5 into one value and further arguments
  options: {
    recipe: { value: "NAME", help: "sizes and times", fallback: "laptop" },
    out: { value: "DIR", help: "folder for results.json and report.html" },
    data: { value: "FILES", help: "files to learn from, where the experiment needs some", many: true },
    tasks: {
      value: "LIST",
      help: "mri: accelerations to reconstruct at, and crop, e.g. 2,4,8,crop; cifar10: covariances to compare; battery: cells",
      fallback: "the recipe's",
    },
    validate: { help: "mri: reconstruct the validation slices, to choose settings without the test slices" },
    predict: {
      value: "MINUTES",
      help: "mri, cifar10: only time the parts of learning, for so long each at most, and predict how long it would take",
    },
    features: {
      value: "FILE.onnx",
      help: "cifar10: network of features, e.g. the Inception network for FID",
      fallback: "random features",
    },
    set: { value: "PATH=VALUE", help: "battery: one field of the runs' configuration", many: true },
    minutes: { value: "N", help: "battery: how long each run may take", fallback: "the runs' default" },
    seed: { value: "N", help: "what is random follows from it", fallback: "0" },
  },
  run: async (args) => {
    const [name, ...more] = args.positionals as [string, ...string[]];
    const data = [...args.texts("data"), ...more].map((path) => resolve(path));
    if (more.length > 0 && args.texts("data").length === 0)
      throw new ConfigError(
        `experiment: expected one NAME, got ${args.positionals.join(" ")}. Give files with --data.`,
      );
    const entry = EXPERIMENTS[name];
    if (!entry)
      throw new ConfigError(
        `experiment: there is no experiment ${name}.${didYouMean(name, Object.keys(EXPERIMENTS))} There are: ${Object.keys(EXPERIMENTS).join(", ")}.`,
      );
    const recipe = args.text("recipe") ?? "laptop";
    const recipes = Object.keys(entry.recipes);
    if (!recipes.includes(recipe))
      throw new ConfigError(
        `experiment ${name}: there is no recipe ${recipe}.${didYouMean(recipe, recipes)} There are: ${recipes.join(", ")}.`,
      );
    const out = args.required("out");
    const tasks = args.text("tasks")?.split(",") ?? [];
    const validate = args.flag("validate");
    const predict = args.value("predict", finite);
    const features = args.text("features");
    for (const option of OWN_OPTIONS)
      if (isGiven(args, option) && !entry.options?.includes(option))
        throw new ConfigError(`experiment ${name}: --${option} is no option of ${name}. Leave it out.`);
    const seed = args.value("seed", whole(0)) ?? 0;
    const set = args.texts("set");
    const minutes = args.value("minutes", positive);
    const run = await entry.load();
    const chosen = {
      experiment: name,
      recipe,
      out,
      seed,
      data,
      tasks,
      validate,
      predict,
      features,
      set,
      minutes,
    };
    return withSession(args, (session) => run({ ...chosen, session }));
  },
};

function isGiven(args: Arguments, option: string): boolean {
  return args.text(option) !== undefined || args.flag(option) || args.texts(option).length > 0;
}

/** What there is to run. */
export function usage(): string {
  const lines = Object.entries(EXPERIMENTS).flatMap(([name, { summary, recipes }]) => [
    `  ${name}: ${summary}`,
    ...Object.entries(recipes).map(([recipe, help]) => `    --recipe ${recipe.padEnd(10)} ${help}`),
  ]);
  return [
    "Usage: npm run experiment -- NAME --out DIR [--recipe laptop] [--seed 0] [--json] [--quiet]",
    "",
    ...lines,
  ].join("\n");
}

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted */
export async function main(args: readonly string[]): Promise<number> {
  try {
    if (args.length === 0 || args.includes("--help")) {
      process.stdout.write(`${usage()}\n`);
      return args.length === 0 ? 2 : 0;
    }
    const parsed = parseArguments(COMMAND, args);
    const { text, figures } = await COMMAND.run(parsed);
    process.stdout.write(`${text}\n`);
    if (parsed.flag("json")) process.stdout.write(`${JSON.stringify(figures)}\n`);
    return 0;
  } catch (error) {
    return reportError(error);
  }
}
