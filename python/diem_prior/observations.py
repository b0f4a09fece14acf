"""Folders of observations y = A x + noise, as diem reads and writes them (docs/observations.md)."""

from dataclasses import dataclass

import numpy as np
import zarr

FORMAT, VERSION = "diem-observations", 1


@dataclass(frozen=True)
class Observations:
    """What a folder holds.

    header: the attribute `diem` of the group
    y: [n, ...observation]
    data: the operator's arrays by name, [n or 1, ...]; masks are boolean
    noise_variance: a number, or [n, ...observation]
    noise_factor: patterns that the noise shares, [...observation, r], or None
    """

    header: dict
    y: np.ndarray
    data: dict
    noise_variance: "float | np.ndarray"
    noise_factor: "np.ndarray | None" = None


def write_observations(
    path,
    y,
    *,
    noise_variance,
    mask=None,
    matrix=None,
    operator=None,
    data=None,
    latent_shape=None,
    noise_factor=None,
    range=None,
    units=None,
):
    """Writes a new folder of observations.

    y: [n, ...observation]
    noise_variance: of each entry of y, a number or [n, ...observation], above 0
    mask: [n or 1, ...], 1 where an entry is seen; it broadcasts to the latents
    matrix: [n or 1, M, N]; y is then [n, M]
    operator: any other operator as headers have it, {"name": "average-pool", "size": 4}, with its arrays in `data`
    latent_shape: shape of x, where mask or matrix do not tell it
    noise_factor: [...observation, r]; range: limits of x; units: its units
    Raises ValueError unless there is exactly one of mask, matrix and operator, and arrays fit y.
    """
    if sum(given is not None for given in (mask, matrix, operator)) != 1:
        raise ValueError("write_observations: expected one of mask, matrix and operator.")
    y = np.asarray(y, "float32")
    arrays = dict(data or {})
    if mask is not None:
        arrays["mask"] = np.asarray(mask)
        operator = {"name": "mask", "maskShape": list(arrays["mask"].shape[1:])}
        latent_shape = latent_shape or y.shape[1:]
    elif matrix is not None:
        arrays["matrix"] = np.asarray(matrix)
        operator = {"name": "matrix"}
        latent_shape = latent_shape or arrays["matrix"].shape[2:]
    if latent_shape is None:
        raise ValueError("write_observations: expected latent_shape, which this operator does not tell.")
    for name, array in arrays.items():
        if len(array) not in (1, len(y)):
            raise ValueError(f"write_observations: {name} has {len(array)} rows, expected {len(y)} or 1.")
    isolated = np.ndim(noise_variance) > 0
    if not np.all(np.asarray(noise_variance) > 0):
        raise ValueError("write_observations: expected noise variances above 0.")
    header = {
        "format": FORMAT,
        "version": VERSION,
        "operator": operator,
        "latentShape": [int(size) for size in latent_shape],
        "observationShape": list(y.shape[1:]),
        "noiseVariance": "array" if isolated else float(noise_variance),
    }
    if noise_factor is not None:
        header["noiseRank"] = int(np.shape(noise_factor)[-1])
    if range is not None:
        header["range"] = [float(limit) for limit in range]
    if units is not None:
        header["units"] = units
    if isolated:
        arrays["noise_variance"] = np.broadcast_to(noise_variance, y.shape)
    if noise_factor is not None:
        arrays["noise_factor"] = np.asarray(noise_factor)
    group = zarr.create_group(path, attributes={"diem": header})
    for name, array in {"y": y, **arrays}.items():
        if _is_mask(name):
            array = np.packbits(np.asarray(array, bool).reshape(len(array), -1), axis=-1)
        else:
            array = np.asarray(array, "float32")
        chunks = (min(256, len(array)), *array.shape[1:])
        config = {"write_empty_chunks": True}
        group.create_array(name, data=array, chunks=chunks, compressors=None, config=config)


def read_observations(path):
    """Reads a folder of observations whole: of one kind, as is a part of a merged one (part-0).

    Raises ValueError if it is of another format or version.
    """
    group = zarr.open_group(path, mode="r")
    header = dict(group.attrs["diem"])
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        raise ValueError(
            f"{path}: expected format {FORMAT}, version {VERSION}. Of a merged folder give a part."
        )
    arrays = {name: array[...] for name, array in group.arrays()}
    y = arrays.pop("y")
    variance = header["noiseVariance"]
    if variance == "array":
        variance = arrays.pop("noise_variance")
    factor = arrays.pop("noise_factor", None)
    shapes = dict(_mask_shapes(header["operator"]))
    for name, shape in shapes.items():
        bits = np.unpackbits(arrays[name], axis=-1, count=int(np.prod(shape)))
        arrays[name] = bits.reshape(-1, *shape).astype(bool)
    return Observations(header, y, arrays, variance, factor)


def _is_mask(name):
    """Arrays of operators are called mask, or part0.mask within others."""
    return name.split(".")[-1] == "mask"


def _mask_shapes(operator, prefix=""):
    """Names and shapes of the masks of an operator and its parts."""
    if "maskShape" in operator:
        yield f"{prefix}mask", operator["maskShape"]
    for k, part in enumerate(operator.get("parts", [])):
        yield from _mask_shapes(part, f"{prefix}part{k}.")
