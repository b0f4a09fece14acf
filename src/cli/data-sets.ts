/** The command `data`: sets of clean images as arrays, to corrupt, to learn from or to compare with. */

import { basename, join, resolve } from "node:path";
import { hostArray } from "../core/array.ts";
import { AbortedError, ConfigError, DataError, isErrorOf } from "../core/errors.ts";
import type { Watch } from "../core/events.ts";
import { makeFolder } from "../core/files.ts";
import { check, either, file, oneOf, pair, whole } from "../core/kinds.ts";
import { formatShape } from "../core/shape.ts";
import { writeNpy, writeNpyRows } from "../data/arrays/npy.ts";
import { CIFAR10_ARCHIVE, type Cifar10, openCifar10 } from "../data/cifar10.ts";
import { checkMd5, download } from "../data/download.ts";
import { writeImageFolder } from "../data/images/image-folder.ts";
import type { Arguments, Command, Outcome } from "./arguments.ts";
import { withSession } from "./session.ts";

const SETS = ["cifar10", "images"];
/** Options that belong to one set only. */
const OWN_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  cifar10: ["from", "url"],
  images: ["size", "grey", "on-bad"],
};
/** Images that are converted at a time. */
const CHUNK = 1000;
const MEGABYTE = 1e6;

export const dataCommand: Command = {
  name: "data",
  summary:
    "Makes arrays of clean images, values in [-2, 2]. data cifar10 --out DIR downloads CIFAR-10; data images FOLDER --size N --out FILE.npy gathers PNG and JPEG files.",
  positionals: ["cifar10|images FOLDER..."],
  options: {
    out: { value: "PATH", help: "cifar10: folder to write; images: .npy file to write", isRequired: true },
    from: { value: "PATH", help: `cifar10: ${CIFAR10_ARCHIVE.name} at hand, or a folder of its .bin files` },
    url: { value: "URL", help: "cifar10: where to download it", fallback: CIFAR10_ARCHIVE.url },
    size: {
      value: "H,W",
      help: "images: height and width, or one number for both; cut from the centre and averaged",
    },
    grey: { help: "images: one channel of luminance instead of three of colour" },
    "on-bad": { value: "WHAT", help: "images: skip or refuse files that cannot be used", fallback: "refuse" },
  },
  run: (args) =>
    withSession(args, async ({ watch }) => {
      const [set, ...rest] = args.positionals as [string, ...string[]];
      check(oneOf(SETS), set, "diem data: the set");
      for (const [owner, options] of Object.entries(OWN_OPTIONS))
        for (const option of options)
          if (owner !== set && (args.flag(option) || args.text(option) !== undefined))
            throw new ConfigError(`diem data: --${option} is no option of ${set}. Leave it out.`);
      if (rest.length !== (set === "images" ? 1 : 0))
        throw new ConfigError(
          `diem data: expected ${set === "images" ? "one FOLDER after images" : "nothing after cifar10"}, got ${rest.join(" ") || "nothing"}. See diem data --help.`,
        );
      return set === "images" ? await gather(rest[0]!, args, watch) : await cifar10(args, watch);
    }),
};

async function cifar10(args: Arguments, watch: Watch): Promise<Outcome> {
  const out = resolve(args.required("out"));
  const from = args.text("from");
  if (from !== undefined && args.text("url") !== undefined)
    throw new ConfigError("diem data: --url is of no use with --from. Leave one of them out.");
  await makeFolder(out);
  const source =
    from === undefined ? await fetchArchive(args, join(out, CIFAR10_ARCHIVE.name), watch) : resolve(from);
  if (from?.endsWith(".gz"))
    await checkMd5(source, CIFAR10_ARCHIVE.md5, `Give ${CIFAR10_ARCHIVE.name} as it is published.`);
  // Both are opened before anything is written: what is damaged or missing leaves no set without its other part.
  const train = await openCifar10(source, "train");
  const test = await openCifar10(source, "test");
  const files = {
    ...(await writePart(out, "train", train, watch)),
    ...(await writePart(out, "test", test, watch)),
  };
  return {
    text: `Wrote CIFAR-10 to ${out}: train.npy ${formatShape(train.shape)} and test.npy ${formatShape(test.shape)} in [-2, 2], and labels. Make observations with: diem corrupt ${join(out, "train.npy")} OBS --range=-2,2`,
    figures: { out, train: train.shape[0], test: test.shape[0], files },
  };
}

/** Writes PART.npy, float32 in [-2, 2], and PART-labels.npy, uint8. @returns their paths */
async function writePart(
  out: string,
  part: "train" | "test",
  { shape, labels, read }: Cifar10,
  watch: Watch,
): Promise<Readonly<Record<string, string>>> {
  const path = join(out, `${part}.npy`);
  const count = shape[0]!;
  await writeNpyRows(path, shape, "float32", async (append) => {
    for (let start = 0; start < count; start += CHUNK) {
      if (watch.signal?.aborted) throw new AbortedError(`${path}: stopped. Run the command again.`);
      const end = Math.min(start + CHUNK, count);
      await append(read(start, end));
      watch.onEvent?.(event(`Writing ${basename(path)}`, end, count, "images"));
    }
  });
  const labelPath = join(out, `${part}-labels.npy`);
  await writeNpy(labelPath, hostArray("uint8", [labels.length], labels));
  return { [part]: path, [`${part}Labels`]: labelPath };
}

async function fetchArchive(args: Arguments, path: string, watch: Watch): Promise<string> {
  const url = args.text("url") ?? CIFAR10_ARCHIVE.url;
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new ConfigError(`diem data: --url must be an address of http or https, got "${url}".`);
  const onProgress = (done: number, total: number) => {
    const all = Math.ceil(total / MEGABYTE);
    watch.onEvent?.(event("Download", done < total ? done / MEGABYTE : all, all, "MB"));
  };
  try {
    await download(url, path, { md5: CIFAR10_ARCHIVE.md5, onProgress, signal: watch.signal });
  } catch (error) {
    if (!isErrorOf(error, "DataError") || !(error as DataError).message.startsWith(url)) throw error;
    const { message } = error as DataError;
    throw new DataError(
      `${message} Or take ${CIFAR10_ARCHIVE.name} from elsewhere and give it with --from.`,
      { cause: error },
    );
  }
  return path;
}

async function gather(folder: string, args: Arguments, watch: Watch): Promise<Outcome> {
  const out = resolve(args.required("out", file(".npy")));
  const size = args.required("size", either(whole(1), pair(whole(1), "whole numbers >= 1")));
  const { shape, files, skipped } = await writeImageFolder(resolve(folder), out, {
    size: typeof size === "number" ? [size, size] : size,
    grey: args.flag("grey"),
    onBad: args.value("on-bad", oneOf(["skip", "refuse"])) ?? "refuse",
    onProgress: (done, total) => watch.onEvent?.(event("Reading", done, total, "files")),
    signal: watch.signal,
  });
  for (const { reason } of skipped) process.stderr.write(`Skipped: ${reason}\n`);
  return {
    text: `Wrote ${files.length} images [${shape.join(", ")}] in [-2, 2] to ${out}. Skipped ${skipped.length} files.`,
    figures: { out, shape, count: files.length, skipped },
  };
}

function event(stage: string, done: number, total: number, unit: string) {
  return { stage, iteration: 0, iterations: 0, done, total, unit };
}
