import { float32 } from "../core/array.ts";
import { writeOnnx } from "../graph/onnx/write.ts";
import { reorderInput } from "../graph/ops/blocked.ts";
import { input } from "../graph/tensor.ts";
import { createSession, type EngineOptions, loadEngine } from "./engine.ts";

let found: Promise<number> | undefined;

/**
 * Channels per block of the engine's blocked convolutions on this processor (16 with AVX-512, 8 with AVX2), or 1 where
 * they cannot be used: then convolutions stay as they are. Probed once, by looking at how channels come to lie.
 */
export async function blockSizeOf({ device }: EngineOptions): Promise<number> {
  if (device !== undefined && device !== "cpu") return 1;
  found ??= probe().catch(() => 1); // an engine without these internal operators refuses the probe's graph
  return await found;
}

/** Two pixels of 64 channels, numbered: in blocks of b, the second pixel of channel 0 comes b places after the first. */
async function probe(): Promise<number> {
  const x = input([1, 64, 1, 2]);
  const session = await createSession(writeOnnx({ x }, { y: reorderInput(x) }), { threads: 1 });
  try {
    const { Tensor: EngineTensor } = await loadEngine();
    const numbers = float32(Float32Array.from({ length: 128 }, (_, i) => i));
    const { y } = await session.run({ x: new EngineTensor("float32", numbers.data, x.shape) });
    const place = (y!.data as Float32Array).indexOf(1);
    return place === 8 || place === 16 ? place : 1;
  } finally {
    await session.release();
  }
}
