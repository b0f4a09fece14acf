"""Folders of runs, as `diem train` writes them (docs/architecture.md, "The run folder")."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FORMAT, VERSION = "diem-run", 2
GAUSSIAN, WEIGHTS = "gaussian.safetensors", "weights.safetensors"


@dataclass(frozen=True)
class Run:
    """The prior of a run after an iteration. Latents are x = shift + scale z; Gaussian and network are in z.

    name: of the run; iteration: 0 is the start
    latent_shape: of one latent, of N numbers
    network: type and sizes of the network, and the base that it corrects, "gaussian" or "normal"
    weights: the network's averaged weights by name, or None where the Gaussian is the prior
    mean [N], diagonal [N], factor [N, r]: the Gaussian start N(mean, diag(diagonal) + factor factor')
    shift [N], scale [N]: float64; unit: what noise levels are divided by
    schedule: `sigmaMin`, `sigmaMax`, `spacing` of the noise levels, in the units of the data
    range: limits of the data, if the run keeps means inside them
    """

    name: str
    iteration: int
    latent_shape: "tuple[int, ...]"
    network: dict
    weights: "dict[str, np.ndarray] | None"
    mean: np.ndarray
    diagonal: np.ndarray
    factor: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    unit: float
    schedule: dict
    range: "tuple[float, float] | None" = None


def read_run(path, iteration="best"):
    """The prior of the run in the folder `path` after an iteration.

    iteration: "best", the one that held-out observations chose; or a number
    Raises ValueError if there is no such prior, or one of its files is damaged.
    """
    path = Path(path)
    info = json.loads((path / "run.json").read_text("utf8"))
    found = (info.get("format"), info.get("version"))
    if found != (FORMAT, VERSION):
        raise ValueError(f"{path}: expected {FORMAT}, version {VERSION}; found {found}.")
    if "network" in info.get("own", {}):
        raise ValueError(f"{path}: expected a network of diem's, found code of the run's own. Export it instead.")
    last = _last_iteration(path)
    if iteration == "best":
        figures = json.loads((_folder(path, last) / "figures.json").read_text("utf8"))
        iteration = figures.get("heldOut", {}).get("result", last)
    if iteration not in range(last + 1):
        raise ValueError(f"{path}: expected an iteration from 0 to {last}, got {iteration!r}.")
    start, metadata = read_sealed(path / "start" / GAUSSIAN)
    numbers = json.loads(metadata["numbers"])
    given = [file["name"] for file in info.get("from", {}).get("files", [])]
    has_network = iteration > 0 or WEIGHTS in given
    config, observations = info["config"], info["observations"]
    return Run(
        name=info["name"],
        iteration=iteration,
        latent_shape=tuple(observations["latentShape"]),
        network=config["network"],
        weights=read_sealed(_folder(path, iteration) / WEIGHTS)[0] if has_network else None,
        **start,
        unit=numbers["unit"],
        schedule=_schedule(config["schedule"], start, **numbers),
        range=tuple(observations["range"]) if config["eStep"]["clip"] and "range" in observations else None,
    )


def _folder(path, iteration):
    return path / "iterations" / f"{iteration:04d}" if iteration > 0 else path / "start"


def _last_iteration(path):
    """An iteration is complete when its figures.json is there."""
    complete = [int(file.parent.name) for file in path.glob("iterations/[0-9]*/figures.json")]
    if not complete and not (path / "start" / "figures.json").exists():
        raise ValueError(f"{path}: expected a prior, found a run whose start is not finished.")
    return max(complete, default=0)


def read_sealed(path):
    """(arrays by name, metadata) of a safetensors file whose SHA-256 is in its metadata, computed with zeros in its place.

    Raises ValueError if the file is not what was written.
    """
    raw = Path(path).read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    try:
        header = json.loads(raw[8:begin])
        metadata = header.pop("__metadata__")
        seal = metadata["sha256"].encode()
    except (ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: expected a file of a run, found other bytes.") from error
    if hashlib.sha256(raw.replace(seal, b"0" * 64, 1)).hexdigest() != seal.decode():
        raise ValueError(f"{path}: expected the bytes that were written, found others. The file is damaged.")
    arrays = {}
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        numbers = np.frombuffer(raw[begin + first : begin + end], {"F32": "<f4", "F64": "<f8"}[entry["dtype"]])
        arrays[name] = numbers.reshape(entry["shape"])
    return arrays, metadata


def _schedule(config, start, unit, noise):
    """Noise levels in the units of the data: those of the configuration, or what follows from the start, as src/em/levels.ts has it."""
    lengths = np.sum(start["factor"].astype("float64") ** 2, 0)
    D, N = float(start["diagonal"][0]), len(start["mean"])
    typical, widest = np.sqrt(D + lengths.sum() / N), np.sqrt(D + lengths.max(initial=0))
    part = min(max(noise / 6 / typical, 1e-4), 1e-2)
    levels = {"sigmaMin": unit * part * typical, "sigmaMax": unit * 4 * widest}
    return {name: level if config[name] is None else config[name] for name, level in levels.items()} | {
        "spacing": config["spacing"]
    }
