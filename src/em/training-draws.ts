import { float32, type HostArray } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";
import type { Coordinates } from "../data/observations/coordinates.ts";
import type { Context } from "./context.ts";
import { drawPaths } from "./course.ts";
import type { TrainingSet } from "./m-step/batch.ts";
import { holdOut } from "./m-step/held-out.ts";
import { DrawFiles } from "./run/draws.ts";

/** Draws of an M-step, in the run's coordinates. */
export interface TrainingDraws extends Disposable {
  /** What it trains on. */
  readonly training: TrainingSet;
  /** What it is judged by. */
  readonly heldOut: TrainingSet;
}

/**
 * The draws of iteration k and of those in its buffer. An M-step is judged by the draws for held-out observations: a network
 * that remembers the latents it was trained on denoises further draws of them ever better, and those of others worse. Where no
 * observations are held out, some draws are.
 */
export async function trainingDraws(context: Context, k: number): Promise<TrainingDraws> {
  const { run, observations, heldOut } = context;
  const { coordinates } = await run.readModel(0);
  const { latentShape } = observations.header;
  const files = [new DrawFiles(drawPaths(context, k), latentShape)];
  if (heldOut) files.push(new DrawFiles([run.drawPaths(k, "held-out-draws").draws], latentShape));
  const [training, judges] = files.map((file) => rowsInCoordinates(file, coordinates));
  return {
    ...(judges ? { training: training!, heldOut: judges } : holdOut(training!)),
    [Symbol.dispose]: () => {
      for (const file of files) file.close();
    },
  };
}

/** Draws are kept in the user's units; the network is trained in the run's. */
function rowsInCoordinates(draws: TrainingSet, coordinates: Coordinates | undefined): TrainingSet {
  if (!coordinates) return draws;
  const { shift, scale } = coordinates;
  const N = scale.data.length;
  return {
    count: draws.count,
    copyRow: (index, out, row) => {
      draws.copyRow(index, out, row);
      for (let j = 0, at = row * N; j < N; j++, at++) out[at] = (out[at]! - shift.data[j]!) / scale.data[j]!;
    },
  };
}

/** The first draws of iteration k. */
export function firstDraws({ run, observations }: Context, k: number, count: number): HostArray<"float32"> {
  const { latentShape } = observations.header;
  const draws = new DrawFiles([run.file(k, "draws.npy")], latentShape);
  const n = Math.min(count, draws.count);
  const some = float32(new Float32Array(n * sizeOf(latentShape)), [n, ...latentShape]);
  for (let i = 0; i < n; i++) draws.copyRow(i, some.data, i);
  draws.close();
  return some;
}
