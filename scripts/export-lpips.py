"""Exports LPIPS as an ONNX file for `diem evaluate --paired --lpips`.

    pip install lpips torch torchvision onnx onnxscript onnxruntime
    python scripts/export-lpips.py lpips-alex.onnx                      # downloads AlexNet's weights (244 MB)
    python scripts/export-lpips.py lpips-alex.onnx --backbone alexnet-owt-7be5be79.pth

The package `lpips` (version 0.1 of the metric) brings its own linear weights; the backbone is torchvision's, trained on
ImageNet: https://download.pytorch.org/models/alexnet-owt-7be5be79.pth, vgg16-397923af.pth, squeezenet1_1-b8a52dc0.pth.
A state dictionary of the whole network is expected, as in these files.

The ONNX file takes x and y, float32 [N, 3, H, W] in [-1, 1], and gives `distance` [N]. N, H and W are free.
"""

import argparse
import pathlib
import sys

import lpips
import numpy as np
import onnxruntime
import torch
import torchvision

MODELS = {"alex": torchvision.models.alexnet, "vgg": torchvision.models.vgg16, "squeeze": torchvision.models.squeezenet1_1}


class Distance(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, y):
        return self.network(x, y).flatten()


def load(name, backbone):
    if backbone is None:
        return Distance(lpips.LPIPS(net=name, verbose=False)).eval()
    state = torch.load(backbone, map_location="cpu", weights_only=True)
    make = MODELS[name]

    def from_file(*_, **__):
        model = make(weights=None)
        model.load_state_dict(state)
        return model

    setattr(torchvision.models, make.__name__, from_file)
    return Distance(lpips.LPIPS(net=name, verbose=False)).eval()


def check(network, out):
    x, y = (2 * torch.rand(3, 3, 80, 72) - 1 for _ in range(2))
    with torch.no_grad():
        expected = network(x, y).numpy()
    (found,) = onnxruntime.InferenceSession(out).run(None, {"x": x.numpy(), "y": y.numpy()})
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"largest difference between ONNX and PyTorch, relative: {error:.1e}", file=sys.stderr)
    if not error < 1e-3:
        raise SystemExit("The exported network computes something else. Try other versions of torch and onnx.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--net", choices=list(MODELS), default="alex")
    parser.add_argument("--backbone", type=pathlib.Path, help="state dictionary of the backbone; without it, a download")
    arguments = parser.parse_args()
    network = load(arguments.net, arguments.backbone)
    free = {0: torch.export.Dim("N", min=1), 2: torch.export.Dim("H", min=32), 3: torch.export.Dim("W", min=32)}
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, 64, 72), torch.zeros(2, 3, 64, 72)),
        str(arguments.out),
        input_names=["x", "y"],
        output_names=["distance"],
        dynamic_shapes={"x": free, "y": free},
        external_data=False,
        dynamo=True,
    )
    check(network, str(arguments.out))


if __name__ == "__main__":
    main()
