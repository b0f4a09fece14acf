import { DataError } from "../../core/errors.ts";

/** A field of a message as it lies in the bytes: a varint, or bytes (of a message, text, packed numbers, one number). */
export type Field =
  | { readonly number: number; readonly integer: number; readonly bytes?: undefined }
  | { readonly number: number; readonly bytes: Uint8Array; readonly integer?: undefined };

/** The fields of one message by number, each in the order of the file. */
export class Message {
  readonly #fields = new Map<number, Field[]>();

  /** @throws DataError if the bytes are no fields of Protocol Buffers, ending where the bytes end */
  constructor(bytes: Uint8Array, where: string) {
    let at = 0;
    const fail = () =>
      new DataError(
        `${where}: expected an ONNX model, found bytes that are none at ${at} of ${bytes.length}. The file is damaged or of another kind.`,
      );
    const varint = () => {
      let value = 0n;
      for (let shift = 0n; shift < 70n; shift += 7n) {
        const byte = bytes[at++];
        if (byte === undefined) throw fail();
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) return Number(BigInt.asIntN(64, value));
      }
      throw fail();
    };
    const take = (length: number) => {
      if (!(length >= 0 && length <= bytes.length - at)) throw fail();
      at += length;
      return bytes.subarray(at - length, at);
    };
    const lengths: Readonly<Record<number, () => number>> = { 1: () => 8, 2: varint, 5: () => 4 };
    while (at < bytes.length) {
      const key = varint();
      const number = Math.floor(key / 8);
      const wire = key % 8;
      const length = lengths[wire];
      if (number < 1 || (wire !== 0 && !length)) throw fail();
      const field: Field = length ? { number, bytes: take(length()) } : { number, integer: varint() };
      const sofar = this.#fields.get(number);
      if (sofar) sofar.push(field);
      else this.#fields.set(number, [field]);
    }
  }

  /** Whether the field occurs. */
  has(number: number): boolean {
    return this.#fields.has(number);
  }

  /** Every occurrence as bytes. */
  all(number: number): Uint8Array[] {
    return (this.#fields.get(number) ?? []).flatMap(({ bytes }) => (bytes ? [bytes] : []));
  }

  /** The last occurrence, as Protocol Buffers has it. */
  bytes(number: number): Uint8Array | undefined {
    return this.all(number).at(-1);
  }

  text(number: number): string {
    return decodeText(this.bytes(number));
  }

  texts(number: number): string[] {
    return this.all(number).map(decodeText);
  }

  integer(number: number): number | undefined {
    return this.#fields.get(number)?.at(-1)?.integer;
  }

  float(number: number): number | undefined {
    return this.floats(number).at(-1);
  }

  /** A repeated 32-bit float field, packed or not. */
  floats(number: number): number[] {
    return this.all(number).flatMap((bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getFloat32(4 * i, true));
    });
  }

  /** A repeated 64-bit float field. */
  doubles(number: number): number[] {
    return this.all(number).flatMap((bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return Array.from({ length: Math.floor(bytes.length / 8) }, (_, i) => view.getFloat64(8 * i, true));
    });
  }

  /** A repeated varint field, packed or not. @throws DataError if packed numbers are cut off */
  integers(number: number, where: string): number[] {
    return (this.#fields.get(number) ?? []).flatMap(({ bytes, integer }) =>
      bytes ? packedIntegers(bytes, where) : [integer],
    );
  }
}

function packedIntegers(bytes: Uint8Array, where: string): number[] {
  const values: number[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (shift > 70n) break;
    if (byte >= 128) continue;
    values.push(Number(BigInt.asIntN(64, value)));
    value = 0n;
    shift = 0n;
  }
  if (shift > 0n)
    throw new DataError(`${where}: expected packed numbers, found some cut off. The file is damaged.`);
  return values;
}

function decodeText(bytes: Uint8Array | undefined): string {
  return bytes ? new TextDecoder().decode(bytes) : "";
}
