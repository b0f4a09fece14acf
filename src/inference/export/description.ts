import { float32, toBytes } from "../../core/array.ts";
import type { Spacing } from "../../diffusion/schedule.ts";
import type { Model } from "../model.ts";
import { noiseScaleOf } from "./border.ts";

/** Name and version of the description in exported files. */
export const EXPORT_FORMAT = "diem-onnx";
export const EXPORT_VERSION = 1;
/** The entry of the model's metadata that holds the description, as JSON. */
export const EXPORT_KEY = "diem";

/** What a run can export. */
export const EXPORTS = ["denoiser", "posterior", "sampler"] as const;
/** One of `EXPORTS`. */
export type ExportName = (typeof EXPORTS)[number];

/** The description in an exported file; all in your units. */
export interface ExportDescription {
  readonly format: typeof EXPORT_FORMAT;
  readonly version: typeof EXPORT_VERSION;
  readonly createdBy: string;
  readonly what: ExportName;
  readonly run: string;
  /** EM iteration, 0 for the start. */
  readonly iteration: number;
  readonly latentShape: readonly number[];
  readonly schedule: { readonly sigmaMin: number; readonly sigmaMax: number; readonly spacing: Spacing };
  /** Deviation of the noise on each entry at sigma = 1, for each index of the latent's first axis. */
  readonly noiseScale: readonly number[];
  /** Limits of clean data, if there are any; samplers keep denoised means inside. */
  readonly range?: readonly [number, number];
  /** Where samplers begin: at the Gaussian start, or (base "normal") at its mean. */
  readonly start: GaussianText;
  /** How the run draws posteriors: `eStep` of its configuration. */
  readonly eStep: unknown;
  /** Steps of the samplers of its prior. */
  readonly priorSteps: number;
}

/** A Gaussian N(mean, diag(diagonal) + factor factor') in text. */
export interface GaussianText {
  readonly base: Model["base"];
  readonly rank: number;
  /** mean [N], diagonal [N], factor [N, rank], one after the other: float32, little-endian, base64. */
  readonly base64: string;
}

/** What is known of a model without its run. */
export function describeModel(
  model: Model,
): Pick<ExportDescription, "latentShape" | "schedule" | "noiseScale" | "range" | "start"> {
  const { coordinates, limits, network, schedule } = model;
  const { sigmaMin, sigmaMax, spacing = "geometric" } = schedule;
  const unit = coordinates?.unit ?? 1;
  return {
    latentShape: network.shape,
    schedule: { sigmaMin: sigmaMin * unit, sigmaMax: sigmaMax * unit, spacing },
    noiseScale: noiseScaleOf(coordinates, network.shape),
    ...(limits && { range: limits }),
    start: startOf(model),
  };
}

function startOf({ gaussian, coordinates, base }: Model): GaussianText {
  const { mean, diagonal, factor } = gaussian;
  const rank = factor.shape[1]!;
  const scale = (i: number) => coordinates?.scale.data[i] ?? 1;
  const shift = (i: number) => coordinates?.shift.data[i] ?? 0;
  const numbers = [
    ...mean.data.map((value, i) => shift(i) + scale(i) * value),
    ...diagonal.data.map((value, i) => scale(i) ** 2 * value),
    ...factor.data.map((value, at) => scale(Math.floor(at / rank)) * value),
  ];
  return { base, rank, base64: base64Of(toBytes(float32(numbers))) };
}

/** Bytes in pieces, for arguments of a call are limited. */
function base64Of(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
