/** Models that refer to other files for their numbers. */

import { DataError } from "../../core/errors.ts";
import { Message } from "./protobuf-reader.ts";

type Kind = "model" | "function" | "graph" | "node" | "attribute" | "sparse" | "tensor";

/** Fields of each kind of message that lead to tensors: their numbers in onnx.proto3, and what they hold. */
const FIELDS: Readonly<Record<Exclude<Kind, "tensor">, readonly (readonly [number, Kind])[]>> = {
  model: [
    [7, "graph"],
    [25, "function"],
  ],
  function: [[7, "node"]],
  graph: [
    [1, "node"],
    [5, "tensor"],
    [15, "sparse"],
  ],
  node: [[5, "attribute"]],
  attribute: [
    [5, "tensor"],
    [6, "graph"],
    [10, "tensor"],
    [11, "graph"],
    [22, "sparse"],
    [23, "sparse"],
  ],
  sparse: [
    [1, "tensor"],
    [2, "tensor"],
  ],
};
const LOCATION = { externalData: 13, dataLocation: 14, external: 1 } as const;

/** Far deeper than the graphs of branches and loops in each other. */
const DEEPEST = 100;

/** @throws DataError if a model, as ONNX Runtime would load it, takes numbers from another file, or is damaged */
export function refuseExternalData(bytes: Uint8Array, where: string): void {
  const look = (part: Uint8Array, kind: Kind, depth: number): void => {
    if (depth > DEEPEST)
      throw new DataError(
        `${where}: expected graphs nested less deep, found ${DEEPEST} levels. Export it again.`,
      );
    const message = new Message(part, where);
    if (kind === "tensor") refuseExternal(message, where);
    else
      for (const [field, inner] of FIELDS[kind])
        for (const entry of message.all(field)) look(entry, inner, depth + 1);
  };
  look(bytes, "model", 0);
}

/** @throws DataError if a tensor's numbers are in another file */
export function refuseExternal(tensor: Message, where: string): void {
  if (tensor.integer(LOCATION.dataLocation) === LOCATION.external || tensor.has(LOCATION.externalData))
    throw new DataError(
      `${where}: tensor ${tensor.text(8) || "of a constant"}: expected its elements in the file, found another file. Save the model as one file (external_data=False in PyTorch).`,
    );
}
