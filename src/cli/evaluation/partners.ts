/** Which reference each sample is compared with. */
import { float32, type HostArray } from "../../core/array.ts";
import { ConfigError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import type { ImageSet } from "../../data/images/image-set.ts";
import type { EvaluatedImages } from "./evaluated-images.ts";

/** Samples and their references, [start, end) in the order of the samples. */
export interface Partners {
  readonly readSamples: ImageSet["read"];
  readonly readReferences: ImageSet["read"];
}

/**
 * Two folders are paired by the names of their files, others by number.
 * @throws ConfigError for samples that are drawn, for names without a partner, or sets of different counts
 */
export function partnersOf(samples: EvaluatedImages, reference: EvaluatedImages): Partners {
  const { read: readSamples } = samples;
  const { read: readReferences } = reference;
  if (!readSamples || !readReferences)
    throw new ConfigError(
      `--paired: expected two sets of files, found samples of a run. Draw them into a file first: diem sample.`,
    );
  if (samples.names && reference.names)
    return { readSamples, readReferences: readByName(samples, reference, readReferences) };
  if (samples.shape[0] !== reference.shape[0])
    throw new ConfigError(
      `--paired: expected two sets of as many images, found ${formatShape(samples.shape)} and ${formatShape(reference.shape)}. Pairs are the i-th images of both; --count N takes the first of both.`,
    );
  return { readSamples, readReferences };
}

function readByName(
  samples: EvaluatedImages,
  reference: EvaluatedImages,
  read: ImageSet["read"],
): ImageSet["read"] {
  const [names, others] = [stems(samples), stems(reference)];
  requirePartner(names, new Set(others), samples.name, reference.name);
  requirePartner(others, new Set(names), reference.name, samples.name);
  const numbers = new Map(others.map((name, i) => [name, i]));
  return async (start, end) => {
    const images: HostArray<"float32">[] = [];
    for (const name of names.slice(start, end)) {
      const number = numbers.get(name)!;
      images.push(await read(number, number + 1));
    }
    const size = images[0]!.data.length;
    const data = new Float32Array(images.length * size);
    images.forEach((image, i) => {
      data.set(image.data, i * size);
    });
    return float32(data, [images.length, ...images[0]!.shape.slice(1)]);
  };
}

/** Names without extension. */
function stems({ names = [] }: EvaluatedImages): string[] {
  return names.map((name) => name.replace(/\.[^.]*$/, ""));
}

function requirePartner(
  names: readonly string[],
  others: ReadonlySet<string>,
  folder: string,
  other: string,
): void {
  const lonely = names.find((name) => !others.has(name));
  if (lonely !== undefined)
    throw new ConfigError(
      `--paired: expected an image ${lonely} in ${other} as in ${folder}, found none. Folders are paired by the names of their files: rename it, or take it out.`,
    );
}
