import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { main } from "../../src/cli/command-line.ts";
import { readNpy } from "../../src/data/arrays/npy.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { archive, picture, RECORD } from "../data/cifar-files.ts";
import { inTemporaryFolder } from "../data/temporary.ts";

/** Pictures in each file of the small set that takes the place of the published one. */
const PER_FILE = 3;
const NAMES = [1, 2, 3, 4, 5].map((k) => `data_batch_${k}.bin`).concat("test_batch.bin");
const FILES = Object.fromEntries(
  NAMES.map((name, k) => [
    name,
    Buffer.concat(Array.from({ length: PER_FILE }, (_, i) => picture((k + i) % 10, 40 * k + i))),
  ]),
);
const ARCHIVE = archive(FILES);
const MD5 = createHash("md5").update(ARCHIVE).digest("hex");

// The command as it is, but for the size and the checksum of what it expects.
vi.mock("../../src/data/cifar10.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/data/cifar10.ts")>();
  return {
    ...original,
    CIFAR10_ARCHIVE: {
      ...original.CIFAR10_ARCHIVE,
      get md5() {
        return MD5;
      },
    },
    openCifar10: (path: string, part: "train" | "test") => original.openCifar10(path, part, PER_FILE),
  };
});

async function diem(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, "write").mockImplementation(() => true),
  );
  try {
    const code = await main([...args, "--quiet"]);
    const [out, err] = [stdout, stderr].map((spy) => spy!.mock.calls.map(([text]) => text).join(""));
    return { code, out: out!, err: err! };
  } finally {
    stdout!.mockRestore();
    stderr!.mockRestore();
  }
}

async function serving(listener: RequestListener, work: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/c.tar.gz`);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

const WRITTEN = ["test-labels.npy", "test.npy", "train-labels.npy", "train.npy"];

async function expectSet(out: string): Promise<void> {
  const [testLabels, held, labels, train] = await Promise.all(
    WRITTEN.map((name) => readNpy(join(out, name))),
  );
  expect([train!.dtype, train!.shape]).toEqual(["float32", [15, 3, 32, 32]]);
  expect([held!.dtype, held!.shape]).toEqual(["float32", [3, 3, 32, 32]]);
  expect([labels!.dtype, [...labels!.data]]).toEqual([
    "uint8",
    [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6],
  ]);
  expect([...testLabels!.data]).toEqual([5, 6, 7]);
  const scaled = (u: number) => Math.fround((4 * u) / 255 - 2);
  // Picture 2 of file 3 of training, picture 1 of the test: red, green and blue of their last pixels.
  const last = (data: ArrayLike<number>, i: number) => [1, 2, 3].map((c) => data[(3 * i + c) * 1024 - 1]);
  expect(last(train!.data as Float32Array, 3 * 3 + 2)).toEqual([122, 123, 255].map(scaled));
  expect(last(held!.data as Float32Array, 1)).toEqual([201, 202, 255].map(scaled));
}

test("data cifar10 --from an archive or a folder writes arrays and labels, which diem corrupt hides alike in all channels", async () => {
  await inTemporaryFolder(async (folder) => {
    const input = join(folder, "in");
    mkdirSync(input);
    for (const [name, bytes] of Object.entries(FILES)) writeFileSync(join(input, name), bytes);
    writeFileSync(join(folder, "c.tar.gz"), ARCHIVE);
    for (const from of [input, join(folder, "c.tar.gz")]) {
      const out = join(folder, `out of ${from.length}`);
      const { code, out: text, err } = await diem("data", "cifar10", "--out", out, "--from", from, "--json");
      expect([code, err]).toEqual([0, ""]);
      expect(text).toContain("train.npy [15, 3, 32, 32] and test.npy [3, 3, 32, 32] in [-2, 2], and labels.");
      expect(JSON.parse(text.trim().split("\n").at(-1)!)).toMatchObject({ out, train: 15, test: 3 });
      expect(readdirSync(out).sort()).toEqual(WRITTEN);
      await expectSet(out);
    }
    const [clean, hidden] = [join(folder, `out of ${input.length}`, "train.npy"), join(folder, "x.zarr")];
    expect(await diem("corrupt", clean, hidden, "--deleted", "0.75", "--range=-2,2")).toMatchObject({
      code: 0,
      err: "",
    });
    const observations = await openObservations(hidden);
    expect(observations.header).toMatchObject({ latentShape: [3, 32, 32], range: [-2, 2] });
    const { y, data } = await observations.read(0, 15);
    const mask = data.mask!;
    expect(mask.shape).toEqual([15, 1, 32, 32]);
    const share = mask.data.reduce((sum: number, value) => sum + Number(value), 0) / mask.data.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(0.018); // five deviations of a mean of 15 x 1024 draws
    const seen = y.data.map((value) => (value === 0 ? 0 : 1)); // no clean value is nearer to 0 than 1 / 128, eight deviations of the noise
    const wanted = y.data.map((_, i) => Number(mask.data[Math.floor(i / 3072) * 1024 + (i % 1024)]));
    expect(seen).toEqual(wanted);
  });
});

test("data cifar10 goes on with a download that was cut when it is run again", async () => {
  await inTemporaryFolder(async (folder) => {
    const out = join(folder, "cifar");
    const part = join(out, "cifar-10-binary.tar.gz.part");
    const half = ARCHIVE.length >> 1;
    const ranges: (string | undefined)[] = [];
    const cutting: RequestListener = (request, response) => {
      ranges.push(request.headers.range);
      // The first answer breaks off in the middle; then the server is out of order.
      if (ranges.length > 1) return response.writeHead(404).end();
      response.writeHead(200, { "content-length": ARCHIVE.length });
      response.write(ARCHIVE.subarray(0, half));
      const timer = setInterval(() => {
        if (!existsSync(part) || statSync(part).size < half) return;
        clearInterval(timer);
        response.destroy();
      }, 5);
    };
    await serving(cutting, async (url) => {
      const { code, err } = await diem("data", "cifar10", "--out", out, "--url", url);
      expect(code).toBe(2);
      expect(err).toBe(
        `Error: ${url}: expected a download, found status 404. Take another mirror. Or take cifar-10-binary.tar.gz from elsewhere and give it with --from.\n`,
      );
      expect(readdirSync(out)).toEqual(["cifar-10-binary.tar.gz.part"]);
    });
    const sending: RequestListener = (request, response) => {
      ranges.push(request.headers.range);
      const range = `bytes ${half}-${ARCHIVE.length - 1}/${ARCHIVE.length}`;
      response.writeHead(206, { "content-range": range }).end(ARCHIVE.subarray(half));
    };
    await serving(sending, async (url) => {
      const { code, err } = await diem("data", "cifar10", "--out", out, "--url", url);
      expect([code, err]).toEqual([0, ""]);
      expect(readFileSync(join(out, "cifar-10-binary.tar.gz")).equals(ARCHIVE)).toBe(true);
      await expectSet(out);
      // A third start finds the archive and asks nobody.
      expect((await diem("data", "cifar10", "--out", out, "--url", url)).code).toBe(0);
    });
    expect(ranges).toEqual([undefined, `bytes=${half}-`, `bytes=${half}-`]);
  });
});

test("data cifar10 refuses a download or an archive of another checksum, and writes nothing", async () => {
  await inTemporaryFolder(async (folder) => {
    const out = join(folder, "cifar");
    const damaged = Buffer.from(ARCHIVE);
    damaged[damaged.length >> 1]! ^= 1;
    await serving(
      (_, response) => response.end(damaged),
      async (url) => {
        const { code, err } = await diem("data", "cifar10", "--out", out, "--url", url);
        expect(code).toBe(2);
        expect(err).toMatch(
          /^Error: .*cifar-10-binary.tar.gz.part: expected MD5 .{32}, found .{32}\. It was removed; run again, or take another mirror\.\n$/,
        );
        expect(readdirSync(out)).toEqual([]);
      },
    );
    writeFileSync(join(folder, "c.tar.gz"), damaged);
    const { code, err } = await diem("data", "cifar10", "--out", out, "--from", join(folder, "c.tar.gz"));
    expect([code, err]).toEqual([2, expect.stringMatching(/^Error: .*c.tar.gz: expected MD5 .*\n$/)]);
    expect(readdirSync(out)).toEqual([]);
  });
});

test("data cifar10 writes no part of a folder in which a file is missing or damaged", async () => {
  await inTemporaryFolder(async (folder) => {
    const [input, out] = [join(folder, "in"), join(folder, "cifar")];
    mkdirSync(input);
    const refused = async (message: RegExp) => {
      const { code, err } = await diem("data", "cifar10", "--out", out, "--from", input);
      expect([code, err]).toEqual([2, expect.stringMatching(message)]);
      expect(readdirSync(out)).toEqual([]);
    };
    for (const name of NAMES.slice(0, 5)) writeFileSync(join(input, name), FILES[name]!);
    await refused(/^Error: .*test_batch.bin: expected a file of CIFAR-10, found nothing. Check the path.\n$/);
    writeFileSync(join(input, "test_batch.bin"), FILES["test_batch.bin"]!.subarray(0, 2 * RECORD));
    await refused(/^Error: .*test_batch.bin: expected 9219 bytes \(3 pictures\), found 6146\. .*\n$/);
  });
});
