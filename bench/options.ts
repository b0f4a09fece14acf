import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { ConfigError } from "../src/core/errors.ts";
import { didYouMean } from "../src/core/nearest.ts";
import { CASES, type CaseName } from "./cases.ts";

/** What the command line asks for. */
export interface Options {
  readonly peers: boolean;
  readonly json: string | undefined;
  readonly only: readonly Part[];
  readonly threads: number;
  readonly rounds: number;
  readonly python: string | undefined;
}

/** Parts of the bench that `--only` names. */
export const PARTS = [...CASES, "operations", "startup", "growth"] as const;
export type Part = CaseName | "operations" | "startup" | "growth";

export const USAGE = `Usage: npm run bench -- [--peers] [--json FILE] [--only NAME,...] [--threads N] [--runs N] [--python PATH]

  --peers        also measure PyTorch, azula, JAX and TypeScript libraries (installed into bench/peers)
  --json FILE    where to write every figure, with a description of the machine
  --only LIST    of ${PARTS.join(", ")}; all unless given
  --threads N    threads of every side; the machine's cores unless given
  --runs N       rounds in which the sides take turns; 5 unless given
  --python PATH  an interpreter that has the packages of bench/peers/requirements.txt`;

/** @throws ConfigError */
export function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parse(args);
  if (values.help) return "help";
  const only = (values.only?.split(",") ?? PARTS) as readonly Part[];
  for (const name of only)
    if (!PARTS.includes(name))
      throw new ConfigError(
        `bench: --only must list some of ${PARTS.join(", ")}; got ${name}.${didYouMean(name, PARTS)}`,
      );
  return {
    peers: values.peers,
    json: values.json,
    only,
    threads: positive("threads", values.threads, availableParallelism()),
    rounds: positive("runs", values.runs, 5),
    python: values.python,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        peers: { type: "boolean", default: false },
        json: { type: "string" },
        only: { type: "string" },
        threads: { type: "string" },
        runs: { type: "string" },
        python: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (cause) {
    throw new ConfigError(`bench: ${(cause as Error).message}. See npm run bench -- --help.`, { cause });
  }
}

function positive(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (!(Number.isInteger(value) && value >= 1))
    throw new ConfigError(`bench: --${name} must be a whole number >= 1, got ${text}.`);
  return value;
}
