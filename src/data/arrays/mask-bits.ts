/** Masks in eight pixels a byte, as numpy.packbits(mask, axis=-1) writes them. */

/** Bytes that `size` bits need. */
export function packedBytes(size: number): number {
  return Math.ceil(size / 8);
}

/** Packs n masks of `size` entries each, first entry in the highest bit, rows padded with 0 bits. [n, ceil(size / 8)] */
export function packBits(mask: ArrayLike<number>, size: number): Uint8Array {
  const width = packedBytes(size);
  const packed = new Uint8Array((mask.length / size) * width);
  for (let i = 0; i < mask.length; i++) {
    const entry = i % size;
    if (mask[i] !== 0) packed[((i - entry) / size) * width + (entry >> 3)]! |= 0x80 >> (entry & 7);
  }
  return packed;
}

/** The inverse of `packBits`: 0 or 1 an entry, [n, size]. Padding bits are ignored. */
export function unpackBits(packed: Uint8Array, size: number): Float32Array {
  const width = packedBytes(size);
  const mask = new Float32Array((packed.length / width) * size);
  for (let i = 0; i < mask.length; i++) {
    const entry = i % size;
    mask[i] = (packed[((i - entry) / size) * width + (entry >> 3)]! >> (7 - (entry & 7))) & 1;
  }
  return mask;
}
