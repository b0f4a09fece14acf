/** The differentiable graph: tensors, operators, vector-Jacobian products. */
export * from "./ops/broadcast.ts";
export * from "./ops/convolution.ts";
export * from "./ops/elementwise.ts";
export * from "./ops/loop.ts";
export * from "./ops/matmul.ts";
export * from "./ops/movement.ts";
export * from "./ops/reduce.ts";
export * from "./ops/resize.ts";
export { constant, input, integers, type Operand, scalar, type Tensor } from "./tensor.ts";
export { vjp } from "./vjp.ts";
