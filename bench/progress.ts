/** Tells which part is measured, and how long the rest will take if its parts take as long as those before. */
export function progress(parts: number, say: (text: string) => void) {
  const began = performance.now();
  let done = -1;
  let current = "";
  return {
    part(name: string): void {
      done += 1;
      current = name;
      const left = done > 0 ? ((performance.now() - began) / done) * (parts - done) : undefined;
      say(
        `part ${done + 1} of ${parts}, ${name}${left === undefined ? "" : `; about ${Math.ceil(left / 60_000)} min left`}`,
      );
    },
    event: (text: string): void => say(`${current}: ${text}`),
  };
}
