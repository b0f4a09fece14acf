import { serveTasks } from "../pool.ts";
import { learnOne, type RunOutcome, type RunTask } from "./run.ts";

serveTasks<RunTask, RunOutcome>((task, tell) => learnOne(task, { log: tell }));
