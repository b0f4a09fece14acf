/** The chunks of PNG files, damaged ones too, put together again with right checksums so that a reader looks inside. */

import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = 8;
/** Length, type and checksum of a chunk. */
const FRAME = 12;

/** The same chunks with right checksums. @param change what becomes of the data of IDAT chunks */
export function withChecksums(bytes: Uint8Array, change = (data: Uint8Array) => data): Uint8Array {
  const parts: Uint8Array[] = [bytes.subarray(0, SIGNATURE)];
  for (let at = SIGNATURE; at < bytes.length; ) {
    const rest = Buffer.from(bytes.subarray(at));
    const length = rest.length >= FRAME ? Math.min(rest.readUInt32BE(0), rest.length - FRAME) : 0;
    const type = rest.subarray(4, 8);
    const data = rest.subarray(8, 8 + length);
    parts.push(chunk(type, type.toString("latin1") === "IDAT" ? change(data) : data));
    at += FRAME + length;
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** Whether the compressed data are not cut into several chunks. */
export function hasOneStream(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).toString("latin1").split("IDAT").length === 2;
}

/** Inflated image data in the place of compressed ones, to be damaged. */
export function inflated(bytes: Uint8Array): Uint8Array {
  return withChecksums(bytes, inflateSync);
}

/** The reverse of `inflated`. */
export function deflated(bytes: Uint8Array): Uint8Array {
  return withChecksums(bytes, (data) => deflateSync(data, { level: 1 }));
}

function chunk(type: Uint8Array, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(FRAME + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.set(type, 4);
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}
