"""Exports the Inception network behind published FID and Inception scores as an ONNX file for `diem evaluate`.

    pip install torch-fidelity==0.3.0 torch onnx onnxscript onnxruntime
    python scripts/export-inception.py weights-inception-2015-12-05-6726825d.pth inception.onnx

The weights are those of torch-fidelity's "inception-v3-compat", converted by its authors from TensorFlow's file of 2015:
https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth (92 MB).

The ONNX file takes float32 [N, 3, 299, 299], pixels in [0, 255] after resizing, and gives `2048` [N, 2048], the pooled
features, and `logits_unbiased` [N, 1008]. Resizing happens in diem. diem calls a distance FID only if the outputs bear
these names, so they are given only if the weights are the standard ones, by checksum; others give `features`, `logits`.
"""

import argparse
import hashlib
import pathlib
import sys

import numpy as np
import onnxruntime
import torch
from torch_fidelity import feature_extractor_inceptionv3 as source

STANDARD = "6726825d"  # the first digits of the file's SHA-256, which are also in its name
SIZE = 299


def load(weights):
    state = torch.load(weights, map_location="cpu", weights_only=True)
    read, torch.load = torch.load, lambda *_, **__: state  # torch-fidelity's own call refuses newer files
    try:
        network = source.FeatureExtractorInceptionV3("export", ["2048", "logits_unbiased"], str(weights))
    finally:
        torch.load = read
    # Pictures arrive as float32 of the right size: neither the check for bytes nor the resizing belongs in the file.
    source.vassert = lambda *_: None
    source.interpolate_bilinear_2d_like_tensorflow1x = lambda x, **_: x
    return network.eval()


def check(network, out):
    x = torch.randint(0, 256, (2, 3, SIZE, SIZE)).float()
    with torch.no_grad():
        expected = network(x)
    found = onnxruntime.InferenceSession(out).run(None, {"pixels": x.numpy()})
    for a, b in zip(found, expected):
        error = np.abs(a - b.numpy()).max() / np.abs(b.numpy()).max()
        print(f"largest difference between ONNX and PyTorch, relative: {error:.1e}", file=sys.stderr)
        if not error < 1e-3:
            raise SystemExit("The exported network computes something else. Try other versions of torch and onnx.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()
    standard = hashlib.sha256(arguments.weights.read_bytes()).hexdigest().startswith(STANDARD)
    if not standard:
        print("These are not the standard weights: diem will not call distances FID.", file=sys.stderr)
    network = load(arguments.weights)
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, SIZE, SIZE),),
        str(arguments.out),
        input_names=["pixels"],
        output_names=["2048", "logits_unbiased"] if standard else ["features", "logits"],
        dynamic_shapes={"x": {0: torch.export.Dim("N", min=1)}},
        external_data=False,
        dynamo=True,
    )
    check(network, str(arguments.out))


if __name__ == "__main__":
    main()
