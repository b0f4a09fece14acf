import { gzipSync } from "node:zlib";

/** Bytes of a picture in CIFAR-10's binary version: its label, then three planes of 32 x 32. */
export const RECORD = 3073;

/** A picture of one colour but for blue, which is 8 y in row y and 255 at the last pixel; green is red + 1. */
export function picture(label: number, red: number): Uint8Array {
  const bytes = new Uint8Array(RECORD);
  bytes[0] = label;
  bytes.fill(red, 1, 1025).fill(red + 1, 1025, 2049);
  for (let j = 0; j < 1024; j++) bytes[2049 + j] = 8 * Math.floor(j / 32);
  bytes[RECORD - 1] = 255;
  return bytes;
}

/** A file of a tar archive: header and content, both padded to blocks. */
export function entry(name: string, bytes: Uint8Array): Uint8Array {
  const header = new Uint8Array(512);
  const text = (at: number, value: string) => header.set(new TextEncoder().encode(value), at);
  text(0, name);
  text(124, `${bytes.length.toString(8).padStart(11, "0")}\0`);
  text(148, " ".repeat(8));
  header[156] = 0x30;
  const sum = header.reduce((total, byte) => total + byte, 0);
  text(148, `${sum.toString(8).padStart(6, "0")}\0`);
  const padded = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  padded.set(bytes);
  return Buffer.concat([header, padded]);
}

/** A tar.gz archive laid out as the published one. */
export function archive(files: Readonly<Record<string, Uint8Array>>): Buffer {
  const entries = Object.entries(files).map(([name, bytes]) => entry(`cifar-10-batches-bin/${name}`, bytes));
  return gzipSync(Buffer.concat([...entries, new Uint8Array(1024)]), { level: 1 });
}
