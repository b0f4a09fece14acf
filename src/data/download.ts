/** Downloads that go on where they stopped, and count only when their checksum fits. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AbortedError, DataError } from "../core/errors.ts";
import { expectRegular, readFailure, syncFolder, writeFailure } from "../core/files.ts";

/** Options of `download`. */
export interface DownloadOptions {
  /** MD5 of the whole file, as publishers of data state it: against accidents, not against attackers. */
  readonly md5: string;
  /** Told the bytes that are there and the bytes in all, if the server says how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Stops; what has arrived is kept. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds before the second try; twice as many before each further one. Default 1000. */
  readonly pause?: number;
  /** Milliseconds without a byte after which a connection counts as cut. Default 30 000. */
  readonly patience?: number;
}

/** Defaults of `download`. */
export const DOWNLOAD_DEFAULTS = { pause: 1000, patience: 30_000 } as const;

/** Tries in a row that bring nothing before it gives up. */
const TRIES = 4;

/**
 * Downloads a file; does nothing if it is there. Until it is whole it is called PATH.part, which a later call goes on
 * with where the server can send parts.
 * @throws DataError without network, if the server refuses, or if the checksum differs
 * @throws AbortedError if the signal stopped it
 */
export async function download(url: string, path: string, options: DownloadOptions): Promise<void> {
  if (await sizeOf(path)) return await checkMd5(path, options.md5, "Remove it to download it again.");
  const part = `${path}.part`;
  const kept = (size: number) =>
    size > 0
      ? `${size} bytes are kept in ${basename(part)}; run again to go on.`
      : "Check the network and run again.";
  let most = await sizeOf(part);
  for (let failures = 0; ; ) {
    try {
      await receive(url, part, options);
      break;
    } catch (error) {
      const after = await sizeOf(part);
      if (options.signal?.aborted) throw new AbortedError(`${url}: the download was stopped. ${kept(after)}`);
      if (!(error instanceof Interruption)) throw error;
      failures = after > most ? 1 : failures + 1;
      most = Math.max(most, after); // where parts cannot be had, each try begins anew
      if (failures >= TRIES)
        throw new DataError(`${url}: expected a download, found ${error.message}. ${kept(after)}`, {
          cause: error.cause,
        });
      const pause = (options.pause ?? DOWNLOAD_DEFAULTS.pause) * 2 ** (failures - 1);
      await sleep(pause, undefined, { signal: options.signal }).catch(() => undefined); // the next try finds it aborted
    }
  }
  try {
    await checkMd5(part, options.md5, "It was removed; run again, or take another mirror.");
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  try {
    await rename(part, path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** @throws DataError unless the file has that MD5 */
export async function checkMd5(path: string, md5: string, remedy: string): Promise<void> {
  const hash = createHash("md5");
  try {
    await expectRegular(path);
    for await (const piece of createReadStream(path)) hash.update(piece);
  } catch (error) {
    throw readFailure(path, "a file", error);
  }
  const found = hash.digest("hex");
  if (found !== md5) throw new DataError(`${path}: expected MD5 ${md5}, found ${found}. ${remedy}`);
}

/** What another try may mend. */
class Interruption extends Error {}

/** Adds to `part` what is missing there. @throws Interruption, DataError */
async function receive(url: string, part: string, options: DownloadOptions): Promise<void> {
  const patience = options.patience ?? DOWNLOAD_DEFAULTS.patience;
  const silence = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, silence.signal]) : silence.signal;
  const timer = setTimeout(() => silence.abort(), patience);
  try {
    const have = await sizeOf(part);
    const headers = { "accept-encoding": "identity", ...(have > 0 && { range: `bytes=${have}-` }) };
    const response = await fetch(url, { headers, signal });
    const plan = await begin(url, response, part, have);
    if (plan === undefined) return;
    await append(response, part, plan, options, () => timer.refresh());
  } catch (error) {
    if (error instanceof Interruption || error instanceof DataError) throw error;
    if (silence.signal.aborted) throw new Interruption(`no byte for ${patience / 1000} s`, { cause: error });
    // What fetch and its body throw are TypeErrors; anything else is the disk's.
    if (!(error instanceof TypeError)) throw writeFailure(part, error);
    throw new Interruption(reasonOf(error), { cause: error });
  } finally {
    clearTimeout(timer);
    silence.abort(); // lets go of a body that was not read
  }
}

/** Where to write, and how many bytes there will be; undefined if all are there. */
async function begin(url: string, response: Response, part: string, have: number) {
  const { status } = response;
  if (status === 416 && have > 0) {
    const total = Number(/^bytes \*\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]);
    if (total === have) return undefined;
    await rm(part, { force: true });
    throw new Interruption("a file of another length than before");
  }
  if (status >= 500 || status === 429) throw new Interruption(`status ${status}`);
  if (status === 206) {
    const [, start, total] =
      /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
    if (Number(start) === have) return { from: have, total: Number(total) };
    await rm(part, { force: true });
    throw new Interruption("another part than the one asked for");
  }
  if (status !== 200)
    throw new DataError(`${url}: expected a download, found status ${status}. Take another mirror.`);
  const length = response.headers.get("content-length"); // a server without parts begins anew
  return { from: 0, total: length === null ? Number.NaN : Number(length) };
}

async function append(
  response: Response,
  part: string,
  { from, total }: { readonly from: number; readonly total: number },
  { onProgress }: DownloadOptions,
  onPiece: () => void,
): Promise<void> {
  const file = await open(part, from > 0 ? "a" : "w");
  try {
    let done = from;
    const tell = () => {
      if (total > 0) onProgress?.(done, total);
    };
    tell();
    for await (const piece of response.body ?? []) {
      onPiece();
      await file.writeFile(piece);
      done += piece.length;
      tell();
    }
    if (done < total) throw new Interruption(`the connection cut after ${done} of ${total} bytes`);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** "no such host (ENOTFOUND)" */
function reasonOf(error: Error): string {
  const { code = "" } = (error.cause ?? {}) as { code?: string };
  const reasons: Readonly<Record<string, string>> = {
    ENOTFOUND: "no such host, or no network",
    EAI_AGAIN: "no network",
    ENETUNREACH: "no network",
    ECONNREFUSED: "a server that does not answer",
    ECONNRESET: "the connection cut",
    UND_ERR_SOCKET: "the connection cut",
  };
  const reason = reasons[code] ?? (error.message === "terminated" ? "the connection cut" : error.message);
  return code === "" ? reason : `${reason} (${code})`;
}

/** 0 if there is no such file. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw readFailure(path, "a file", error);
  }
}
