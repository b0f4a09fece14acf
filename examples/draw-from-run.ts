/** Opens a run (that of train-stop-resume.ts) and draws from its prior. */
import { openRun } from "diem";

const run = await openRun("runs/stopped");
let drawn = 0;
for await (const { first, samples } of run.sample({ count: 8, seed: 1 })) {
  console.log("samples", first, samples.shape);
  drawn += samples.shape[0]!;
}
if (drawn !== 8) throw new Error("expected 8 samples");
