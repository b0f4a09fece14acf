/** The errors that diem throws on purpose. Each message reads `where: expected, found. Remedy.` */

type Options = { readonly cause?: unknown };

/**
 * Base of every error that diem throws on purpose; any other error is a bug. A message is one line. It may quote names out of
 * damaged files; their line breaks and control characters become spaces.
 */
export abstract class DiemError extends Error {
  constructor(message: string, options: Options = {}) {
    super(message.replace(/\p{Cc}+/gu, " "), options);
    this.name = new.target.name;
  }
}

/** A tensor or array has the wrong shape or dtype. */
export class ShapeError extends DiemError {}
/** An option or configuration field is unknown or out of range. */
export class ConfigError extends DiemError {}
/** A file or array cannot be used: missing, truncated, malformed, not finite. */
export class DataError extends DiemError {}
/** An operator of the graph has no gradient or no ONNX form. */
export class UnsupportedOpError extends DiemError {}
/** ONNX Runtime refused or failed. Or it, or a decoder of files, does not load. */
export class EngineError extends DiemError {}
/** A computation produced NaN or infinity. */
export class NumericalError extends DiemError {}
/** An AbortSignal stopped the work. */
export class AbortedError extends DiemError {}

const CLASSES = {
  ShapeError,
  ConfigError,
  DataError,
  UnsupportedOpError,
  EngineError,
  NumericalError,
  AbortedError,
} as const;

/** Whether `error` is diem's error of that name. */
export function isErrorOf(error: unknown, name: keyof typeof CLASSES): boolean {
  return error instanceof CLASSES[name];
}
