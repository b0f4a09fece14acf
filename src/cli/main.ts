#!/usr/bin/env node
import { main, outliveReaders } from "./command-line.ts";

outliveReaders(process.stdout, process.stderr);
const code = await main(process.argv.slice(2));
process.exitCode ||= code; // output that was lost counts
