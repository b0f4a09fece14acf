import { ConfigError } from "../../core/errors.ts";
import { check, oneOf } from "../../core/kinds.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import type { Corruption } from "../../operators/simulation.ts";

/** An inverse problem on images that methods are compared on. */
export interface BenchmarkTask {
  readonly name: TaskName;
  readonly title: string;
  readonly corruption: Corruption;
  /** Standard deviation of the noise on y, in the data's units. */
  readonly noise: number;
  /** What is done to the images, for people. */
  readonly description: string;
}

/** Names of the tasks. */
export const BENCHMARK_TASKS = ["box", "random", "motion", "super-resolution"] as const;
export type TaskName = (typeof BENCHMARK_TASKS)[number];

/** Side of the images that the tasks were made for; their sizes and margins are shares of it. */
const SIDE = 256;

/**
 * The task of that name at the size of the images. The settings are those of the posterior benchmark of [Rozet24] for
 * 256 x 256 pixels in [-1, 1], scaled: lengths to the image's smaller side, noise to half the data's range.
 *   box               128 pixels square, at a random place 16 or more from the edges; noise 1.0
 *   random            each pixel hidden with probability 0.98; noise 0.01
 *   motion            blur by a random path in a kernel of 61 pixels square, at least 3, intensity 0.5; noise 0.1
 *   super-resolution  means of 4 x 4 pixels; noise 0.1 (there by cubic interpolation)
 * @param range smallest and largest value of the data
 * @throws ConfigError if there is no such task, or latents are no images [C, H, W]
 */
export function benchmarkTask(
  task: string,
  latentShape: Shape,
  range: readonly [number, number],
): BenchmarkTask {
  const name = check(oneOf(BENCHMARK_TASKS), task, "benchmark: task");
  if (latentShape.length !== 3)
    throw new ConfigError(
      `benchmark: latents must be images [C, H, W], got ${formatShape(latentShape)}. Use a run of images.`,
    );
  const [, H, W] = latentShape as [number, number, number];
  const side = Math.min(H, W);
  const half = (range[1] - range[0]) / 2;
  switch (name) {
    case "box": {
      const size = [Math.round((128 / SIDE) * H), Math.round((128 / SIDE) * W)] as const;
      const margin = Math.floor((16 / SIDE) * side);
      return {
        name,
        title: "Box inpainting",
        corruption: { name: "box", size, margin },
        noise: half,
        description: `A box of ${size[0]} × ${size[1]} pixels is hidden, at a random place ${margin} or more from the edges`,
      };
    }
    case "random":
      return {
        name,
        title: "Random inpainting",
        corruption: { name: "mask", deleted: 0.98 },
        noise: 0.01 * half,
        description: "Each pixel is hidden with probability 0.98",
      };
    case "motion": {
      const size = Math.max(3, oddNear((61 / SIDE) * side));
      return {
        name,
        title: "Motion deblurring",
        corruption: { name: "motion-blur", size, intensity: 0.5 },
        noise: 0.1 * half,
        description: `Blurred along a random path within ${size} × ${size} pixels, another one for each image`,
      };
    }
    case "super-resolution":
      return {
        name,
        title: "4× super-resolution",
        corruption: { name: "average-pool", size: 4 },
        noise: 0.1 * half,
        description: "Means over blocks of 4 × 4 pixels",
      };
  }
}

function oddNear(size: number): number {
  return 2 * Math.round((size - 1) / 2) + 1;
}
