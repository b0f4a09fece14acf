/** Bundles the page of `diem web`. @param file to write; default: dist/web/page.js */
export function bundlePage(file?: string): Promise<void>;
