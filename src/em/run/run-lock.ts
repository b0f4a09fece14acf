import { constants } from "node:fs";
import { copyFile, link, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { DataError } from "../../core/errors.ts";
import {
  expectRegular,
  readFailure,
  releaseTemporary,
  temporaryBeside,
  writeFailure,
} from "../../core/files.ts";
import { isRecord, parseJson } from "../../core/json.ts";

/** The right to write to a run. */
export interface RunLock {
  release(): Promise<void>;
}

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
  /** When the process began, where the system tells: a process id alone may belong to another process by now. */
  readonly born: string;
}

const NAME = /^\.lock-(\d{1,15})$/;
/** The greatest number that such a name has room for. */
const LAST = 10 ** 15 - 1;
/** Attempts, each after another process changed the locks. */
const ATTEMPTS = 1000;

/** Whether a file in a run folder is a lock. */
export function isLockName(name: string): boolean {
  return NAME.test(name);
}

/** Locks that this process holds. */
const held = new Set<string>();

/**
 * Takes the lock of a run folder. The lock is the file `.lock-N` with the greatest N, which tells its owner. That of a
 * dead process is not replaced but followed by N + 1, which only one process can create, so two that find the same
 * dead owner cannot both succeed; and only while N is as it was found, for others may have come and gone meanwhile.
 * @throws DataError if another process holds it, naming it, or the folder cannot be written
 */
export async function lockRun(folder: string): Promise<RunLock> {
  const own: Owner = {
    pid: process.pid,
    host: hostname(),
    since: new Date().toISOString(),
    born: await birth(process.pid),
  };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const newest = await newestLock(folder);
    const dead = newest > 0 ? await refuseLiving(folder, newest, own) : undefined;
    if (newest > 0 && dead === undefined) continue;
    if (newest === LAST)
      throw new DataError(
        `${lockPath(folder, newest)}: expected a lock with a lower number, found the last one, of a process that is gone. Delete it.`,
      );
    const path = lockPath(folder, newest + 1);
    if (!(await create(path, own))) continue;
    held.add(path);
    // One that saw an older state may just have created a lower number: the highest wins, if it follows what it saw.
    const follows = newest === 0 || (await readLock(folder, newest)) === dead;
    if (!follows || (await newestLock(folder)) !== newest + 1) {
      await release(path);
      continue;
    }
    for (let n = newest; n > 0 && n > newest - 8; n--) await rm(lockPath(folder, n), { force: true });
    return { release: () => release(path) };
  }
  throw new DataError(
    `${folder}: expected its locks to stay as they are for a moment, found them changing. Stop the other processes on this run.`,
  );
}

/** Whether a process works on the run; undefined if that is on another host, which cannot be asked. */
export async function isWorkedOn(folder: string): Promise<boolean | undefined> {
  const newest = await newestLock(folder);
  const text = newest > 0 ? await readLock(folder, newest) : undefined;
  const owner = text === undefined ? undefined : parseOwner(text);
  if (owner === undefined) return false;
  return owner.host === hostname() ? await isAlive(owner) : undefined;
}

async function release(path: string): Promise<void> {
  held.delete(path);
  await rm(path, { force: true }).catch(() => undefined);
}

const lockPath = (folder: string, n: number) => join(folder, `.lock-${n}`);

async function newestLock(folder: string): Promise<number> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw writeFailure(folder, error);
  });
  return Math.max(0, ...names.map((name) => Number(NAME.exec(name)?.[1] ?? 0)));
}

/** Creates a file with its content in one step. @returns false if it exists */
async function create(path: string, owner: Owner): Promise<boolean> {
  const temporary = temporaryBeside(path);
  try {
    await writeFile(temporary, JSON.stringify(owner), { flag: "wx", flush: true });
    // Some file systems have no links.
    await link(temporary, path).catch((error: unknown) => {
      if (codeOf(error) === "EEXIST") throw error;
      return copyFile(temporary, path, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw writeFailure(path, error);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
    releaseTemporary(temporary);
  }
}

/** The text of a lock, or undefined if it was released. @throws DataError if it cannot be read */
async function readLock(folder: string, n: number): Promise<string | undefined> {
  const path = lockPath(folder, n);
  const unlessGone = (error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw readFailure(path, "the lock of a run", error);
  };
  await expectRegular(path).catch(unlessGone);
  return await readFile(path, "utf8").catch(unlessGone);
}

/** @returns the lock's text, or undefined if it was released @throws DataError unless its owner is known to be gone */
async function refuseLiving(folder: string, n: number, own: Owner): Promise<string | undefined> {
  const path = lockPath(folder, n);
  const text = await readLock(folder, n);
  if (text === undefined) return undefined;
  const owner = parseOwner(text);
  if (owner === undefined)
    throw new DataError(
      `${path}: expected the lock of a run, found something else. Delete it if no process works on the run.`,
    );
  const who = `process ${owner.pid} on ${owner.host} since ${owner.since}`;
  if (owner.host !== own.host)
    throw new DataError(
      `${folder}: expected no other process on this run, found ${who}. Wait for it; if it is gone, delete ${path}.`,
    );
  if (owner.pid === own.pid ? held.has(path) : await isAlive(owner))
    throw new DataError(
      `${folder}: expected no other process on this run, found ${who}. Wait for it, or stop it.`,
    );
  return text;
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = parseJson(text);
    if (!isRecord(value) || !Number.isSafeInteger(value.pid) || Number(value.pid) < 1) return undefined;
    const { pid, host, since, born } = value;
    return { pid: Number(pid), host: `${host}`, since: `${since}`, born: `${born}` };
  } catch {
    return undefined;
  }
}

async function isAlive({ pid, born }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== "EPERM") return false;
  }
  const now = await birth(pid);
  return born === "" || now === "" || born === now;
}

/** Boot and start time of a process on Linux, else empty. */
async function birth(pid: number): Promise<string> {
  try {
    const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // Field 22 is the start time; field 2, the name in parentheses, may hold spaces.
    return `${boot} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return "";
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
