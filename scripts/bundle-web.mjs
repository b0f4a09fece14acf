// Bundles the page of `diem web`: node scripts/bundle-web.mjs [FILE], by default dist/web/page.js.
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The engine of the browser stands in the place of Node's, and files of the disk are not there. */
const forBrowsers = {
  name: "for-browsers",
  resolveId: (source) => {
    if (source.endsWith("/environment.ts")) return at("../web/environment.ts");
    return source.startsWith("node:") ? { id: source, external: true, moduleSideEffects: false } : null;
  },
};

/** @param {string} file to write */
export async function bundlePage(file = at("../dist/web/page.js")) {
  const bundle = await rolldown({
    input: at("../web/page.ts"),
    platform: "browser",
    plugins: [forBrowsers],
    treeshake: { moduleSideEffects: (id) => id.endsWith("/web/page.ts") },
  });
  await bundle.write({ file, format: "esm", minify: true, codeSplitting: false });
  await bundle.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundlePage(process.argv[2]);
