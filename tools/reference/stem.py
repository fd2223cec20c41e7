"""The convolutional stem in PyTorch: what tools/convert-stem computes the goldens with and tools/bench-encoders times."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

WEIGHTS = Path(__file__).resolve().parents[2] / "Sources/HilumMCR/Resources/stem-efficientnet-lite0/weights.safetensors"

# kernel, stride, expansion, inputs, outputs
BLOCKS = [
    (3, 1, 1, 32, 16),
    (3, 2, 6, 16, 24), (3, 1, 6, 24, 24),
    (5, 2, 6, 24, 40), (5, 1, 6, 40, 40),
    (3, 2, 6, 40, 80), (3, 1, 6, 80, 80), (3, 1, 6, 80, 80),
    (5, 1, 6, 80, 112), (5, 1, 6, 112, 112), (5, 1, 6, 112, 112),
]


class Stem(nn.Module):
    """[n, 1, S, S] in 0...1 to [n, 112, S/16, S/16]; S is a multiple of 16. Computes in the type of the tensors."""

    def __init__(self, tensors: dict[str, torch.Tensor]):
        super().__init__()
        self.tensors = tensors
        self.first = self._spatial("first", 2, is_depthwise=False)
        self.blocks = nn.ModuleList()
        for number, (_, stride, expansion, _, _) in enumerate(BLOCKS):
            name = f"blocks.{number}"
            parts = [self._dense(f"{name}.expand"), nn.ReLU6(inplace=True)] if expansion > 1 else []
            parts += [*self._spatial(f"{name}.depthwise", stride, is_depthwise=True), self._dense(f"{name}.project")]
            self.blocks.append(nn.Sequential(*parts))
        del self.tensors
        self.eval()

    def _spatial(self, name: str, stride: int, is_depthwise: bool) -> nn.Sequential:
        weight = self.tensors[f"stem.{name}.weight"]
        kernel, _, channels = weight.shape
        groups = channels if is_depthwise else 1
        # TensorFlow's "same": of an even side, stride 2 needs kernel - 2 zeros, of which the smaller half stands before.
        total = kernel - stride if stride == 2 else kernel - 1
        before, after = total // 2, total - total // 2
        is_even = before == after
        convolution = nn.Conv2d(
            groups, channels, kernel, stride, padding=before if is_even else 0, groups=groups, dtype=weight.dtype)
        self._fill(convolution, name, weight.permute(2, 0, 1).unsqueeze(1))
        pad = [] if is_even else [nn.ZeroPad2d((before, after, before, after))]
        return nn.Sequential(*pad, convolution, nn.ReLU6(inplace=True))

    def _dense(self, name: str) -> nn.Conv2d:
        weight = self.tensors[f"stem.{name}.weight"]
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 1, dtype=weight.dtype)
        self._fill(convolution, name, weight[:, :, None, None])
        return convolution

    def _fill(self, convolution: nn.Conv2d, name: str, weight: torch.Tensor) -> None:
        convolution.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        convolution.bias = nn.Parameter(self.tensors[f"stem.{name}.bias"].clone(), requires_grad=False)

    def forward(self, grey: torch.Tensor, blocks: int = len(BLOCKS)) -> torch.Tensor:
        x = self.first((255 * grey - 127) / 128)
        for block, (_, stride, _, inputs, outputs) in list(zip(self.blocks, BLOCKS))[:blocks]:
            x = x + block(x) if stride == 1 and inputs == outputs else block(x)
        return x


def load() -> Stem:
    """The stem that comes with Hilum, in f32."""
    return Stem({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
