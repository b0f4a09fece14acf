/** The interpreter of the Python peers. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../src/core/errors.ts";

/** Folder of the peers' programs, beside the sources also when this runs from build/. */
export const PEERS = join(import.meta.dirname, "../../bench/peers");

const REQUIREMENTS = join(PEERS, "requirements.txt");

/**
 * The interpreter that was given, or that of bench/peers/.venv, which is made when it is missing.
 * @throws DataError telling what is missing
 */
export function pythonInterpreter(given: string | undefined, onEvent: (text: string) => void): string {
  const interpreter = given ?? join(PEERS, ".venv/bin/python");
  if (given === undefined && !existsSync(interpreter)) install(onEvent);
  try {
    execFileSync(interpreter, ["-c", "import torch, azula, jax, safetensors"], { stdio: "pipe" });
  } catch (cause) {
    throw new DataError(
      `bench: expected an interpreter with torch, azula, jax and safetensors, found ${interpreter}: ${lastLine(cause)}. Delete bench/peers/.venv to install it anew, or name another one with --python.`,
      { cause },
    );
  }
  return interpreter;
}

function install(onEvent: (text: string) => void): void {
  const folder = join(PEERS, ".venv");
  onEvent(`installing ${readFileSync(REQUIREMENTS, "utf8").trim().split("\n").join(", ")} into ${folder}`);
  try {
    execFileSync("python3", ["-m", "venv", folder], { stdio: "pipe" });
    execFileSync(join(folder, "bin/pip"), ["install", "--quiet", "-r", REQUIREMENTS], { stdio: "pipe" });
  } catch (cause) {
    throw new DataError(
      `bench: expected Python 3.11 or newer with venv and a network to install ${REQUIREMENTS}, found: ${lastLine(cause)}. Install them, or name an interpreter that has the packages with --python.`,
      { cause },
    );
  }
}

/** Versions of the peers' libraries. */
export function pythonVersions(interpreter: string): Record<string, string> {
  const program =
    "import json, sys; from importlib.metadata import version as v; print(json.dumps({'python': sys.version.split()[0], **{n: v(n) for n in ('torch', 'azula', 'jax')}}))";
  return JSON.parse(execFileSync(interpreter, ["-c", program], { encoding: "utf8" })) as Record<
    string,
    string
  >;
}

function lastLine(cause: unknown): string {
  const { stderr, message } = cause as { stderr?: Buffer; message: string };
  return (stderr?.toString().trim() || message).split("\n").at(-1)!;
}
