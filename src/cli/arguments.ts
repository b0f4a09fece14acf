import { parseArgs } from "node:util";
import { ConfigError } from "../core/errors.ts";
import { type Kind, parse, text } from "../core/kinds.ts";
import { didYouMean } from "../core/nearest.ts";

/** An option of a command. Flags have no `value`. */
export interface OptionSpec {
  /**
   * What stands for the value in the help, e.g. "N"; a value of several words takes as many arguments. One in brackets is a whole
   * number, or left out, and then an empty text.
   */
  readonly value?: string;
  readonly help: string;
  /** Shown in the help; the command applies it. */
  readonly fallback?: string;
  /** Named in the first line of the help; the command insists on it. */
  readonly isRequired?: true;
  /** May be given several times. */
  readonly many?: boolean;
}

/** A command of the command line. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Names of what follows the command; the last may end in "..." for several, one in brackets may be left out. */
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly run: (args: Arguments) => Promise<Outcome>;
}

/** The figures of a command, printed as JSON with --json, and a line for people. */
export interface Outcome {
  readonly text: string;
  /** Left out: 0. */
  readonly exitCode?: number;
  readonly figures: Readonly<Record<string, unknown>>;
}

/** Options that every command takes. */
export const COMMON_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  json: { help: "print one JSON object with the command's figures as the last line" },
  threads: { value: "N", help: "threads of the engine", fallback: "DIEM_THREADS, or all cores" },
  device: { value: "NAME", help: "cpu or webgpu", fallback: "cpu" },
  quiet: { help: "no progress; warnings are still printed" },
  help: { help: "show this help" },
};

/** A command's arguments, read by name with checks. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #command: Command;
  readonly #values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

  constructor(command: Command, positionals: readonly string[], values: Arguments["valuesType"]) {
    this.#command = command;
    this.positionals = positionals;
    this.#values = values;
  }

  /** Only names the type of the values. */
  declare readonly valuesType: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  texts(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** The value of an option, if it is given. @throws ConfigError if it is of another kind */
  value<T>(name: string, kind: Kind<T>): T | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parse(kind, text, this.#where(name), this.#remedy(name));
  }

  /** The value of an option that must be given. @throws ConfigError if it is missing, or of another kind */
  required(name: string): string;
  required<T>(name: string, kind: Kind<T>): T;
  required(name: string, kind: Kind<unknown> = text): unknown {
    if (this.text(name) === undefined)
      throw new ConfigError(`${this.#where(name)} is missing.${this.#remedy(name)}`);
    return this.value(name, kind);
  }

  #where(name: string): string {
    return `diem ${this.#command.name}: --${name}`;
  }

  /** Shows how the option is written. */
  #remedy(name: string): string {
    const { value = "" } = { ...COMMON_OPTIONS, ...this.#command.options }[name] ?? {};
    return ` Give --${name} ${value}.`;
  }
}

/** @throws ConfigError for options that do not exist (naming the nearest), values missing, or too many positionals */
export function parseArguments(command: Command, args: readonly string[]): Arguments {
  const options = { ...command.options, ...COMMON_OPTIONS };
  const { values, positionals, tokens } = parseArgs({
    args: joinedValues(args, options),
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, { value, many }]) => [
        name,
        {
          type: value ? ("string" as const) : ("boolean" as const),
          multiple: many ?? false,
          ...(name === "help" && { short: "h" }),
        },
      ]),
    ),
  });
  const where = `diem ${command.name}`;
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!spec)
      throw new ConfigError(
        `${where}: there is no option ${token.rawName}.${didYouMean(token.name, Object.keys(options))} See ${where} --help.`,
      );
    // Of `--count --out x`, "--out" would be taken for the count; `--count=--out` says so on purpose.
    const swallowed = token.value?.startsWith("--") && !token.inlineValue;
    if (spec.value && (token.value === undefined || swallowed))
      throw new ConfigError(`${where}: ${token.rawName} needs a value: ${token.rawName} ${spec.value}.`);
    if (!spec.value && token.value !== undefined)
      throw new ConfigError(`${where}: ${token.rawName} takes no value, got "${token.value}".`);
  }
  const open = command.positionals.at(-1)?.endsWith("...") ?? false;
  const least = command.positionals.filter((name) => !name.startsWith("[")).length;
  const expected = command.positionals.join(" ") || "nothing";
  if (
    !values.help &&
    (positionals.length < least || (!open && positionals.length > command.positionals.length))
  )
    throw new ConfigError(
      `${where}: expected ${expected}, got ${positionals.length === 0 ? "nothing" : positionals.join(" ")}. See ${where} --help.`,
    );
  return new Arguments(command, positionals, values);
}

/** Arguments in which a value of several words is one, its words apart by spaces, and one that may lack is there. */
function joinedValues(args: readonly string[], options: Command["options"]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < args.length; ) {
    const name = args[i]!.startsWith("--") ? args[i]!.slice(2) : "";
    const value = Object.hasOwn(options, name) ? (options[name]!.value ?? "") : "";
    const words = value.split(" ").length;
    const mayLack = value.startsWith("[");
    const next = args.slice(i + 1, i + 1 + words);
    const own = mayLack
      ? next.filter((word) => /^\d+$/.test(word))
      : next.filter((word) => !word.startsWith("--"));
    const isJoined = mayLack || (words > 1 && own.length > 0);
    joined.push(isJoined ? `${args[i]}=${own.join(" ")}` : args[i]!);
    i += isJoined ? 1 + own.length : 1;
  }
  return joined;
}

/** The help text of a command. */
export function commandHelp(command: Command): string {
  const required = Object.entries(command.options).flatMap(([name, { value, isRequired }]) =>
    isRequired ? [`--${name} ${value}`] : [],
  );
  const rows = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(
    ([name, { value, help, fallback }]) =>
      [
        `--${name}${value ? ` ${value}` : ""}`,
        `${help}${fallback ? ` (default: ${fallback})` : ""}`,
      ] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    `Usage: diem ${[command.name, ...command.positionals, ...required, "[options]"].join(" ")}`,
    "",
    command.summary,
    "",
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
  ].join("\n");
}
