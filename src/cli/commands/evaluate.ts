import { ConfigError } from "../../core/errors.ts";
import { interval, whole } from "../../core/kinds.ts";
import { formatShape } from "../../core/shape.ts";
import { PRDC_DEFAULTS } from "../../metrics/prdc.ts";
import type { Arguments, Command } from "../arguments.ts";
import { openLpips } from "../evaluation/evaluate-network.ts";
import { comparePairs } from "../evaluation/evaluate-pairs.ts";
import { compareSets } from "../evaluation/evaluate-sets.ts";
import { type EvaluatedImages, openEvaluated, type Range } from "../evaluation/evaluated-images.ts";
import { type Session, withSession } from "../session.ts";

/** Images that pass through a network together. */
const BATCH = 32;

export const evaluate: Command = {
  name: "evaluate",
  summary:
    "Compares samples with a reference: FID or another Frechet distance, inception score, precision and recall, density\nand coverage; with --paired, image by image. SAMPLES is a .npy file [N, C, H, W], a folder of PNG files, or a run.",
  positionals: ["SAMPLES"],
  options: {
    reference: { value: "REF", help: "real images: a .npy file or a folder of PNG files", isRequired: true },
    features: { value: "FILE.onnx", help: "network of features, or digits for the package's classifier" },
    "feature-range": {
      value: "LO,HI",
      help: "black and white as that network takes them, unless it is the Inception network",
      fallback: "0,1",
    },
    range: {
      value: "LO,HI",
      help: "black and white in .npy files of floats",
      fallback: "that of the run, if SAMPLES is one",
    },
    neighbours: {
      value: "K",
      help: "the K-th nearest neighbour sets the radius of the balls of precision, recall, density and coverage",
      fallback: String(PRDC_DEFAULTS.neighbours),
    },
    paired: {
      help: "also PSNR and SSIM of each sample against its reference: the file of its name in folders, else the entry of its number",
    },
    lpips: { value: "FILE.onnx", help: "with --paired, also LPIPS by this network" },
    count: { value: "N", help: "samples: drawn if SAMPLES is a run, else the first", fallback: "all" },
    seed: { value: "N", help: "seed of the samples that are drawn", fallback: "0" },
    steps: { value: "T", help: "sampler steps of the samples that are drawn", fallback: "that of the run" },
    batch: { value: "N", help: "images computed together", fallback: String(BATCH) },
    cache: { value: "DIR", help: "folder for statistics of references", fallback: "~/.cache/diem" },
  },
  run: (args) =>
    withSession(args, async (session) => {
      const where = args.required("reference");
      if (args.text("features") === undefined && !args.flag("paired"))
        throw new ConfigError(
          "diem evaluate: --features is missing. Give --features FILE.onnx, or --paired.",
        );
      if (args.text("lpips") !== undefined && !args.flag("paired"))
        throw new ConfigError("diem evaluate: --lpips compares pairs. Give --paired as well.");
      const draw = {
        count: args.value("count", whole(2)),
        seed: args.value("seed", whole(0)) ?? 0,
        steps: args.value("steps", whole(1)),
      };
      const samples = await openEvaluated(args.positionals[0]!, draw, session.engine);
      const all = { ...draw, count: args.flag("paired") ? draw.count : undefined };
      const reference = await openEvaluated(where, all, session.engine);
      try {
        return await figuresOf(args, session, samples, reference);
      } finally {
        samples.close();
        reference.close();
      }
    }),
};

async function figuresOf(
  args: Arguments,
  session: Session,
  samples: EvaluatedImages,
  reference: EvaluatedImages,
) {
  const warnings = compatible(samples, reference);
  // Of the samples' own range only a run's says something about the reference: that of bytes is that of their file.
  const given = args.value("range", interval) ?? (samples.read ? undefined : samples.range);
  const ranges = [rangeOf(samples, given), rangeOf(reference, given)] as const;
  const figures: Record<string, unknown> = {};
  const lines: string[] = [];
  const network = args.text("features");
  if (network !== undefined) {
    const options = {
      network,
      featureRange: args.value("feature-range", interval),
      neighbours: args.value("neighbours", whole(1)) ?? PRDC_DEFAULTS.neighbours,
      batch: args.value("batch", whole(1)) ?? BATCH,
      cache: args.text("cache"),
    };
    const found = await compareSets(session, samples, reference, ranges, options);
    Object.assign(figures, found.figures);
    lines.push(...found.lines);
    warnings.push(...found.warnings);
  }
  if (args.flag("paired")) {
    const file = args.text("lpips");
    const lpips = file === undefined ? undefined : await openLpips(file, session.engine);
    try {
      const batch = args.value("batch", whole(1)) ?? BATCH;
      const found = await comparePairs(samples, reference, ranges, lpips, batch, session.watch);
      const pairs = found.figures;
      warnings.push(...found.warnings.filter((warning) => !warnings.includes(warning)));
      figures.pairs = pairs;
      if (pairs.psnr !== undefined) lines.push(`PSNR ${pairs.psnr.toFixed(2)} dB`);
      if (pairs.ssim !== undefined) lines.push(`SSIM ${pairs.ssim.toFixed(4)}`);
      if (pairs.lpips !== undefined) lines.push(`LPIPS ${pairs.lpips.toFixed(4)}`);
    } finally {
      await lpips?.release();
    }
  }
  for (const warning of warnings) session.progress.warning(warning);
  const counts = { samples: samples.shape[0]!, references: reference.shape[0]! };
  return {
    text: [`${counts.samples} samples against ${counts.references} references`, ...lines].join("\n"),
    figures: { ...counts, ...figures, warnings },
  };
}

/** @returns warnings @throws ConfigError if images of the sets cannot be compared */
function compatible(samples: EvaluatedImages, reference: EvaluatedImages): string[] {
  const [n, ...shape] = samples.shape;
  const [m, ...other] = reference.shape;
  if (formatShape(shape) !== formatShape(other))
    throw new ConfigError(
      `diem evaluate: expected images of one shape, found ${formatShape(shape)} in ${samples.name} and ${formatShape(other)} in ${reference.name}. Resize or convert one of them.`,
    );
  return n === m
    ? []
    : [
        `${n} samples are compared with ${m} references: figures depend on both counts, so compare only those of equal counts.`,
      ];
}

/** That of the run or of bytes, else the one given. */
function rangeOf(images: EvaluatedImages, given: Range | undefined): Range {
  const range = images.range ?? given;
  if (range === undefined)
    throw new ConfigError(
      `diem evaluate: --range is missing: ${images.name} holds numbers of which black and white are not known. Give --range LO,HI, e.g. --range=-2,2.`,
    );
  return range;
}
