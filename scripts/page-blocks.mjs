/** Code blocks of Markdown pages: `language` and `code`, in their order. */
export function blocksOf(text) {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({ language, code }));
}

/** Commands of a `sh` block. */
export function linesOf(code) {
  return code.split("\n").filter((line) => line.trim() && !line.startsWith("#"));
}

/** The file that the first line of a `js` block names. */
export function nameOf(code) {
  return code.match(/^\/\/ (\S+)\n/)[1];
}
