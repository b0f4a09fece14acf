import { ShapeError } from "./errors.ts";
import { formatShape, type Shape, sizeOf } from "./shape.ts";

/** Storage behind each dtype. `bool` is one byte an element, 0 or 1. */
export type DataOf = {
  float32: Float32Array;
  float64: Float64Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  bool: Uint8Array;
};
/** Types of numbers in arrays and tensors. */
export type DType = keyof DataOf;

const CONSTRUCTORS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** A dense row-major array in host memory. */
export interface HostArray<T extends DType = DType> {
  readonly dtype: T;
  readonly shape: Shape;
  readonly data: DataOf[T];
}

/** Wraps `data` without a copy. @throws ShapeError if its length does not fit the shape */
export function hostArray<T extends DType>(dtype: T, shape: Shape, data: DataOf[T]): HostArray<T> {
  if (data.length !== sizeOf(shape))
    throw new ShapeError(
      `hostArray: shape ${formatShape(shape)} needs ${sizeOf(shape)} elements, got ${data.length}.`,
    );
  return { dtype, shape, data };
}

export function zeros<T extends DType>(dtype: T, shape: Shape): HostArray<T> {
  return { dtype, shape, data: new CONSTRUCTORS[dtype](sizeOf(shape)) as DataOf[T] };
}

/** A float32 array from numbers. */
export function float32(values: ArrayLike<number>, shape: Shape = [values.length]): HostArray<"float32"> {
  return hostArray("float32", shape, values instanceof Float32Array ? values : Float32Array.from(values));
}

/** Bytes per element. */
export function bytesPerElement(dtype: DType): number {
  return CONSTRUCTORS[dtype].BYTES_PER_ELEMENT;
}

/** Reinterprets bytes as elements of a dtype, without a copy where the alignment allows it. @throws ShapeError */
export function fromBytes<T extends DType>(dtype: T, shape: Shape, bytes: Uint8Array): HostArray<T> {
  const width = bytesPerElement(dtype);
  if (bytes.byteLength !== sizeOf(shape) * width)
    throw new ShapeError(
      `fromBytes: ${dtype} ${formatShape(shape)} needs ${sizeOf(shape) * width} bytes, got ${bytes.byteLength}.`,
    );
  // Not bytes.slice(): that of a Node Buffer is a view on the same memory, as badly aligned.
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  const buffer = aligned.buffer as ArrayBuffer; // a SharedArrayBuffer would do as well
  const data = new CONSTRUCTORS[dtype](buffer, aligned.byteOffset, aligned.byteLength / width);
  return hostArray(dtype, shape, data as unknown as DataOf[T]);
}

/** The raw little-endian bytes of an array, without a copy. */
export function toBytes(array: HostArray): Uint8Array {
  return new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength);
}

/** Rows [start, end) of the first axis, as a view on the same memory. */
export function rows<T extends DType>(array: HostArray<T>, start: number, end: number): HostArray<T> {
  const width = sizeOf(array.shape.slice(1));
  const data = array.data.subarray(start * width, end * width) as DataOf[T];
  return { dtype: array.dtype, shape: [end - start, ...array.shape.slice(1)], data };
}

/** Index of the first NaN or infinity, or -1. */
export function firstNonFinite(data: ArrayLike<number>): number {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return i;
  return -1;
}
