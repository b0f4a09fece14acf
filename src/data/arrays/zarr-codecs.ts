/** Decompressors of Zarr chunks that make no more than a chunk: a few bytes may stand for very many. */

import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import * as zarr from "zarrita";
import { littleEndian, parseZstdFrame } from "./zstd-frame.ts";

type Codecs = typeof zarr.registry;
type CodecEntry = Awaited<ReturnType<NonNullable<ReturnType<Codecs["get"]>>>>;
interface ChunkMetadata {
  readonly shape: readonly number[];
  readonly dataType: string;
}
type Decode = (bytes: Uint8Array, most: number) => Promise<Uint8Array>;

/** What codecs may add to what they cannot compress, and to what another codec of the chunk gave. */
const OVERHEAD = { share: 1 / 64, bytes: 1024 };

let areBounded = false;

/** Puts bounded decompressors in the place of zarrita's own; the formats are the same. */
export function boundCodecs(): void {
  if (areBounded) return;
  areBounded = true;
  const own = new Map(zarr.registry);
  const zlib =
    (decode: typeof gunzip): Decode =>
    async (bytes, maxOutputLength) =>
      await promisify<Uint8Array, object, Uint8Array>(decode)(bytes, { maxOutputLength });
  for (const prefix of ["", "numcodecs."]) {
    replace(`${prefix}gzip`, own, zlib(gunzip));
    replace(`${prefix}zlib`, own, zlib(inflate));
    replace(`${prefix}zstd`, own, undefined, (bytes) => parseZstdFrame(bytes).contentBytes, requireOneFrame);
    replace(`${prefix}blosc`, own, undefined, (bytes) => littleEndian(bytes, 4, 4));
    replace(`${prefix}lz4`, own, undefined, (bytes) => littleEndian(bytes, 0, 4));
  }
}

/** @param decode in place of the codec's own        @param statedSize bytes that it will make, as the chunk begins        @param check throws for what it cannot bear */
function replace(
  name: string,
  own: ReadonlyMap<string, () => unknown>,
  decode: Decode | undefined,
  statedSize: (bytes: Uint8Array) => number = () => 0,
  check: (bytes: Uint8Array) => void = () => undefined,
): void {
  const load = own.get(name) as (() => Promise<CodecClass>) | undefined;
  if (!load) return;
  const bounded = async () => {
    const Codec = await load();
    return {
      fromConfig: (configuration: unknown, metadata: ChunkMetadata) => {
        const codec = Codec.fromConfig(configuration, metadata);
        const most = mostBytes(metadata);
        return {
          kind: codec.kind,
          encode: (bytes: Uint8Array) => codec.encode(bytes),
          decode: async (bytes: Uint8Array) => {
            const stated = statedSize(bytes);
            const found = Number.isFinite(stated) ? `${stated} stated` : "no number stated";
            if (!(stated <= most)) throw new Error(`expected ${most} bytes at most, found ${found}`);
            check(bytes);
            return decode ? await decode(bytes, most) : await codec.decode(bytes);
          },
        };
      },
    };
  };
  zarr.registry.set(name, bounded as unknown as () => Promise<CodecEntry>); // as zarrita uses them
}

interface CodecClass {
  fromConfig(configuration: unknown, metadata: ChunkMetadata): Codec;
}
interface Codec {
  readonly kind: string;
  encode(bytes: Uint8Array): Uint8Array;
  decode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

function mostBytes({ shape, dataType }: ChunkMetadata): number {
  const width = Number(/\d+$/.exec(dataType)?.[0] ?? 64) / 8;
  const size = shape.reduce((product, axis) => product * axis, width);
  return Math.ceil(size * (1 + OVERHEAD.share)) + OVERHEAD.bytes;
}

/** @throws Error unless the bytes are one whole frame: behind one, the decompressor may wait for more for ever */
function requireOneFrame(bytes: Uint8Array): void {
  const { end } = parseZstdFrame(bytes);
  if (end !== bytes.length)
    throw new Error(
      `expected one Zstandard frame, found ${end < bytes.length ? `${bytes.length - end} bytes behind it` : "a part of it"}`,
    );
}
