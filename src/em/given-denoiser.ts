/** A denoiser in an ONNX file, whose posterior the first E-step draws from. The run's own network learns from these draws. */
import { float32 } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { checksum, readFileOrFail } from "../core/files.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import type { Model } from "../inference/model.ts";
import { type OnnxPriorOptions, onnxPrior } from "../inference/onnx-prior.ts";
import type { RunFolder } from "./run/run-folder.ts";
import type { GivenFile } from "./run/run-info.ts";

/** What run.json keeps of it: the file, its checksum, and what it does not say itself. */
export interface GivenDenoiser {
  /** The file; once it is copied, it may go. */
  readonly file: string;
  readonly sha256: string;
  readonly options: Omit<OnnxPriorOptions, "alphaBar" | "latentShape"> & {
    readonly alphaBar?: readonly number[] | undefined;
  };
}

/** Its copy, in `start/`. */
const COPY = "denoiser.onnx";

/**
 * Reads the denoiser in a file, to begin a run with.
 * @param latentShape that of the observations that the run learns from
 * @throws DataError, ConfigError as `onnxPrior`; DataError if it is a denoiser of other latents
 */
export async function givenDenoiser(
  file: string,
  { alphaBar, ...options }: OnnxPriorOptions,
  latentShape: Shape,
): Promise<GivenDenoiser> {
  const bytes = await readFileOrFail(file, "a denoiser in an ONNX file");
  const numbers = alphaBar && Array.from(alphaBar.data, Number);
  const given = {
    file,
    sha256: await checksum(bytes),
    options: { ...options, ...(numbers && { alphaBar: numbers }) },
  };
  modelOf(given, bytes, latentShape);
  return given;
}

function modelOf({ file, options }: GivenDenoiser, bytes: Uint8Array, latentShape: Shape): Model {
  const { alphaBar, ...others } = options;
  const process = alphaBar && { alphaBar: float32(alphaBar) };
  const { model } = onnxPrior(bytes, file, { ...others, ...process, latentShape });
  const { shape } = model.network;
  if (!sameShape(shape, latentShape))
    throw new DataError(
      `${file}: expected a denoiser of latents ${formatShape(latentShape)}, as the observations have, found one of ${formatShape(shape)}. Give another file.`,
    );
  return model;
}

/** What of it is copied into the start of its run. */
export function copyOf({ file, sha256 }: GivenDenoiser): GivenFile {
  return { name: COPY, path: file, sha256 };
}

/** The prior whose posterior the first E-step draws from, where a denoiser was given. @throws DataError if the copy is damaged */
export async function readDenoiser(run: RunFolder, given: GivenDenoiser): Promise<Model> {
  const path = run.file(0, COPY);
  const bytes = await readFileOrFail(path, "the denoiser that the run began with");
  if ((await checksum(bytes)) !== given.sha256)
    throw new DataError(
      `${path}: expected the denoiser that the run began with, found another. Delete it and continue with --resume: it is copied again from ${given.file}.`,
    );
  return modelOf({ ...given, file: path }, bytes, run.info.observations.latentShape);
}
