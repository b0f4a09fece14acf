/** Posterior draws for new observations with the prior of a run (that of train-stop-resume.ts): their mean and how sure it is. */
import { float32, observationsInMemory, openRun } from "diem";
import { drawMoments } from "diem/metrics";

const run = await openRun("runs/stopped");
const observations = observationsInMemory({
  y: float32([0.5, -0.5, 1, 0], [2, 2]),
  data: { matrix: float32([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [2, 2, 4]) },
  noiseVariance: 0.01,
});
for await (const { first, samples } of run.reconstruct(observations, { samples: 16, seed: 1 })) {
  const { mean, deviation } = drawMoments(samples); // [n, 16, ...latent] to [n, ...latent] each
  console.log("observations from", first, "mean", mean.data, "deviation", deviation.data);
  if (Math.abs(mean.data[0]! - 0.5) > 0.3) throw new Error("the first entry was measured as 0.5");
}
