/** Types of numbers that scientific files hold, and how their bytes become arrays without loss. */

import { type DType, fromBytes, type HostArray, hostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";

/** One type of numbers in a file. */
export interface NumberType {
  readonly name: string;
  /** Bytes of one number; of a complex one, both parts. */
  readonly bytes: number;
  readonly isBigEndian: boolean;
  /** Complex numbers are read as two real ones: an axis of 2, real and imaginary part, behind the others. */
  readonly isComplex: boolean;
}

/** Names by kind and bytes, as NumPy's type strings have them. */
const NAMES: Readonly<Record<string, string>> = {
  b1: "bool",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
  c8: "complex64",
  c16: "complex128",
};

/** What is read, in words. */
export const NUMBERS =
  "numbers (bool, integers, floating-point or complex numbers of at most 64 bits a part)";

/** The type behind a string such as "<f4"; undefined if it is none of numbers. */
export function parseNumberType(description: string): NumberType | undefined {
  const [, order, kind = ""] = /^([<>|=])(\w+)$/.exec(description) ?? [];
  const name = Object.hasOwn(NAMES, kind) ? NAMES[kind] : undefined;
  if (name === undefined) return undefined;
  const isComplex = kind.startsWith("c");
  return { name, bytes: Number(kind.slice(1)), isBigEndian: order === ">", isComplex };
}

/** The type of a name, such as "float32"; little-endian. */
export function numberType(name: string): NumberType | undefined {
  const found = Object.entries(NAMES).find(([, known]) => known === name);
  return found && parseNumberType(`<${found[0]}`);
}

/** Shape of the array that numbers of a type become. */
export function readShape({ isComplex }: Pick<NumberType, "isComplex">, shape: Shape): Shape {
  return isComplex ? [...shape, 2] : shape;
}

/** What typed arrays of a library, or of bytes, may be. */
export type Numbers =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** Views on bytes by the name of a type's part. Half precision is widened from its 16 bits. */
const VIEWS = {
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
} as const;
const PARTS: Readonly<Record<string, string>> = { complex64: "float32", complex128: "float64" };
/** Types of which arrays in memory may be. */
const HOST: readonly string[] = ["bool", "uint8", "int32", "int64", "float32", "float64"];

/**
 * The array that bytes of a file stand for, with every number as it was: small integers and half precision become wider types.
 * @param shape in the file        @returns shape as `readShape` says, in the file's order of axes
 * @throws DataError for integers from 2^63 on, and for bools that are neither 0 nor 1
 */
export function numbersFromBytes(
  type: NumberType,
  shape: Shape,
  bytes: Uint8Array,
  where: string,
): HostArray {
  const part = PARTS[type.name] ?? type.name;
  const little = type.isBigEndian ? swapped(bytes, type.isComplex ? type.bytes / 2 : type.bytes) : bytes;
  const own = readShape(type, shape);
  if (HOST.includes(part)) {
    const array = fromBytes(part as DType, own, little); // it is one of HOST
    if (part === "bool") checkBooleans(array.data as Uint8Array, where);
    return array;
  }
  const View = VIEWS[part as keyof typeof VIEWS];
  const isAligned = little.byteOffset % View.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset } = isAligned ? little : new Uint8Array(little);
  const values = new View(buffer as ArrayBuffer, byteOffset, sizeOf(own));
  return part === "float16"
    ? hostArray("float32", own, Float32Array.from(values as Uint16Array, halfToNumber))
    : hostNumbers(own, values, where);
}

/** Typed arrays as an array, of the narrowest type in memory that holds each of their numbers. @throws DataError from 2^63 on */
export function hostNumbers(shape: Shape, values: Numbers, where: string): HostArray {
  if (values instanceof Float32Array) return hostArray("float32", shape, values);
  if (values instanceof Float64Array) return hostArray("float64", shape, values);
  if (values instanceof Int32Array) return hostArray("int32", shape, values);
  if (values instanceof Uint8Array) return hostArray("uint8", shape, values);
  if (values instanceof BigInt64Array) return hostArray("int64", shape, values);
  if (values instanceof Uint32Array) return hostArray("float64", shape, Float64Array.from(values));
  if (values instanceof BigUint64Array) {
    const wrong = values.findIndex((value) => value >= 2n ** 63n);
    if (wrong >= 0)
      throw new DataError(
        `${where}: entry ${wrong}: expected integers below 2^63, found ${values[wrong]}. Scale them first.`,
      );
    return hostArray("int64", shape, new BigInt64Array(values));
  }
  return hostArray("int32", shape, Int32Array.from(values));
}

/** @throws DataError if an element is neither 0 nor 1, which would be a third truth value */
function checkBooleans(data: Uint8Array, where: string): void {
  const index = data.findIndex((value) => value > 1);
  if (index >= 0)
    throw new DataError(
      `${where}: entry ${index}: expected a bool of 0 or 1, found ${data[index]}. The file is damaged; write it again.`,
    );
}

/** Numbers of `width` bytes each in the other byte order. */
function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const turned = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += width)
    for (let k = 0; k < width; k++) turned[start + k] = bytes[start + width - 1 - k]!;
  return turned;
}

/** IEEE 754 half precision: a sign, five bits of exponent, ten of fraction. */
export function halfToNumber(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
