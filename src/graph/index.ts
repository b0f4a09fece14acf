/** The differentiable graph: tensors, operators, vector-Jacobian products. */
export { silu, standardize } from "./ops/activation.ts";
export { dropAxes, expand, normalizeAxes, reducedShape, reshape, sum, sumTo } from "./ops/broadcast.ts";
export { type ConvolutionOptions, conv2d, convTranspose2d } from "./ops/convolution.ts";
export {
  abs,
  add,
  and,
  cast,
  clip,
  cos,
  div,
  equal,
  erf,
  exp,
  floor,
  greater,
  greaterOrEqual,
  lessOrEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  not,
  reciprocal,
  sigmoid,
  sign,
  sin,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from "./ops/elementwise.ts";
export { isLoop, type LoopBody, loop, scan } from "./ops/loop.ts";
export { matmul } from "./ops/matmul.ts";
export { concat, flip, gather, pad, scatterAdd, slice, split, transpose } from "./ops/movement.ts";
export { max, mean, softmax } from "./ops/reduce.ts";
export { averagePool, resizeNearest } from "./ops/resize.ts";
export { constant, input, integers, type Operand, scalar, type Tensor } from "./tensor.ts";
export { vjp } from "./vjp.ts";
