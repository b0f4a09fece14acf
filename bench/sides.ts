/** Who takes part in what. */
import { join } from "node:path";
import type { CaseName } from "./cases.ts";
import { caseNamed } from "./cases.ts";
import { type Job, settingsOf, type TaskName } from "./job.ts";
import { PEERS } from "./python.ts";
import type { Contestant } from "./rounds.ts";

/** Where a bench keeps what its sides exchange, and what they run on. */
export interface Stage {
  readonly folder: string;
  readonly threads: number;
  /** Undefined without peers. */
  readonly python: string | undefined;
}

/** The peers of the tasks of a case. `torchReusing` and `jaxReusing` save the product that azula does not. */
const PEERS_OF: Readonly<Partial<Record<TaskName, readonly string[]>>> = {
  eStep: ["torch", "torchReusing", "azula", "jax", "jaxReusing"],
  mStep: ["torch", "jax"],
  prior: ["torch", "azula", "jax"],
  product: ["torch"],
};

const PROGRAMS = { torch: "pytorch_peer.py", azula: "azula_peer.py", jax: "jax_peer.py" } as const;

/** The input file of a case. */
export function inputPath({ folder }: Stage, name: CaseName): string {
  return join(folder, `${name}.safetensors`);
}

/** All sides of a task; ours comes first, and the product whose speed is the peak last. */
export function contestants(stage: Stage, task: TaskName, name: CaseName): Contestant[] {
  const job: Omit<Job, "output"> = {
    task,
    case: name,
    threads: stage.threads,
    input: inputPath(stage, name),
    settings: settingsOf(caseNamed(name)),
  };
  const peers = stage.python === undefined ? [] : (PEERS_OF[task] ?? []);
  return [
    ours(stage, "diem", job),
    ...peers.map((peer) => python(stage, peer, job)),
    { ...ours(stage, "peak", { ...job, task: "product" }), checked: false },
  ];
}

/** Our own side. */
export function ours(stage: Stage, name: string, job: Omit<Job, "output">): Contestant {
  const output = join(stage.folder, `${name}.out.safetensors`);
  const { settings: _, ...own } = job; // it knows the case
  return {
    name,
    output,
    checked: true,
    command: process.execPath,
    args: [join(import.meta.dirname, "worker.js"), JSON.stringify({ ...own, output })],
  };
}

/** A peer in Python. */
export function python(stage: Stage, peer: string, job: Omit<Job, "output">): Contestant {
  const output = join(stage.folder, `${peer}.out.safetensors`);
  const reuse = peer.endsWith("Reusing");
  const program = PROGRAMS[(reuse ? peer.slice(0, -"Reusing".length) : peer) as keyof typeof PROGRAMS];
  return {
    name: peer,
    output,
    checked: true,
    command: stage.python!,
    args: [join(PEERS, program), JSON.stringify({ ...job, reuse, output })],
  };
}
