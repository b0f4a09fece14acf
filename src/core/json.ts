/** Looking at JSON that others wrote. */

/** Whether a JSON value is an object with named fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Deepest nesting that is read: what then looks through a value goes into it by recursion. */
const DEEPEST = 100;

/** What a JSON text holds. @throws SyntaxError if it is none, or nested deeper than anything meant to be read */
export function parseJson(text: string): unknown {
  let depth = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted) i += Number(character === "\\");
    else if ("[{".includes(character)) depth++;
    else if ("]}".includes(character)) depth--;
    if (depth > DEEPEST) throw new SyntaxError(`values nested more than ${DEEPEST} deep`);
  }
  return JSON.parse(text);
}

/** A value as an error message quotes it, at most 80 characters. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value); // JSON has no NaN
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 80);
  } catch {
    return "what JSON does not hold"; // nested deeper than the stack, or within itself
  }
}
