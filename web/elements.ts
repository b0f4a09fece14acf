/** Elements of a page by function calls. */

/** An element with properties and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  children: readonly (Node | string)[] = [],
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Puts children in the place of those that are there. */
export function fill(element: Element, children: readonly (Node | string)[]): void {
  element.replaceChildren(...children);
}

/** A labelled field for a number. */
export function numberField(id: string, label: string, value: number, least: number) {
  const field = make("input", { type: "number", id, value: String(value), min: String(least), step: "any" });
  return { field, labelled: make("label", {}, [label, field]), read: () => Number(field.value) };
}

/** What long work may use: progress from 0 to 1, and a signal that ends it. */
export interface Work {
  readonly signal: AbortSignal;
  readonly tell: (share: number) => void;
}

/** A button that starts work, beside its progress, a button that stops it, and a line of what came of it. */
export function workBar(id: string, label: string, work: (work: Work) => Promise<string>): HTMLElement {
  const start = make("button", { id, textContent: label });
  const stop = make("button", { id: `${id}-stop`, textContent: "Stop", disabled: true });
  const bar = make("progress", { value: 0, max: 1 });
  const line = make("span", { id: `${id}-state`, className: "soft" });
  let ending: AbortController | undefined;
  start.onclick = async () => {
    ending = new AbortController();
    [start.disabled, stop.disabled, bar.value] = [true, false, 0];
    line.textContent = "Compiling ...";
    await new Promise((resolve) => setTimeout(resolve, 30)); // for this to be seen
    const began = performance.now();
    try {
      const tell = (share: number) => {
        bar.value = share;
        const left = ((performance.now() - began) / 1000) * (1 / Math.max(share, 1e-3) - 1);
        line.textContent = share >= 1 ? "" : `${Math.round(100 * share)} %, about ${Math.ceil(left)} s left`;
      };
      line.textContent = await work({ signal: ending.signal, tell });
    } catch (error) {
      line.textContent = ending.signal.aborted ? "Stopped." : reasonOf(error);
    }
    [start.disabled, stop.disabled] = [false, true];
  };
  stop.onclick = () => ending?.abort();
  return make("div", { className: "tools" }, [start, stop, bar, line]);
}

/** The sentence of an error; of one that hid another while things were released, of that. */
export function reasonOf(error: unknown): string {
  const { suppressed } = error as { suppressed?: unknown };
  if (suppressed !== undefined) return reasonOf(suppressed);
  return error instanceof Error ? error.message : String(error);
}
