/** Opens a run (that of train-stop-resume.ts) and draws from its prior. */
import { noiseLevels, priorSampler, Rng, RunFolder } from "diem";

const run = await RunFolder.open("runs/stopped");
const model = await run.readModel(await run.lastIteration());
const sampler = await priorSampler(model, { sampler: "ddpm", batch: 8 }, {});
const rng = new Rng(0);
const { samples } = await sampler.draw({
  streams: Array.from({ length: 8 }, (_, i) => rng.split("draw", i)),
  levels: noiseLevels(model.schedule, 8),
  mean: model.gaussian.mean,
  conditions: {},
});
await sampler.release();
console.log("samples", samples.shape);
if (samples.shape.join() !== "8,4") throw new Error("expected samples [8, 4]");
