/**
 * diem learns diffusion priors from incomplete, noisy observations alone, by expectation maximization.
 * This module is for whole runs: `openObservations`, `train`, `openRun`. The parts of the methods are in "diem/graph", "diem/nn",
 * "diem/operators", "diem/diffusion" and "diem/posterior". "diem/data" reads and writes files, and "diem/metrics" judges samples.
 */
export type { Exported, ExportOptions } from "./api/export.ts";
export {
  type LearnedRun,
  openRun,
  type ReconstructOptions,
  type RunDraws,
  type SampleOptions,
} from "./api/run.ts";
export { type ConfigChanges, type LearnOptions, train } from "./api/train.ts";
export { type DType, float32, type HostArray, hostArray } from "./core/array.ts";
export {
  AbortedError,
  ConfigError,
  DataError,
  DiemError,
  EngineError,
  isErrorOf,
  NumericalError,
  ShapeError,
  UnsupportedOpError,
} from "./core/errors.ts";
export type { ProgressEvent, Watch } from "./core/events.ts";
export { Rng } from "./core/random.ts";
export type { Shape } from "./core/shape.ts";
export { type ArrayRows, memoryRows } from "./data/arrays/array-rows.ts";
export { openArray } from "./data/arrays/open-array.ts";
export { adoptConventions, type Conventions, type NoiseMeans } from "./data/observations/conventions.ts";
export {
  type MergeOptions,
  mergeObservations,
  openObservationSet,
} from "./data/observations/merged-observations.ts";
export {
  type ImportOptions,
  importObservations,
  type ObservationParts,
  observationsInMemory,
  openObservationsOrArchive,
} from "./data/observations/observation-arrays.ts";
export type {
  MergedObservations,
  ObservationSet,
  SetPart,
} from "./data/observations/observation-set.ts";
export {
  createObservations,
  type ObservationBatch,
  type ObservationHeader,
  type ObservationKind,
  type Observations,
  observationKind,
  openObservations,
} from "./data/observations/observations.ts";
export type { CodeOptions } from "./data/observations/operator-code.ts";
export { type ScanObservationOptions, writeScanObservations } from "./data/scans/scan-observations.ts";
export {
  buildNetwork,
  defaultConfig,
  type EmConfig,
  type EStepConfig,
  type FiguresConfig,
  type MStepConfig,
  mergeConfig,
  type ScheduleConfig,
  type StartConfig,
  type TrainConfig,
} from "./em/config/config.ts";
export { readConfigFile } from "./em/config/file.ts";
export type { NetworkConfig } from "./em/config/network.ts";
export { configSchema } from "./em/config/schema.ts";
export { parseSettings } from "./em/config/settings.ts";
export type { Evaluate, TrainOptions } from "./em/context.ts";
export {
  type ReconstructionFigures,
  type ReconstructionSummary,
  reconstructionSummary,
} from "./em/evaluation/reconstruction.ts";
export { RunFolder } from "./em/run/run-folder.ts";
export {
  type DrawnBatch,
  type DrawOptions,
  type DrawSource,
  drawAll,
} from "./inference/draw-source.ts";
export { exactPosterior } from "./inference/exact.ts";
export type { ExportDescription, ExportName, GaussianText } from "./inference/export/description.ts";
export type { Model } from "./inference/model.ts";
export { type OnnxPrior, type OnnxPriorOptions, onnxPrior } from "./inference/onnx-prior.ts";
export { compileGuided, compilePosterior, type DrawChoice } from "./inference/posterior.ts";
export { compilePrior, type PriorChoice } from "./inference/prior.ts";
export { drawSeveral, type SeveralOptions } from "./inference/several.ts";
export { writeReport } from "./report/report.ts";
export type { Device, EngineOptions } from "./runtime/engine.ts";
