import { ConfigError, DiemError, isErrorOf } from "../core/errors.ts";
import { systemFailure, writeFailure } from "../core/files.ts";
import { didYouMean } from "../core/nearest.ts";
import { type Command, commandHelp, parseArguments } from "./arguments.ts";

/** Exit codes: done, failed, wrong usage or bad input, interrupted (and resumable); `ENDED_WORSE` is that of `train`. */
const DONE = 0;
const FAILED = 1;
const BAD_INPUT = 2;
const INTERRUPTED = 130;

/** Commands are loaded when they run, so that help and mistakes are answered at once. */
const COMMANDS: Readonly<
  Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>
> = {
  demo: {
    summary: "learn a prior of digits from observations of which 75 % is missing",
    load: async () => (await import("./commands/demo.ts")).demo,
  },
  data: {
    summary: "get sets of clean images: CIFAR-10, or a folder of pictures",
    load: async () => (await import("./data-sets.ts")).dataCommand,
  },
  corrupt: {
    summary: "make observations from clean arrays, to try things on",
    load: async () => (await import("./commands/corrupt.ts")).corrupt,
  },
  import: {
    summary: "make observations from arrays of your own",
    load: async () => (await import("./commands/import.ts")).importCommand,
  },
  "import-mri": {
    summary: "make observations of accelerated MRI from scans",
    load: async () => (await import("./commands/mri.ts")).importMri,
  },
  merge: {
    summary: "make one set of observations of several kinds",
    load: async () => (await import("./commands/merge.ts")).merge,
  },
  train: {
    summary: "learn a prior from observations",
    load: async () => (await import("./commands/train.ts")).trainCommand,
  },
  config: {
    summary: "print the configuration that train would use",
    load: async () => (await import("./config.ts")).config,
  },
  sample: {
    summary: "draw samples from a learned prior",
    load: async () => (await import("./commands/sample.ts")).sample,
  },
  reconstruct: {
    summary: "draw posterior samples for observations",
    load: async () => (await import("./commands/reconstruct.ts")).reconstruct,
  },
  draw: {
    summary: "draw a share of a run's next E-step, beside other processes and machines",
    load: async () => (await import("./commands/draw.ts")).draw,
  },
  export: {
    summary: "write a learned prior as an ONNX file, for Python and others",
    load: async () => (await import("./commands/export.ts")).exportCommand,
  },
  web: {
    summary: "write a page that draws from a learned prior in the browser",
    load: async () => (await import("./commands/web.ts")).webCommand,
  },
  check: {
    summary: "tell from the measurements alone whether a learned prior can be believed",
    load: async () => (await import("./commands/check.ts")).check,
  },
  evaluate: {
    summary: "compare samples with a reference: FID, precision, recall, ...",
    load: async () => (await import("./commands/evaluate.ts")).evaluate,
  },
  benchmark: {
    summary: "compare posterior methods on held-out images",
    load: async () => (await import("./commands/benchmark.ts")).benchmark,
  },
  report: {
    summary: "draw the report of a run, or compare several",
    load: async () => (await import("./commands/report.ts")).report,
  },
  watch: {
    summary: "show a run, or several, in the browser as they go",
    load: async () => (await import("./commands/watch.ts")).watchCommand,
  },
  info: {
    summary: "describe and check a run, observations or a file of diem's",
    load: async () => (await import("./commands/info.ts")).info,
  },
};

function usage(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return [
    "diem learns diffusion priors from incomplete, noisy observations alone.",
    "",
    "Usage: diem COMMAND [options]",
    "",
    ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "diem COMMAND --help tells the options of a command; diem --version, which diem this is.",
    "Exit codes: 0 done, 1 failed, 2 wrong usage or bad input, 3 trained but worse than at the start, 130 interrupted and resumable.",
  ].join("\n");
}

/** Runs the command line. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  try {
    if (name === "--version") {
      process.stdout.write(`${(await import("../em/train.ts")).CREATED_BY}\n`);
      return DONE;
    }
    if (name === undefined || ["--help", "-h", "help"].includes(name)) {
      process.stdout.write(`${usage()}\n`);
      return name === undefined ? BAD_INPUT : DONE;
    }
    const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!entry)
      throw new ConfigError(
        `diem: there is no command ${name}.${didYouMean(name, Object.keys(COMMANDS))} See diem --help.`,
      );
    const command = await entry.load();
    const parsed = parseArguments(command, rest);
    if (parsed.flag("help")) {
      process.stdout.write(`${commandHelp(command)}\n`);
      return DONE;
    }
    const { text, figures, exitCode = DONE } = await command.run(parsed);
    process.stdout.write(`${text}\n`);
    if (parsed.flag("json")) process.stdout.write(`${JSON.stringify(figures)}\n`);
    return exitCode;
  } catch (error) {
    return reportError(error);
  }
}

/**
 * A reader that goes away (`diem ... | head`, a closed terminal) is no error, and no reason to stop a run; a full disk
 * behind standard output is an error.
 */
export function outliveReaders(stdout: NodeJS.WritableStream, stderr: NodeJS.WritableStream): void {
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.exitCode = reportError(writeFailure("standard output", error));
  });
  stderr.on("error", () => undefined); // nowhere is left to tell
}

/** Prints an error in one line. @returns the exit code that it stands for */
export function reportError(thrown: unknown): number {
  const error = systemFailure(thrown);
  const message = error instanceof Error ? error.message : String(error);
  const interrupted = isErrorOf(error, "AbortedError");
  const kind = interrupted ? "Interrupted" : "Error";
  process.stderr.write(`${kind}: ${message.replaceAll("\n", " ")}\n`);
  if (process.env.DIEM_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (interrupted) return INTERRUPTED;
  const badInput = ["ConfigError", "DataError", "ShapeError"] as const;
  if (badInput.some((name) => isErrorOf(error, name))) return BAD_INPUT;
  if (!(error instanceof DiemError))
    process.stderr.write("This is a bug in diem. Run again with DIEM_DEBUG=1 for details and report it.\n");
  return FAILED;
}
