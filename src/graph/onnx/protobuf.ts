const UTF8 = new TextEncoder();
/** Values of this many bytes and more are kept by reference until the end: a model's weights are copied once. */
const LARGE = 4096;

/** The part of Protocol Buffers' wire format that ONNX models need, as a growing sequence of bytes. */
export class ProtobufWriter {
  /** Pieces before the tail: large values, and what was written between them. */
  readonly #pieces: Uint8Array[] = [];
  #piecesLength = 0;
  #tail = new Uint8Array(64);
  #tailLength = 0;

  /** Number of bytes written so far. */
  get length(): number {
    return this.#piecesLength + this.#tailLength;
  }

  /** The bytes written so far. */
  get bytes(): Uint8Array {
    const tail = this.#tail.subarray(0, this.#tailLength);
    if (this.#pieces.length === 0) return tail;
    const all = new Uint8Array(this.length);
    let offset = 0;
    for (const piece of [...this.#pieces, tail]) {
      all.set(piece, offset);
      offset += piece.length;
    }
    return all;
  }

  /** A varint field: int32, int64, bool or enum. */
  integer(field: number, value: number): this {
    this.#varint(field << 3);
    this.#varint(value);
    return this;
  }

  /** A 32-bit float field. */
  float(field: number, value: number): this {
    this.#varint((field << 3) | 5);
    this.#append(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  text(field: number, value: string): this {
    return this.raw(field, UTF8.encode(value));
  }

  /** A length-delimited field: bytes, text or an encoded message. A large value must not change afterwards. */
  raw(field: number, value: Uint8Array): this {
    this.#varint((field << 3) | 2);
    this.#varint(value.length);
    this.#append(value);
    return this;
  }

  message(field: number, write: (inner: ProtobufWriter) => void): this {
    const inner = new ProtobufWriter();
    write(inner);
    return this.nested(field, inner);
  }

  /** A message that was written apart. */
  nested(field: number, inner: ProtobufWriter): this {
    this.#varint((field << 3) | 2);
    this.#varint(inner.length);
    for (const piece of inner.#pieces) this.#append(piece);
    this.#append(inner.#tail.subarray(0, inner.#tailLength));
    return this;
  }

  /** Seven bits a byte, low ones first; negative numbers are their 64-bit two's complement, ten bytes. */
  #varint(value: number): void {
    this.#reserve(10);
    if (value < 0) {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest > 127n; rest >>= 7n) this.#tail[this.#tailLength++] = Number(rest & 127n) | 128;
      this.#tail[this.#tailLength++] = Number(rest);
      return;
    }
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#tail[this.#tailLength++] = (rest % 128) | 128;
    this.#tail[this.#tailLength++] = rest;
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length < LARGE) {
      this.#reserve(bytes.length);
      this.#tail.set(bytes, this.#tailLength);
      this.#tailLength += bytes.length;
      return;
    }
    if (this.#tailLength > 0) this.#pieces.push(this.#tail.subarray(0, this.#tailLength));
    this.#pieces.push(bytes);
    this.#piecesLength += this.#tailLength + bytes.length;
    this.#tail = new Uint8Array(64);
    this.#tailLength = 0;
  }

  #reserve(extra: number): void {
    if (this.#tailLength + extra <= this.#tail.length) return;
    const grown = new Uint8Array(Math.max(this.#tail.length * 2, this.#tailLength + extra));
    grown.set(this.#tail);
    this.#tail = grown;
  }
}
