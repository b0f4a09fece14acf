/** The errors that diem throws on purpose. Each message reads `where: expected, found. Remedy.` */

type Options = { readonly cause?: unknown };

/**
 * Base of every error that is meant to be read by a user; anything else that escapes is a bug. Messages are one line:
 * they may quote names out of damaged files, whose line breaks and control characters become spaces.
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
/** The operator has no gradient or no lowering. */
export class UnsupportedOpError extends DiemError {}
/** ONNX Runtime refused or failed, or it or a decoder of files does not load. */
export class EngineError extends DiemError {}
/** A computation produced NaN or infinity. */
export class NumericalError extends DiemError {}
/** The work was stopped by an AbortSignal. */
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

/** True if `error` is diem's error of that name. */
export function isErrorOf(error: unknown, name: keyof typeof CLASSES): boolean {
  return error instanceof CLASSES[name];
}
