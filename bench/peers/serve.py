"""The protocol between a measured process and the bench: see bench/side.ts."""

import json
import os
import resource
import sys
import time


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def read_job():
    job = json.loads(sys.argv[1])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(job["threads"])
    return job


def answer(value):
    print(json.dumps(value), flush=True)


def fastest(variants):
    """The variant (name, run) that takes the least time; compilation happens in a first run that is not counted."""
    times = {}
    for name, run in variants:
        try:
            run()
        except Exception as error:  # a compiler that does not work here leaves the other variants
            print(f"{name}: {error}", file=sys.stderr)
            continue
        began = time.perf_counter()
        run()
        times[name] = time.perf_counter() - began
    best = min(times, key=times.get)
    return best, dict(variants)[best]


def serve(job, prepare):
    """prepare(job) returns (results of the first run, run, name of the variant)."""
    from safetensors.numpy import save_file

    baseline = resident()
    results, run, variant = prepare(job)
    save_file(results, job["output"])
    answer({"ready": True, "baseline": baseline, "variant": variant})
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        began = time.perf_counter()
        run()
        answer({"seconds": time.perf_counter() - began})
    answer({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
    sys.stdout.flush()
    os._exit(0)  # no library's own threads may hold the process up
