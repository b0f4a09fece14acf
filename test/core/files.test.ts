import { execFileSync } from "node:child_process";
import { existsSync, symlinkSync } from "node:fs";
import files, { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import {
  checksum,
  makeFolder,
  openAtomic,
  readFileOrFail,
  removeLeftovers,
  removeStaleTemporaries,
  replaceFile,
  systemFailure,
  temporaryBeside,
  writeFailure,
  writeFileAtomic,
} from "../../src/core/files.ts";
import { openNpy } from "../../src/data/arrays/npy.ts";
import { FolderStore } from "../../src/data/arrays/zarr-store.ts";
import { tarGzFiles } from "../../src/data/tar.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "diem-files-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("makeFolder", () => {
  it("makes all folders of a path, and leaves one that exists as it is", async () => {
    await makeFolder(join(folder, "a", "b", "c"));
    await writeFile(join(folder, "a", "b", "file"), "x");
    await makeFolder(join(folder, "a", "b"));
    expect((await readdir(join(folder, "a", "b"))).sort()).toEqual(["c", "file"]);
  });

  it("refuses a place below a file, or under the name of one", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(makeFolder(join(folder, "file", "a", "b"))).rejects.toThrow(/found a file/);
    await expect(makeFolder(join(folder, "file"))).rejects.toThrow(
      `${join(folder, "file")}: expected no such name, found one.`,
    );
  });

  it.runIf(existsSync("/proc/self"))("refuses /proc, where no folder can be made", async () => {
    await expect(makeFolder("/proc/diem")).rejects.toThrow(DataError);
    await expect(makeFolder("/proc/diem/a")).rejects.toThrow(DataError);
  });
});

describe("writeFileAtomic", () => {
  it("writes bytes, text and pieces, and leaves no temporary file", async () => {
    await writeFileAtomic(join(folder, "a"), new Uint8Array([1, 2, 3]));
    await writeFileAtomic(join(folder, "b"), "diem ±");
    async function* pieces() {
      yield "one ";
      yield new TextEncoder().encode("two");
    }
    await writeFileAtomic(join(folder, "c"), pieces());
    expect([...(await readFile(join(folder, "a")))]).toEqual([1, 2, 3]);
    expect(await readFile(join(folder, "b"), "utf8")).toBe("diem ±");
    expect(await readFile(join(folder, "c"), "utf8")).toBe("one two");
    expect((await readdir(folder)).sort()).toEqual(["a", "b", "c"]);
  });

  it("keeps the old content and cleans up when the content fails half way", async () => {
    const path = join(folder, "a");
    await writeFileAtomic(path, "old");
    async function* failing() {
      yield "ne";
      throw new TypeError("stop");
    }
    await expect(writeFileAtomic(path, failing())).rejects.toThrow(TypeError);
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["a"]);
  });

  it("says what to do when the folder is missing, a file, or the target is a folder", async () => {
    await expect(writeFileAtomic(join(folder, "no", "a"), "x")).rejects.toThrow(
      `${join(folder, "no", "a")}: expected its folder to exist, found none. Create the folder first. Nothing already written was lost.`,
    );
    await writeFile(join(folder, "file"), "");
    await expect(writeFileAtomic(join(folder, "file", "a"), "x")).rejects.toThrow(/found a file/);
    await mkdir(join(folder, "sub"));
    await expect(writeFileAtomic(join(folder, "sub"), "x")).rejects.toThrow(/found a folder of that name/);
    expect((await readdir(folder)).sort()).toEqual(["file", "sub"]);
  });

  it.skipIf(process.getuid?.() === 0)("says that a folder may not be written", async () => {
    await chmod(folder, 0o500);
    await expect(writeFileAtomic(join(folder, "a"), "x")).rejects.toThrow(/expected permission to write/);
    await chmod(folder, 0o700);
  });

  it.each([
    ["ENOSPC", /found it full. Free some space/],
    ["EACCES", /Choose another folder or change its permissions/],
    ["EROFS", /read-only/],
    ["EIO", /cannot be written \(EIO\)/],
  ])("maps %s to one line", (code, message) => {
    const failure = writeFailure("x", Object.assign(new Error("raw"), { code, syscall: "write" }));
    expect(failure).toBeInstanceOf(DataError);
    expect((failure as DataError).message).toMatch(message);
    expect((failure as DataError).message).toMatch(/Nothing already written was lost\.$/);
    expect((failure as DataError).message).not.toContain("\n");
  });

  it.skipIf(process.platform !== "linux")("reports a full disk", async () => {
    // /dev/full refuses every write, but only the final write call can be sent there; hence the mapping is tested on it.
    const real = await writeFile("/dev/full", "x").catch((error: unknown) => error);
    expect(writeFailure("x", real)).toBeInstanceOf(DataError);
    expect((writeFailure("x", real) as DataError).message).toMatch(/found it full/);
  });
});

describe("replaceFile", () => {
  it("takes the place of an older file, and leaves no temporary file, even where it fails", async () => {
    replaceFile(join(folder, "a"), "old");
    replaceFile(join(folder, "a"), "new");
    await makeFolder(join(folder, "b", "c"));
    expect(() => replaceFile(join(folder, "b"), "text")).toThrow();
    expect(await readFile(join(folder, "a"), "utf8")).toBe("new");
    expect((await readdir(folder)).sort()).toEqual(["a", "b"]);
  });
});

describe("openAtomic", () => {
  it("shows nothing before commit and refuses writes after it", async () => {
    const path = join(folder, "a");
    const file = await openAtomic(path);
    await file.write("abc");
    await expect(readFile(path)).rejects.toThrow(/ENOENT/);
    await file.commit();
    await file.abort();
    expect(await readFile(path, "utf8")).toBe("abc");
    await expect(file.write("d")).rejects.toThrow(/already closed/);
    expect(await readFile(path, "utf8")).toBe("abc");
  });
});

describe("readFileOrFail", () => {
  it("returns the bytes", async () => {
    await writeFile(join(folder, "a"), "xyz");
    expect([...(await readFileOrFail(join(folder, "a"), "text"))]).toEqual([120, 121, 122]);
  });

  it("names a missing file and a folder", async () => {
    await expect(readFileOrFail(join(folder, "a"), "weights")).rejects.toThrow(
      `${join(folder, "a")}: expected weights, found nothing. Check the path.`,
    );
    await expect(readFileOrFail(folder, "weights")).rejects.toThrow(
      /found a folder. Give the path of a file\./,
    );
    await expect(readFileOrFail(folder, "weights")).rejects.toThrow(DataError);
  });
});

describe("checksum", () => {
  it("is SHA-256, the same for a file and its bytes", async () => {
    const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, B.1
    await writeFile(join(folder, "a"), "abc");
    expect(await checksum(new TextEncoder().encode("abc"))).toBe(abc);
    expect(await checksum(join(folder, "a"))).toBe(abc);
    await expect(checksum(join(folder, "b"))).rejects.toThrow(DataError);
  });
});

describe("removeStaleTemporaries", () => {
  it("removes what dead processes left, and nothing else", async () => {
    const dead = ".a.4194999.0123abcd.tmp"; // above the largest process id of Linux
    const ours = temporaryBeside(join(folder, "b"));
    const recycled = `.a.${process.pid}.0123abcd.tmp`;
    await mkdir(join(folder, dead));
    for (const path of [join(folder, dead, "inside"), ours, join(folder, recycled), join(folder, "c.tmp")])
      await writeFile(path, "");
    expect((await removeStaleTemporaries(folder)).sort()).toEqual([dead, recycled].sort());
    expect(await readdir(folder)).toHaveLength(2);
    await expect(removeStaleTemporaries(join(folder, "none"))).rejects.toThrow(DataError);
  });
});

describe("removeLeftovers", () => {
  it("is part of writing: what a killed process left of the same file is gone, that of others stays", async () => {
    const path = join(folder, "x.npy");
    for (const name of [".x.npy.4194999.0123abcd.tmp", ".y.npy.4194999.0123abcd.tmp"])
      await writeFile(join(folder, name), "");
    const mine = temporaryBeside(path);
    await writeFile(mine, "");
    await writeFileAtomic(path, "");
    expect((await readdir(folder)).sort()).toEqual(
      [basename(mine), ".y.npy.4194999.0123abcd.tmp", "x.npy"].sort(),
    );
  });

  it("takes folders too", async () => {
    await mkdir(join(folder, ".o.zarr.4194999.0123abcd.tmp", "y"), { recursive: true });
    await removeLeftovers(join(folder, "o.zarr"));
    expect(await readdir(folder)).toEqual([]);
    await removeLeftovers(join(folder, "none", "o.zarr"));
  });
});

describe("syncFolder", () => {
  const answering = async (code: string, work: () => Promise<void>) => {
    const { open } = files;
    const failure = Object.assign(new Error(code), { code, syscall: "fsync" });
    files.open = async (path, ...rest) => {
      const handle = await open(path, ...rest);
      if ((await handle.stat()).isDirectory()) handle.sync = () => Promise.reject(failure);
      return handle;
    };
    syncBuiltinESMExports();
    try {
      await work();
    } finally {
      files.open = open;
      syncBuiltinESMExports();
    }
  };

  it.each(["EINVAL", "ENOTSUP", "EPERM"])("takes %s for a file system that has no such call", (code) =>
    answering(code, async () => {
      await writeFileAtomic(join(folder, "a"), "content");
      expect(await readFile(join(folder, "a"), "utf8")).toBe("content");
    }),
  );

  it("takes EIO for a failure", () =>
    answering("EIO", () => expect(writeFileAtomic(join(folder, "a"), "content")).rejects.toThrow("(EIO)")));
});

describe.runIf(process.platform === "linux")("what is no regular file", () => {
  it.each([
    ["a pipe", (path: string) => execFileSync("mkfifo", [path])],
    ["a device", (path: string) => symlinkSync("/dev/zero", path)],
  ])("%s is refused and never waited for", async (_, make) => {
    const path = join(folder, "x");
    make(path);
    const found = `${path}: expected weights, found a pipe or a device. Give the path of a file.`;
    await expect(readFileOrFail(path, "weights")).rejects.toThrow(found);
    await expect(checksum(path)).rejects.toThrow(`${path}: expected a file, found a pipe or a device.`);
    expect(() => openNpy(path)).toThrow("expected an array, found a pipe or a device.");
    await expect(tarGzFiles(path, () => true).next()).rejects.toThrow("found a pipe or a device.");
    await expect(new FolderStore(folder).get("/x")).rejects.toThrow("found a pipe or a device.");
  });
});

function caught(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

describe("systemFailure", () => {
  it("says what the system refused, and leaves other errors as they are", () => {
    const error = Object.assign(new Error("EMFILE"), { code: "EMFILE", syscall: "open", path: "/lib/a.js" });
    expect(systemFailure(error)).toEqual(
      new DataError(
        "/lib/a.js: expected access to it, found too many files open. Raise the limit (ulimit -n), or close other programs.",
      ),
    );
    for (const length of [2 ** 45, -1]) {
      const failure = caught(() => new Float32Array(length));
      const isBug = length < 0;
      expect(systemFailure(failure)).toEqual(
        isBug
          ? failure
          : expect.objectContaining({ message: expect.stringMatching(/^memory: expected room/) }),
      );
    }
    const bug = new TypeError("x is undefined");
    expect(systemFailure(bug)).toBe(bug);
  });
});
