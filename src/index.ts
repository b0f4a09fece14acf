/**
 * diem learns diffusion priors from incomplete, noisy observations alone, by expectation maximization.
 * Whole runs: `openObservations`, `train`, `RunFolder`. Parts for those who build methods: the differentiable graph
 * (`input`, `vjp`, `compile`, ...), networks, denoisers, samplers, operators and posterior methods.
 */
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
export { type ArrayRows, memoryRows, npyRows } from "./data/array-rows.ts";
export { type Cifar10, openCifar10 } from "./data/cifar10.ts";
export { type Corruptor, corruptMask, corruptor } from "./data/corrupt.ts";
export type { Corruption } from "./data/corruptions.ts";
export { type FastMriDataset, openFastMri } from "./data/fastmri.ts";
export { type ImageFolder, type ImageFolderOptions, writeImageFolder } from "./data/image-folder.ts";
export { type ImageSet, openImages } from "./data/image-set.ts";
export { conditionArrays } from "./data/measurement.ts";
export { openNifti } from "./data/nifti.ts";
export { decodeNpy, encodeNpy, readNpy, writeNpy } from "./data/npy.ts";
export { decodeNpz, readNpz } from "./data/npz.ts";
export {
  type ImportOptions,
  importObservations,
  type ObservationParts,
  observationsInMemory,
  openObservationsOrArchive,
} from "./data/observation-arrays.ts";
export {
  createObservations,
  type ObservationBatch,
  type ObservationHeader,
  type ObservationKind,
  type Observations,
  observationKind,
  openObservations,
} from "./data/observations.ts";
export type { CodeOptions } from "./data/operator-code.ts";
export { type ScanObservationOptions, writeScanObservations } from "./data/scan-observations.ts";
export { openScans, type ScanOptions, type Scans } from "./data/scans.ts";
export type { SliceSource } from "./data/slice-source.ts";
export { type Base, gaussianBase, normalBase } from "./diffusion/base.ts";
export type { Denoiser } from "./diffusion/denoiser.ts";
export { type Gaussian, gaussianDenoiser } from "./diffusion/gaussian.ts";
export { denoisingLoss } from "./diffusion/loss.ts";
export { type Mixture, mixtureDenoiser } from "./diffusion/mixture.ts";
export { precondition } from "./diffusion/precondition.ts";
export { compileSampler, type Draws, type Sampler, type SamplerSpec } from "./diffusion/sample.ts";
export type { SamplerMethod, SamplerOptions } from "./diffusion/samplers/method.ts";
export { SAMPLERS, type SamplerName } from "./diffusion/samplers.ts";
export { noiseLevels, type Schedule, sigmaAt, VE_DEFAULTS } from "./diffusion/schedule.ts";
export { readConfigFile } from "./em/config/file.ts";
export type { NetworkConfig } from "./em/config/network.ts";
export { configSchema } from "./em/config/schema.ts";
export { parseSettings } from "./em/config/settings.ts";
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
} from "./em/config.ts";
export type { Evaluate, TrainOptions } from "./em/context.ts";
export {
  type ReconstructionFigures,
  type ReconstructionSummary,
  reconstructionSummary,
} from "./em/reconstruction.ts";
export { RunFolder } from "./em/run-folder.ts";
export {
  abs,
  add,
  and,
  averagePool,
  type ConvolutionOptions,
  cast,
  concat,
  constant,
  conv2d,
  convTranspose2d,
  cos,
  div,
  equal,
  exp,
  expand,
  flip,
  floor,
  gather,
  greater,
  greaterOrEqual,
  input,
  integers,
  type LoopBody,
  lessOrEqual,
  log,
  loop,
  matmul,
  max,
  maximum,
  mean,
  minimum,
  mul,
  neg,
  not,
  type Operand,
  pad,
  reciprocal,
  reshape,
  resizeNearest,
  scalar,
  scan,
  scatterAdd,
  sigmoid,
  sign,
  silu,
  sin,
  slice,
  softmax,
  split,
  sqrt,
  square,
  standardize,
  sub,
  sum,
  type Tensor,
  tanh,
  transpose,
  vjp,
  where,
} from "./graph/index.ts";
export { ONNX_OPERATORS, type OnnxModel, type OnnxValue, readOnnx } from "./graph/onnx/read.ts";
export {
  type DrawnBatch,
  type DrawOptions,
  type DrawSource,
  drawAll,
} from "./inference/draw-source.ts";
export { exactPosterior } from "./inference/exact.ts";
export type { Model } from "./inference/model.ts";
export { compileGuided, compilePosterior, type DrawChoice } from "./inference/posterior.ts";
export { compilePrior, type PriorChoice } from "./inference/prior.ts";
export { drawSeveral, type SeveralOptions } from "./inference/several.ts";
export { coverage, drawMoments } from "./metrics/draws.ts";
export {
  type FeatureNetwork,
  type FeatureNetworkOptions,
  featureNetwork,
  type ImageFeatures,
} from "./metrics/feature-network.ts";
export { frechetDistance } from "./metrics/frechet.ts";
export {
  type InceptionScore,
  type InceptionScoreOptions,
  inceptionScore,
} from "./metrics/inception-score.ts";
export { type Lpips, lpips } from "./metrics/lpips.ts";
export { type Moments, momentsOf, RunningMoments } from "./metrics/moments.ts";
export { type Prdc, type PrdcOptions, prdc } from "./metrics/prdc.ts";
export { psnr } from "./metrics/psnr.ts";
export { resizeLikeTensorFlow } from "./metrics/resize.ts";
export { type SinkhornOptions, sinkhorn, sinkhornDivergence, type Transport } from "./metrics/sinkhorn.ts";
export { ssim } from "./metrics/ssim.ts";
export { MLP_DEFAULTS, type MlpConfig, mlp } from "./nn/mlp.ts";
export type { Network } from "./nn/network.ts";
export {
  constantWeights,
  countParameters,
  initialize,
  type Parameters,
  type Weights,
} from "./nn/parameters.ts";
export { decodeSafetensors, encodeSafetensors } from "./nn/safetensors.ts";
export { type UnetConfig, unet } from "./nn/unet.ts";
export { averagePoolFamily } from "./operators/average-pool.ts";
export { blur, blurFamily, sharedBlurFamily } from "./operators/blur.ts";
export { CODE_OPERATORS, type CodeSpec, type OperatorCode, type OperatorModule } from "./operators/code.ts";
export { composeFamily } from "./operators/compose.ts";
export { crop, cropFamily } from "./operators/crop.ts";
export { fourier, fourierFamily, fourierTransform } from "./operators/fourier.ts";
export { mask, maskFamily } from "./operators/mask.ts";
export { matrix, matrixFamily } from "./operators/matrix.ts";
export { measuredEntries, seenEntries } from "./operators/measured.ts";
export { multiCoil, multiCoilFamily } from "./operators/multi-coil.ts";
export {
  adjoint,
  type LinearOperator,
  type NoiseCovariance,
  type NoiseVariance,
  type OperatorFamily,
} from "./operators/operator.ts";
export { OPERATORS, type OperatorKind, operatorFamily } from "./operators/registry.ts";
export type { OperatorSpec } from "./operators/spec.ts";
export { stackFamily } from "./operators/stack.ts";
export { subsample, subsampleFamily } from "./operators/subsample.ts";
export { type ConjugateGradientOptions, conjugateGradient } from "./posterior/conjugate-gradient.ts";
export { type DiffPirOptions, diffpir } from "./posterior/diffpir.ts";
export { type DpsOptions, dps } from "./posterior/dps.ts";
export { gaussianPosterior } from "./posterior/gaussian.ts";
export { gmres } from "./posterior/gmres.ts";
export {
  type Covariance,
  gaussianPrior,
  heuristicPosterior,
  identityPrior,
  sigmaT,
} from "./posterior/heuristics.ts";
export type { LinearSolver, Product, Solution, SolverOptions } from "./posterior/linear-system.ts";
export { type Linearization, linearize } from "./posterior/linearize.ts";
export {
  COVARIANCES,
  type CovarianceName,
  type MethodOptions,
  POSTERIORS,
  type PosteriorMethod,
  type PosteriorName,
  posteriorMethod,
} from "./posterior/methods.ts";
export { type MmpsOptions, mmps } from "./posterior/mmps.ts";
export { multiplyNoise, noiseSquares } from "./posterior/noise.ts";
export { pigdm } from "./posterior/pigdm.ts";
export type { Measurement, PosteriorOptions, SolverStatus } from "./posterior/posterior.ts";
export type { SolverName, SystemOptions } from "./posterior/solver.ts";
export {
  compileTwisted,
  type TwistedDraws,
  type TwistedRequest,
  type TwistedSampler,
  type TwistedSpec,
} from "./posterior/tds.ts";
export { tmpd } from "./posterior/tmpd.ts";
export { totalVariation, zeroFilled } from "./posterior/total-variation.ts";
export { writeReport } from "./report/report.ts";
export { type Arrays, compile, type Program, type ProgramSpec } from "./runtime/compile.ts";
export type { Device, EngineOptions } from "./runtime/engine.ts";
export { loadOnnxProgram, type OnnxPort, type OnnxProgram } from "./runtime/onnx-program.ts";
