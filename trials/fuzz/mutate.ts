/** Damage to bytes: what disks, networks, other programs and attackers do to a file, drawn from a stream. */

import type { Rng } from "../../src/core/random.ts";

type Damage = (bytes: Uint8Array, rng: Rng, other: Uint8Array) => Uint8Array;

/** Integers that overflow, allocate or turn negative, in 1, 2, 4 or 8 bytes. */
const EXTREMES = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];
/** Numbers and signs that headers of text stumble over. */
const TEXTS = [
  "-1",
  "0",
  "1.5",
  "2147483648",
  "4294967296",
  "9007199254740993",
  "1e999",
  "null",
  '"x"',
  "[]",
  "{}",
  "[",
  "}",
  ",",
  "\0",
];
/** Copies of a repeated piece: up to so many, and no more bytes than that. */
const COPIES = 256;
const LONGEST = 2 ** 16;

const DAMAGES: readonly Damage[] = [
  flipBits,
  replaceBytes,
  writeExtreme,
  writeExtreme,
  replaceNumber,
  replaceNumber,
  cutOff,
  removePiece,
  repeatPiece,
  splice,
];

/** One to four kinds of damage in turn. @param other a file of the same kind, to splice with */
export function mutate(bytes: Uint8Array, other: Uint8Array, rng: Rng): Uint8Array {
  let mutated = bytes;
  for (let left = 1 + rng.integer(4); left > 0; left--)
    mutated = DAMAGES[rng.integer(DAMAGES.length)]!(mutated, rng, other);
  return mutated;
}

function flipBits(bytes: Uint8Array, rng: Rng): Uint8Array {
  const flipped = bytes.slice();
  for (let left = 1 + rng.integer(8); left > 0 && bytes.length > 0; left--)
    flipped[placeIn(bytes, rng)]! ^= 1 << rng.integer(8);
  return flipped;
}

function replaceBytes(bytes: Uint8Array, rng: Rng): Uint8Array {
  return overwrite(
    bytes,
    placeIn(bytes, rng),
    Uint8Array.from({ length: 1 + rng.integer(8) }, () => rng.integer(256)),
  );
}

function writeExtreme(bytes: Uint8Array, rng: Rng): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  const isLittleEndian = rng.integer(2) === 0;
  const width = 2 ** rng.integer(4);
  view.setBigUint64(0, EXTREMES[rng.integer(EXTREMES.length)]!, isLittleEndian);
  const all = new Uint8Array(view.buffer);
  return overwrite(
    bytes,
    placeIn(bytes, rng),
    isLittleEndian ? all.subarray(0, width) : all.subarray(8 - width),
  );
}

/** Puts another text in the place of digits, or anywhere if there are none near. */
function replaceNumber(bytes: Uint8Array, rng: Rng): Uint8Array {
  const isDigit = (at: number) => bytes[at]! >= 0x30 && bytes[at]! <= 0x39;
  let start = placeIn(bytes, rng);
  for (let looked = 0; looked < 64 && start < bytes.length && !isDigit(start); looked++) start++;
  let end = start;
  while (end < bytes.length && isDigit(end)) end++;
  return join(
    bytes.subarray(0, start),
    new TextEncoder().encode(TEXTS[rng.integer(TEXTS.length)]!),
    bytes.subarray(end),
  );
}

function cutOff(bytes: Uint8Array, rng: Rng): Uint8Array {
  return bytes.slice(0, rng.integer(bytes.length + 1));
}

function removePiece(bytes: Uint8Array, rng: Rng): Uint8Array {
  const [start, end] = pieceOf(bytes, rng);
  return join(bytes.subarray(0, start), bytes.subarray(end));
}

function repeatPiece(bytes: Uint8Array, rng: Rng): Uint8Array {
  const [start, end] = pieceOf(bytes, rng);
  const most = Math.max(1, Math.min(COPIES, Math.floor(LONGEST / (end - start + 1))));
  const copies = Array.from({ length: 1 + rng.integer(most) }, () => bytes.subarray(start, end));
  return join(bytes.subarray(0, end), ...copies, bytes.subarray(end));
}

function splice(bytes: Uint8Array, rng: Rng, other: Uint8Array): Uint8Array {
  return join(
    bytes.subarray(0, rng.integer(bytes.length + 1)),
    other.subarray(rng.integer(other.length + 1)),
  );
}

/** A place in the file; half of the time near its begin, where headers are. */
function placeIn(bytes: Uint8Array, rng: Rng): number {
  return rng.integer(Math.max(1, rng.integer(2) === 0 ? Math.min(bytes.length, 128) : bytes.length));
}

function pieceOf(bytes: Uint8Array, rng: Rng): [number, number] {
  const start = placeIn(bytes, rng);
  return [start, Math.min(bytes.length, start + 1 + rng.integer(2 ** rng.integer(13)))];
}

function overwrite(bytes: Uint8Array, at: number, written: Uint8Array): Uint8Array {
  return join(bytes.subarray(0, at), written, bytes.subarray(at + written.length));
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
