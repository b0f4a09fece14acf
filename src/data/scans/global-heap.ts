/**
 * Global heap collections of HDF5, which hold texts of any length. The library walks through their objects without looking
 * whether it gets on: an object of no size stops it for ever.
 * https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html#GlobalHeap
 */

const SIGNATURE = "GCOL";
/** Of a collection and of an object in it, with lengths of 8 bytes. */
const HEADER = 16;
const ALIGNMENT = 8n;

/** Bytes of a collection as it states them, or 0 if none begins there. */
export function collectionSize(bytes: Uint8Array): number {
  const begin = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEADER));
  return begin.length === HEADER && begin.toString("latin1", 0, 4) === SIGNATURE
    ? Number(begin.readBigUInt64LE(8))
    : 0;
}

/** Whether every object of a collection has a size, and ends inside the collection. */
export function isWalkable(collection: Uint8Array): boolean {
  const bytes = Buffer.from(collection.buffer, collection.byteOffset, collection.length);
  for (let at = HEADER; at + HEADER <= bytes.length; ) {
    const isFree = bytes.readUInt16LE(at) === 0;
    const stated = bytes.readBigUInt64LE(at + 8);
    const size = isFree ? stated : BigInt(HEADER) + ((stated + ALIGNMENT - 1n) / ALIGNMENT) * ALIGNMENT;
    if (size === 0n || size > BigInt(bytes.length - at)) return false;
    at += Number(size);
  }
  return true;
}
