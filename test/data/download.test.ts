import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { download } from "../../src/data/download.ts";
import { inTemporaryFolder } from "./temporary.ts";

const BYTES = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, i) => (i * i) >> 3));
const md5 = createHash("md5").update(BYTES).digest("hex");
const QUICK = { md5, pause: 1 };

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => unknown;

/** Runs `work` with the address of a server, and the ranges that it was asked for. */
async function serving(
  handler: Handler,
  work: (url: string, ranges: (string | undefined)[]) => Promise<void>,
): Promise<void> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    handler(request, response, ranges.length);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/data.bin`, ranges);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

/** Sends what was asked for. */
const send: Handler = (request, response) => {
  const rest = begin(request, response);
  response.end(rest);
};

/** Sends the headers. @returns what was asked for */
function begin(request: IncomingMessage, response: ServerResponse): Uint8Array {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const rest = BYTES.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    "content-length": rest.length,
    ...(start > 0 && { "content-range": `bytes ${start}-${BYTES.length - 1}/${BYTES.length}` }),
  });
  return rest;
}

test("a download is there as a whole, and is not repeated", async () => {
  await inTemporaryFolder(async (folder) => {
    await serving(send, async (url, ranges) => {
      const path = join(folder, "data.bin");
      const seen: number[] = [];
      await download(url, path, { ...QUICK, onProgress: (done, total) => seen.push(done / total) });
      await download(url, path, QUICK);
      expect(BYTES.equals(await readFile(path))).toBe(true);
      expect(await readdir(folder)).toEqual(["data.bin"]);
      expect(ranges).toEqual([undefined]);
      expect([seen[0], seen.at(-1)]).toEqual([0, 1]);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    });
  });
});

test("cut connections are taken up where they ended", async () => {
  await inTemporaryFolder(async (folder) => {
    const part = join(folder, "data.bin.part");
    const handler: Handler = (request, response) => {
      const rest = begin(request, response);
      if (rest.length <= 30_000) return response.end(rest);
      const size = BYTES.length - rest.length + 30_000;
      response.write(rest.subarray(0, 30_000));
      // What a client has not read when a connection ends may be lost to it.
      const timer = setInterval(() => {
        if (!existsSync(part) || statSync(part).size < size) return;
        clearInterval(timer);
        response.destroy();
      }, 5);
    };
    await serving(handler, async (url, ranges) => {
      await download(url, join(folder, "data.bin"), QUICK);
      expect(BYTES.equals(await readFile(join(folder, "data.bin")))).toBe(true);
      expect(ranges).toEqual([undefined, "bytes=30000-", "bytes=60000-", "bytes=90000-"]);
    });
  });
});

test("a server that sends no parts begins anew", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, "data.bin");
    await writeFile(`${path}.part`, "an old part that does not fit");
    const handler: Handler = (_, response) => response.end(BYTES);
    await serving(handler, async (url, ranges) => {
      await download(url, path, QUICK);
      expect(ranges).toEqual(["bytes=29-"]);
      expect(BYTES.equals(await readFile(path))).toBe(true);
    });
  });
});

test("a server that sends no parts and always cuts is given up", async () => {
  await inTemporaryFolder(async (folder) => {
    const handler: Handler = (_, response) => {
      response.writeHead(200, { "content-length": BYTES.length });
      response.write(BYTES.subarray(0, 40_000), () => setTimeout(() => response.destroy(), 20));
    };
    await serving(handler, async (url, ranges) => {
      await expect(download(url, join(folder, "data.bin"), QUICK)).rejects.toThrow(
        /expected a download, found the connection cut .*run again/,
      );
      // Each try may bring more than the one before; at some point none does.
      expect(ranges.length).toBeGreaterThanOrEqual(4);
      expect(await readdir(folder)).toEqual(["data.bin.part"]);
    });
  });
});

test("a part that is whole is only checked", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, "data.bin");
    await writeFile(`${path}.part`, BYTES);
    const handler: Handler = (_, response) => {
      response.writeHead(416, { "content-range": `bytes */${BYTES.length}` });
      response.end();
    };
    await serving(handler, async (url) => await download(url, path, QUICK));
    expect(BYTES.equals(await readFile(path))).toBe(true);
  });
});

test("a part that is longer than the file, or continued elsewhere, is dropped", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, "data.bin");
    for (const status of [416, 206]) {
      await writeFile(`${path}.part`, Buffer.alloc(120_000));
      const handler: Handler = (request, response, count) => {
        if (count > 1) return send(request, response, count);
        response.writeHead(status, {
          "content-range": status === 416 ? "bytes */100000" : "bytes 7-9/100000",
        });
        response.end();
      };
      await serving(handler, async (url) => await download(url, path, QUICK));
      expect(BYTES.equals(await readFile(path))).toBe(true);
      await writeFile(path, ""); // counts as absent
    }
  });
});

test("another checksum leaves nothing behind", async () => {
  await inTemporaryFolder(async (folder) => {
    const handler: Handler = (_, response) => response.end("<html>Sign in to this network</html>");
    await serving(handler, async (url) => {
      await expect(download(url, join(folder, "data.bin"), QUICK)).rejects.toThrow(
        /data.bin.part: expected MD5 .{32}, found .{32}. It was removed; run again, or take another mirror.$/,
      );
      expect(await readdir(folder)).toEqual([]);
    });
    const path = join(folder, "data.bin");
    await writeFile(path, "mine");
    await expect(download("http://127.0.0.1:9/", path, QUICK)).rejects.toThrow(
      /Remove it to download it again/,
    );
    expect(await readFile(path, "utf8")).toBe("mine");
  });
});

test("a refusal is told at once, a busy server is asked again", async () => {
  await inTemporaryFolder(async (folder) => {
    const handler: Handler = (request, response, count) => {
      if (count === 1 || request.url === "/gone") {
        response.writeHead(request.url === "/gone" ? 404 : 503);
        response.end();
      } else send(request, response, count);
    };
    await serving(handler, async (url, ranges) => {
      await download(url, join(folder, "data.bin"), QUICK);
      expect(ranges.length).toBe(2);
      await expect(download(new URL("/gone", url).href, join(folder, "b"), QUICK)).rejects.toThrow(
        /found status 404. Take another mirror.$/,
      );
      expect(ranges.length).toBe(3);
    });
  });
});

test("without a server or a name for it there is one clear line", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, "data.bin");
    await expect(download("http://127.0.0.1:1/a", path, QUICK)).rejects.toThrow(
      /^http:\/\/127.0.0.1:1\/a: expected a download, found .+\. Check the network and run again\.$/,
    );
    let url = "";
    await serving(send, async (address) => {
      url = address;
    });
    await expect(download(url, path, QUICK)).rejects.toThrow(
      /found a server that does not answer \(ECONNREFUSED\)\. Check the network and run again\.$/,
    );
  });
});

test("silence counts as a cut connection", async () => {
  await inTemporaryFolder(async (folder) => {
    const handler: Handler = (request, response, count) => {
      if (count > 1) return send(request, response, count);
      response.writeHead(200, { "content-length": BYTES.length });
      response.write(BYTES.subarray(0, 10)); // and then nothing
    };
    await serving(handler, async (url, ranges) => {
      await download(url, join(folder, "data.bin"), { ...QUICK, patience: 300 });
      expect(ranges).toEqual([undefined, "bytes=10-"]);
    });
  });
});

test("Ctrl-C keeps what has arrived", async () => {
  await inTemporaryFolder(async (folder) => {
    const controller = new AbortController();
    const handler: Handler = (_, response) => {
      response.writeHead(200, { "content-length": BYTES.length });
      response.write(BYTES.subarray(0, 50_000), () => setTimeout(() => controller.abort(), 50));
    };
    await serving(handler, async (url) => {
      const stopped = download(url, join(folder, "data.bin"), { ...QUICK, signal: controller.signal });
      await expect(stopped).rejects.toMatchObject({ name: "AbortedError", message: /50000 bytes are kept/ });
      expect((await readFile(join(folder, "data.bin.part"))).length).toBe(50_000);
    });
  });
});
