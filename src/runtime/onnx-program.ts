import type { DType, HostArray } from "../core/array.ts";
import { EngineError, ShapeError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import { refuseExternalData } from "../graph/onnx/external-data.ts";
import { createSession, type EngineOptions, type InferenceSession, loadEngine, message } from "./engine.ts";

/** An input or output of a model. */
export interface OnnxPort {
  readonly name: string;
  /** A name of ONNX Runtime's, such as "float32" or "uint8". */
  readonly dtype: string;
  /** Sizes; a name or 0 stands for a free size. Also empty if the file does not tell. */
  readonly shape: readonly (number | string)[];
}

/** An ONNX model as ONNX Runtime reads it, without the graph. Release it when done. */
export interface OnnxProgram {
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  /**
   * Computes all outputs, or those that you name.
   * @throws ShapeError if a feed does not fit its input, EngineError if ONNX Runtime fails or gives another shape than it has numbers
   */
  readonly run: (
    feeds: Readonly<Record<string, HostArray>>,
    wanted?: readonly string[],
  ) => Promise<Record<string, HostArray>>;
  /** Frees the engine's memory. */
  readonly release: () => Promise<void>;
}

/**
 * Loads an ONNX model whose weights are inside it.
 * @param bytes of the file        @param where its name, for messages
 * @throws EngineError if it takes numbers from another file, or ONNX Runtime refuses it
 */
export async function loadOnnxProgram(
  bytes: Uint8Array,
  where: string,
  options: EngineOptions = {},
): Promise<OnnxProgram> {
  try {
    refuseExternalData(bytes, where);
  } catch (cause) {
    throw new EngineError(message(cause), { cause });
  }
  let session: InferenceSession;
  try {
    session = await createSession(bytes, options);
  } catch (cause) {
    throw new EngineError(
      `${where}: expected an ONNX model with its weights in the same file, ONNX Runtime found: ${message(cause)}`,
      { cause },
    );
  }
  const inputs = session.inputMetadata.map(portOf);
  const outputs = session.outputMetadata.map(portOf);
  const { Tensor: EngineTensor } = await loadEngine();
  return {
    inputs,
    outputs,
    async run(feeds, wanted = outputs.map(({ name }) => name)) {
      const engineFeeds = Object.fromEntries(
        inputs.map((port) => {
          const { dtype, data, shape } = checkFeed(feeds[port.name], port, where);
          return [port.name, new EngineTensor(dtype, data as Float32Array, shape)];
        }),
      );
      let found: Awaited<ReturnType<InferenceSession["run"]>>;
      try {
        found = await session.run(engineFeeds, [...wanted], { logSeverityLevel: 4 });
      } catch (cause) {
        throw new EngineError(`${where}: ONNX Runtime failed: ${message(cause)}`, { cause });
      }
      return Object.fromEntries(wanted.map((name) => [name, resultOf(found[name]!, `${where}: ${name}`)]));
    },
    release: () => session.release(),
  };
}

/** `float32 [N, 3, 299, 299]`, with letters where sizes are free. */
export function formatPort({ dtype, shape }: OnnxPort): string {
  return `${dtype} [${shape.map((size) => (isFree(size) ? size || "any" : size)).join(", ")}]`;
}

/** Whether a size of a port is open. */
export function isFree(size: number | string): boolean {
  return typeof size === "string" || size <= 0;
}

function portOf(value: InferenceSession["inputMetadata"][number]): OnnxPort {
  return value.isTensor
    ? { name: value.name, dtype: value.type, shape: value.shape }
    : { name: value.name, dtype: "not a tensor", shape: [] };
}

function checkFeed(feed: HostArray | undefined, port: OnnxPort, where: string): HostArray {
  const fits =
    feed !== undefined &&
    feed.dtype === port.dtype &&
    (port.shape.length === 0 ||
      (feed.shape.length === port.shape.length &&
        port.shape.every((size, axis) => isFree(size) || size === feed.shape[axis])));
  if (!fits)
    throw new ShapeError(
      `${where}: input ${port.name} must be ${formatPort(port)}, got ${feed ? formatPort({ name: "", ...feed }) : "nothing"}.`,
    );
  return feed;
}

type EngineResult = Awaited<ReturnType<InferenceSession["run"]>>[string];

const DTYPES: readonly string[] = ["float32", "float64", "int32", "int64", "uint8", "bool"];

function resultOf(tensor: EngineResult, where: string): HostArray {
  if (!DTYPES.includes(tensor.type) || sizeOf(tensor.dims) !== tensor.size)
    throw new EngineError(
      `${where}: expected an output of numbers, found ${tensor.type}. Export it as float32.`,
    );
  // Both the type and the length were just checked.
  return { dtype: tensor.type as DType, shape: tensor.dims, data: tensor.data as Float32Array };
}
