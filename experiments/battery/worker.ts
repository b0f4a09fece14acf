import { serveTasks } from "../pool.ts";
import { type BatteryTask, runTask, type TaskResult } from "./task.ts";

serveTasks<BatteryTask, TaskResult>((task, tell) =>
  runTask(task, { onWarning: (text) => tell(`${task.cell}, seed ${task.seed}: Warning: ${text}`) }),
);
