import { resolve } from "node:path";
import { float32, type HostArray } from "../../core/array.ts";
import { ConfigError, DataError } from "../../core/errors.ts";
import type { Watch } from "../../core/events.ts";
import { file, finite, oneOf, pair, whole } from "../../core/kinds.ts";
import { Rng } from "../../core/random.ts";
import { formatShape } from "../../core/shape.ts";
import { createNpyWriter, readNpy, writeNpyRows } from "../../data/arrays/npy.ts";
import { writeCoilObservations } from "../../data/scans/coil-observations.ts";
import { FASTMRI_DATASETS } from "../../data/scans/fastmri.ts";
import { writeScanObservations } from "../../data/scans/scan-observations.ts";
import { openScans, SCAN_DEFAULTS, type Scans } from "../../data/scans/scans.ts";
import type { Arguments, Command, Outcome } from "../arguments.ts";
import { withSession } from "../session.ts";

type Signal = Watch["signal"];

export const importMri: Command = {
  name: "import-mri",
  summary:
    "Makes observations of sub-sampled k-space from scans: HDF5 files in fastMRI's layout, or NIfTI volumes.",
  positionals: ["FILES..."],
  options: {
    out: { value: "OBS", help: "folder of observations to write", isRequired: true },
    dataset: {
      value: "NAME",
      help: "of HDF5 files: reconstruction_rss (magnitudes), or kspace (measured)",
      fallback: SCAN_DEFAULTS.dataset,
    },
    real: { help: "kspace: the images have no phase, so latents are real, as magnitudes are" },
    maps: {
      value: "FILE.npy",
      help: "kspace of several coils: their sensitivities, [coils, 2, H, W], real and imaginary part",
    },
    acceleration: { value: "R", help: "1 / R of the columns is kept, at random", fallback: "6" },
    "noise-variance": {
      value: "V",
      help: "variance of the noise on each real and imaginary part, for images in [-2, 2]; diem adds it to magnitudes, while measured k-space has it",
      fallback: "1e-4",
    },
    slices: { value: "FIRST,LAST", help: "slices used of each volume", fallback: "10,40" },
    axis: { value: "N", help: "axis of NIfTI volumes that counts slices: 0, 1 or 2", fallback: "2" },
    size: { value: "H,W", help: "smaller images, by averaging blocks", fallback: "that of the files" },
    "on-bad": { value: "WHAT", help: "skip or refuse damaged files and slices", fallback: "refuse" },
    truth: { value: "FILE.npy", help: "also write the images themselves, to compare with" },
    seed: { value: "N", help: "seed of masks and noise", fallback: "0" },
  },
  run: async (args) => {
    const out = resolve(args.required("out"));
    if (args.text("maps") !== undefined)
      return await withSession(args, ({ watch }) => importCoils(out, args, watch.signal));
    // Until something is written Ctrl-C may end the command at once.
    const scans = await openScans(
      args.positionals.map((path) => resolve(path)),
      scanOptions(args),
    );
    try {
      const count = await withSession(args, ({ watch }) => write(scans, out, args, watch.signal));
      for (const { reason } of scans.skipped) process.stderr.write(`Skipped: ${reason}\n`);
      const skipped = scans.skipped.filter(({ slice }) => slice !== undefined).length;
      const files = scans.skipped.length - skipped;
      return {
        text: `Wrote ${count} observations to ${out}. Skipped ${skipped} slices and ${files} whole files.`,
        figures: { out, count, skippedSlices: skipped, skippedFiles: files, skipped: scans.skipped },
      };
    } finally {
      scans.close();
    }
  },
};

/** K-space of several coils; nothing is resized or skipped there. */
async function importCoils(out: string, args: Arguments, signal: Signal): Promise<Outcome> {
  if (args.text("dataset") !== "kspace" || args.text("size") !== undefined || args.flag("real"))
    throw new ConfigError(
      "--maps: expected --dataset kspace, and neither --size nor --real. Maps are those of several coils.",
    );
  const path = resolve(args.text("maps")!);
  const found = await readNpy(path);
  const { dtype, shape, data } = found;
  if ((dtype !== "float32" && dtype !== "float64") || shape.length !== 4 || shape[1] !== 2)
    throw new DataError(
      `${path}: expected float32 [coils, 2, H, W], found ${dtype} ${formatShape(shape)}. Store real and imaginary part one after the other.`,
    );
  const maps = float32(Float32Array.from(data as Float32Array), shape);
  const files = args.positionals.map((file) => resolve(file));
  const options = { ...observationOptions(args), signal, maps, slices: sliceRange(args) };
  const latents: HostArray<"float32">[] = [];
  const truth = truthPath(args);
  const writeTruth = () =>
    writeNpyRows(truth!, [latents.length, 2, ...shape.slice(2)], "float32", async (append) => {
      for (const latent of latents) await append({ ...latent, shape: [1, ...latent.shape] });
    });
  const count = await writeCoilObservations(files, out, {
    ...options,
    ...(truth !== undefined && {
      onLatent: async (latent) => void latents.push(latent),
      onWritten: writeTruth,
    }),
  });
  return {
    text: `Wrote ${count} observations of ${shape[0]} coils to ${out}.`,
    figures: { out, count, coils: shape[0] },
  };
}

async function write(scans: Scans, out: string, args: Arguments, signal: Signal): Promise<number> {
  const options = { ...observationOptions(args), signal };
  const truth = truthPath(args);
  if (truth === undefined) return await writeScanObservations(scans, out, options);
  const latents = await createNpyWriter(truth, [scans.slices.length, ...scans.shape], "float32");
  try {
    return await writeScanObservations(scans, out, {
      ...options,
      onLatent: (latent) => latents.append({ ...latent, shape: [1, ...latent.shape] }),
      onWritten: latents.close,
    });
  } catch (error) {
    await latents.abort();
    throw error;
  }
}

function observationOptions(args: Arguments) {
  return {
    acceleration: args.value("acceleration", finite) ?? 6,
    noiseVariance: args.value("noise-variance", finite) ?? 1e-4,
    rng: new Rng(args.value("seed", whole(0)) ?? 0),
  };
}

function truthPath(args: Arguments): string | undefined {
  const truth = args.value("truth", file(".npy"));
  return truth === undefined ? undefined : resolve(truth);
}

function sliceRange(args: Arguments): readonly [number, number] {
  return args.value("slices", pair(whole(0), "whole numbers >= 0")) ?? SCAN_DEFAULTS.slices;
}

function scanOptions(args: Arguments) {
  const dataset = args.value("dataset", oneOf(FASTMRI_DATASETS)) ?? SCAN_DEFAULTS.dataset;
  const size = args.value("size", pair(whole(1), "whole numbers >= 1"));
  if (args.flag("real") && dataset !== "kspace")
    throw new ConfigError("--real: expected --dataset kspace, for magnitudes are real anyway.");
  return {
    dataset,
    onBad: args.value("on-bad", oneOf(["skip", "refuse"])) ?? SCAN_DEFAULTS.onBad,
    axis: args.value("axis", whole(0)) ?? SCAN_DEFAULTS.axis,
    slices: sliceRange(args),
    real: args.flag("real"),
    ...(size && { size }),
  };
}
