/**
 * Weights as safetensors bytes: header length (u64), JSON header, data.
 * https://github.com/huggingface/safetensors, "Format"
 */

import { bytesPerElement, type DType, fromBytes, type HostArray, toBytes } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { isRecord, parseJson } from "../core/json.ts";
import { sizeOf } from "../core/shape.ts";

/** Everything in a safetensors file. */
export interface Safetensors {
  readonly tensors: Readonly<Record<string, HostArray>>;
  readonly metadata: Readonly<Record<string, string>>;
}

const NAMES = {
  float32: "F32",
  float64: "F64",
  int32: "I32",
  int64: "I64",
  uint8: "U8",
  bool: "BOOL",
} as const satisfies Record<DType, string>;

const DTYPES = Object.keys(NAMES) as DType[];

/** The limit of the reference implementation: a longer header means a damaged file. */
const MAX_HEADER = 100_000_000;

type Entry = {
  readonly dtype: DType;
  readonly shape: number[];
  readonly start: number;
  readonly end: number;
};

/**
 * The bytes of a safetensors file. Widest elements come first, then names in order, so that every tensor is aligned
 * and equal tensors give equal bytes.
 * @throws DataError if a tensor is called "__metadata__"
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, HostArray>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(tensors).sort(
    ([a, x], [b, y]) => bytesPerElement(y.dtype) - bytesPerElement(x.dtype) || compare(a, b),
  );
  if (entries.some(([name]) => name === "__metadata__"))
    throw new DataError(
      `encodeSafetensors: expected tensor names, found "__metadata__". Rename that tensor.`,
    );
  let size = 0;
  const fields = entries.map(([name, { dtype, shape, data }]): [string, unknown] => {
    const offsets = [size, size + data.byteLength];
    size += data.byteLength;
    return [name, { dtype: NAMES[dtype], shape, data_offsets: offsets }];
  });
  const texts = Object.entries(metadata).sort(([a], [b]) => compare(a, b));
  if (texts.length > 0) fields.unshift(["__metadata__", Object.fromEntries(texts)]);
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(fields)));
  const start = 8 + Math.ceil(header.byteLength / 8) * 8;
  const bytes = new Uint8Array(start + size).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(header, 8);
  let offset = start;
  for (const [, tensor] of entries) {
    bytes.set(toBytes(tensor), offset);
    offset += tensor.data.byteLength;
  }
  return bytes;
}

/**
 * The tensors and texts in a safetensors file. Tensors are views on `bytes` where alignment allows it.
 * @param where named in messages
 * @throws DataError if the header is damaged, offsets overlap, leave holes or leave the file, or a dtype is not
 *   one of F32, F64, I32, I64, U8, BOOL
 */
export function decodeSafetensors(bytes: Uint8Array, where = "decodeSafetensors"): Safetensors {
  const damaged = (expected: string, found: string) =>
    new DataError(`${where}: expected ${expected}, found ${found}. The file is damaged; write it again.`);
  if (bytes.byteLength < 8) throw damaged("at least 8 bytes", `${bytes.byteLength}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > MAX_HEADER || length > bytes.byteLength - 8)
    throw damaged(`a header within ${bytes.byteLength} bytes`, `one of ${length} bytes`);
  const header = parseHeader(bytes.subarray(8, 8 + length));
  if (header === undefined) throw damaged("a header that is a JSON object", "other bytes");
  const { __metadata__: texts = {}, ...fields } = header;
  if (!isRecord(texts) || Object.values(texts).some((text) => typeof text !== "string"))
    throw damaged("texts in __metadata__", JSON.stringify(texts).slice(0, 80));
  const entries = Object.entries(fields).map(([name, field]): [string, Entry] => [
    name,
    parseEntry(name, field, where),
  ]);
  checkContiguous(entries, bytes.byteLength - 8 - length, damaged);
  const tensors = entries.map(([name, { dtype, shape, start, end }]): [string, HostArray] => {
    const data = new Uint8Array(bytes.buffer, bytes.byteOffset + 8 + length + start, end - start);
    if (dtype === "bool" && data.some((value) => value > 1))
      throw damaged(`0 or 1 in "${name}" of dtype BOOL`, "another byte");
    return [name, fromBytes(dtype, shape, data)];
  });
  return { tensors: Object.fromEntries(tensors), metadata: texts as Record<string, string> };
}

function parseEntry(name: string, field: unknown, where: string): Entry {
  const fail = (expected: string, found: unknown, remedy = "The file is damaged; write it again.") =>
    new DataError(
      `${where}: tensor ${JSON.stringify(name)}: expected ${expected}, found ${JSON.stringify(found)}. ${remedy}`,
    );
  if (!isRecord(field)) throw fail("dtype, shape and data_offsets", field);
  const dtype = DTYPES.find((key) => NAMES[key] === field.dtype);
  if (dtype === undefined)
    throw fail(`dtype ${Object.values(NAMES).join(", ")}`, field.dtype, "Convert it to F32 first.");
  const { shape, data_offsets: offsets } = field;
  if (!isSizes(shape)) throw fail("a shape of sizes", shape);
  if (!isSizes(offsets) || offsets.length !== 2) throw fail("two data_offsets", offsets);
  const [start, end] = offsets as [number, number];
  const expected = sizeOf(shape) * bytesPerElement(dtype);
  if (end - start !== expected) throw fail(`${expected} bytes for ${field.dtype} [${shape}]`, end - start);
  return { dtype, shape, start, end };
}

function checkContiguous(
  entries: readonly (readonly [string, Entry])[],
  size: number,
  damaged: (expected: string, found: string) => DataError,
): void {
  let next = 0;
  const inOrder = [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  for (const [name, { start, end }] of inOrder) {
    if (start !== next) throw damaged(`tensor ${JSON.stringify(name)} at offset ${next}`, `${start}`);
    next = end;
  }
  if (next !== size) throw damaged(`${next} bytes of data`, `${size}`);
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** By code unit, not by locale: the bytes must not depend on the machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
