import { UnsupportedOpError } from "../../core/errors.ts";
import { prepare } from "../prepare.ts";
import { type Named, writeOnnx } from "./write.ts";

/** Numbers of samples that stand for any: primes beyond every size that data have, and beyond what is folded. */
const SAMPLES = [1_000_003, 1_000_033] as const;

/**
 * An ONNX model for any runtime: operators of the standard alone (opset 17), and any number of samples.
 * The graph is built for two numbers of samples. Multiples of these are written as free sizes; if anything else differed
 * between the two models, a mean over the samples or a constant for each, the model would be right for one number only.
 * @param build the graph for n samples; it must make the same one for every n
 * @param metadata texts by name
 * @throws UnsupportedOpError if the graph holds for one number of samples only
 */
export function writePortable(
  build: (n: number) => { readonly inputs: Named; readonly outputs: Named },
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const write = (n: number) => {
    const { inputs, outputs } = build(n);
    const prepared = prepare(Object.values(outputs), { blockSize: 1, freeBatch: n });
    const named = Object.fromEntries(Object.keys(outputs).map((name, k) => [name, prepared[k]!]));
    return writeOnnx(inputs, named, { freeBatch: n, metadata });
  };
  const model = write(SAMPLES[0]);
  const other = write(SAMPLES[1]);
  if (model.length !== other.length || !model.every((byte, at) => byte === other[at]))
    throw new UnsupportedOpError(
      "export: expected a graph that is the same for any number of samples, found one that mixes or counts them. Compute each sample from its own numbers.",
    );
  return model;
}
