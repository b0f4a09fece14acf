/** An observation from files of the user. */
import { type Shape, sizeOf } from "../src/core/shape.ts";
import { decodeNpy } from "../src/data/arrays/npy.ts";
import { make, reasonOf } from "./elements.ts";
import type { Observation } from "./paint.ts";

/** Fields for files .npy: y of one latent, NaN where nothing was measured, and a mask that shows where it was, if there is one. */
export function latentFiles(shape: Shape, take: (observation: Observation) => void): HTMLElement[] {
  const line = make("span", { id: "file-state", className: "soft" });
  let y: Float32Array | undefined;
  let mask: Float32Array | undefined;
  const field = (id: string, label: string, use: (values: Float32Array) => void) => {
    const input = make("input", { type: "file", id, accept: ".npy" });
    input.onchange = async () => {
      const file = input.files?.[0];
      if (!file) return;
      try {
        use(firstLatent(new Uint8Array(await file.arrayBuffer()), shape, file.name));
        if (y) take(observationOf(y, mask));
        line.textContent = y ? "Loaded." : "Now the file of y.";
      } catch (error) {
        line.textContent = reasonOf(error);
      }
    };
    return make("label", {}, [label, input]);
  };
  return [
    field("file", "File of y ", (values) => {
      y = values;
    }),
    field("mask-file", "Mask (1 where measured) ", (values) => {
      mask = values;
    }),
    line,
  ];
}

/** The first of the latents in a file. @throws Error if it has another size */
function firstLatent(bytes: Uint8Array, shape: Shape, name: string): Float32Array {
  const { data } = decodeNpy(bytes, name);
  const size = sizeOf(shape);
  if (data.length < size || data.length % size !== 0)
    throw new Error(
      `${name}: expected latents [${shape.join(", ")}], ${size} numbers each, found ${data.length} numbers.`,
    );
  return Float32Array.from(data.subarray(0, size) as ArrayLike<number | bigint>, Number);
}

function observationOf(y: Float32Array, mask: Float32Array | undefined): Observation {
  return {
    y: y.map((value) => (Number.isFinite(value) ? value : 0)),
    mask: y.map((value, at) => (Number.isFinite(value) && mask?.[at] !== 0 ? 1 : 0)),
  };
}
