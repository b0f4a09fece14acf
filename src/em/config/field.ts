import type { Kind } from "../../core/kinds.ts";
import type { Shape } from "../../core/shape.ts";

/** What defaults may depend on. */
export interface DataShape {
  readonly latentShape: Shape;
  /** Number of observations. */
  readonly count: number;
  /** Numbers measured in each. */
  readonly measurements?: number | undefined;
}

/** A field of the configuration. */
export interface Field<T> {
  readonly kind: Kind<T>;
  /** The default, or how it follows from the data; then `fallbackText` says so in words. */
  readonly fallback: NoInfer<T> | ((data: DataShape) => NoInfer<T>);
  readonly fallbackText?: string;
  readonly unit?: string;
  /** What it decides, in one sentence. */
  readonly meaning: string;
  /** Why the default is what it is. */
  readonly reason: string;
}

/** The values of a group of fields. */
export type Values<Fields> = {
  readonly [K in keyof Fields]: Fields[K] extends Field<infer T> ? T : never;
};

/** Only fixes the type of a field's values; numbers stay numbers and not the default's literal. */
export function field<T>(spec: Field<T>): Field<T> {
  return spec;
}
