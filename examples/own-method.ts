/** A posterior method of one's own draws with the prior of a run (that of train-stop-resume.ts). */
import { float32, observationsInMemory, openRun } from "diem";
import { add, mul, sub } from "diem/graph";
import { adjoint } from "diem/operators";
import type { MakePosterior } from "diem/posterior";

/** A step against the residual, whatever the noise: E[x | x_t] + A' (y - A E[x | x_t]) / 2. */
const pulled: MakePosterior =
  (denoiser, { operator, y }) =>
  (x_t, sigma_t) => {
    const mean = denoiser(x_t, sigma_t);
    return add(mean, mul(adjoint(operator, mean, sub(y, operator(mean))), 0.5));
  };

const run = await openRun("runs/stopped");
const observations = observationsInMemory({
  y: float32([0.5, -0.5], [1, 2]),
  data: { matrix: float32([1, 0, 0, 0, 0, 1, 0, 0], [1, 2, 4]) },
  noiseVariance: 0.01,
});
for await (const { samples } of run.reconstruct(observations, { method: pulled, samples: 4 }))
  console.log("draws", samples.shape, samples.data);
