import { expect, test } from "vitest";
import * as data from "../src/api/data.ts";
import * as diffusion from "../src/api/diffusion.ts";
import * as graph from "../src/api/graph.ts";
import * as metrics from "../src/api/metrics.ts";
import * as nn from "../src/api/nn.ts";
import * as operators from "../src/api/operators.ts";
import * as posterior from "../src/api/posterior.ts";
import * as diem from "../src/index.ts";

test.each(Object.entries({ diem, data, diffusion, graph, metrics, nn, operators, posterior }))(
  "%s exports these values and no others",
  (_, module) => {
    expect(Object.keys(module).sort().join(" ")).toMatchSnapshot();
  },
);
