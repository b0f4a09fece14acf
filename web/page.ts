/** The page that `diem web` writes: draws from a prior in the browser. */
import { decodePrior } from "../src/web/prior-file.ts";
import { fill, make, reasonOf } from "./elements.ts";
import { deviceHere } from "./environment.ts";
import { posteriorSection } from "./posterior.ts";
import { priorSection } from "./samples.ts";

const main = document.getElementById("page")!;
try {
  const response = await fetch("./prior.safetensors");
  if (!response.ok) throw new Error(`prior.safetensors: ${response.status} ${response.statusText}`);
  const prior = decodePrior(new Uint8Array(await response.arrayBuffer()), "prior.safetensors");
  const device = await deviceHere();
  const where = device === "webgpu" ? "the GPU (WebGPU)" : "the processor (WebAssembly, one thread)";
  const { name, iteration, model } = prior;
  fill(main, [
    make("h1", {}, [name]),
    make("p", { className: "lead" }, [
      `The prior of iteration ${iteration}, latents [${model.network.shape.join(", ")}]. Draws are made here, on ${where}; nothing leaves this machine.`,
    ]),
    priorSection(prior, device),
    posteriorSection(prior, device),
  ]);
} catch (error) {
  fill(main, [make("p", { className: "alert" }, [reasonOf(error)])]);
}
