/** Commands killed at random moments: run again, each writes the bytes of one left alone and leaves nothing else. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Rng } from "../../src/core/random.ts";
import { type Ended, type Moment, runDiem } from "./command-line.ts";
import { PREPARATION, WRITERS, type Writer, writeInputs } from "./commands.ts";

export interface KillOptions {
  /** Kills of all commands together; each takes its turn. */
  readonly kills: number;
  readonly seed: number;
  /** Of `WRITERS`. */
  readonly commands: readonly string[];
  /** A new folder to work in. */
  readonly folder: string;
}

/** A command that was killed and ran again. */
export interface Kill {
  readonly command: string;
  /** If it led to what it must not. */
  readonly fault: Fault | undefined;
}

export interface Fault {
  readonly moment: Moment;
  readonly reason: string;
}

/** A command's files after a run that was left alone, and how long it took. */
interface Alone extends Ended {
  readonly files: ReadonlyMap<string, string>;
}

/** One kill after the other. @throws Error if a command fails that nobody kills */
export async function* killAll({ kills, seed, commands, folder }: KillOptions): AsyncGenerator<Kill> {
  await prepare(join(folder, "inputs"));
  const alone = new Map<string, Alone>();
  for (let k = 0; k < kills; k++) {
    const command = commands[k % commands.length]!;
    const writer = WRITERS[command]!;
    if (!alone.has(command)) alone.set(command, await leaveAlone(join(folder, "alone"), writer));
    const rng = new Rng(seed).split(k);
    yield { command, fault: await killOnce(join(folder, `killed-${k}`), writer, alone.get(command)!, rng) };
  }
}

async function prepare(inputs: string): Promise<void> {
  mkdirSync(join(inputs, "out"), { recursive: true });
  writeInputs(inputs);
  for (const args of PREPARATION) await succeed(inputs, args);
}

async function leaveAlone(cwd: string, writer: Writer): Promise<Alone> {
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(join(cwd, "out"), { recursive: true });
  const ended = await succeed(cwd, writer.args);
  return { ...ended, files: filesOf(cwd, writer) };
}

async function succeed(cwd: string, args: readonly string[]): Promise<Ended> {
  const ended = await runDiem(cwd, args);
  if (ended.code !== 0) throw new Error(`kills: diem ${args[0]} ended with ${ended.code}: ${ended.err}`);
  return ended;
}

/** Kills a command, runs it to its end, and looks at what is there; a moment that comes too late is drawn anew. */
async function killOnce(cwd: string, writer: Writer, alone: Alone, rng: Rng): Promise<Fault | undefined> {
  for (;;) {
    rmSync(cwd, { recursive: true, force: true });
    mkdirSync(join(cwd, "out"), { recursive: true });
    const moment = momentIn(alone, rng);
    if (!(await runDiem(cwd, writer.args, moment)).killed) continue;
    const { resume } = writer;
    const again = resume && existsSync(join(cwd, resume.ifThere)) ? [resume.option] : [];
    const reason = wrongWith(cwd, writer, alone, await runDiem(cwd, [...writer.args, ...again]));
    if (reason !== undefined) return { moment, reason };
    rmSync(cwd, { recursive: true });
    return undefined;
  }
}

/** Half of the moments are spread over the time, half over the changes on the disk, which are close together. */
function momentIn({ seconds, changes }: Alone, rng: Rng): Moment {
  return rng.integer(2) === 0
    ? { seconds: seconds * rng.uniform() }
    : { change: 1 + rng.integer(Math.max(1, changes)) };
}

/** One that was killed when all was written may be refused, for its files are there. */
function wrongWith(cwd: string, writer: Writer, alone: Alone, { code, err }: Ended): string | undefined {
  const found = filesOf(cwd, writer);
  const names = readdirSync(join(cwd, "out"), { recursive: true, encoding: "utf8" });
  const left = names.filter((name) => /\.tmp|\.lock-|\.partial/.test(name));
  if (left.length > 0) return `left ${left.join(", ")}`;
  const other = [...new Set([...found.keys(), ...alone.files.keys()])].filter(
    (name) => found.get(name) !== alone.files.get(name),
  );
  if (other.length > 0) return `other bytes in ${other.join(", ")}; it ended with ${code}: ${err.trim()}`;
  const isDone = code === 0 || /found one\b|expected no/.test(err);
  return isDone ? undefined : `ended with ${code}: ${err.trim()}`;
}

/** The files that must be the same, with their bytes. */
function filesOf(cwd: string, { same }: Writer): Map<string, string> {
  const entries = readdirSync(join(cwd, "out"), { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return new Map(
    paths
      .filter((path) => same.test(path))
      .map((path) => [path.slice(cwd.length), readFileSync(path, "base64")]),
  );
}
