"""DS-CNN: a convolution, then blocks of a depthwise and a pointwise one, small enough for a microcontroller.

Source: Y. Zhang, N. Suda, L. Lai, V. Chandra, "Hello Edge: Keyword Spotting on Microcontrollers", 2017, arXiv
1711.07128; sizes and strides are those of the authors' training commands, padding is TensorFlow's SAME. As there, batch
normalisation has epsilon 1e-3, decay 0.96, a shift and no scale: behind the ReLU the next layer's weights can scale.
One thing differs, without effect on what is computed: convolutions have no bias, which normalisation would take away.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.networks.norms import ShiftNorm2d

EPSILON, MOMENTUM = 1e-3, 0.04  # torch's momentum is 1 − decay
FIRST_KERNEL = (10, 4)  # frames × dims

LAYERS: dict[str, tuple[int, tuple[int, int], tuple[tuple[int, int], ...]]] = {
    "s": (64, (2, 2), ((1, 1),) * 4),
    "m": (172, (2, 1), ((2, 2), *((1, 1),) * 3)),
    "l": (276, (2, 1), ((2, 2), *((1, 1),) * 4)),
}  # channels, stride of the first convolution, strides of the depthwise ones


class DSCNN(nn.Module):
    """(n, frames, dims) → (n, n_labels) logits, for any number of frames and dims.

    With 12 labels 22,604 (s), 135,032 (m) and 410,700 (l) trainable parameters.

    Parameters
    ----------
    n_labels : of the output.
    size : a row of ``LAYERS``.
    """

    def __init__(self, n_labels: int, size: Literal["s", "m", "l"] = "s") -> None:
        super().__init__()
        channels, first, strides = LAYERS[size]
        layers: list[nn.Module] = [*_normalised(1, channels, FIRST_KERNEL, first)]
        for stride in strides:
            layers += _normalised(channels, channels, (3, 3), stride, groups=channels)
            layers += _normalised(channels, channels, (1, 1), (1, 1))
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(channels, n_labels)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for dtype and device alone

    def forward(self, frames: Tensor) -> Tensor:
        x = self.layers(frames.unsqueeze(3).permute(0, 3, 1, 2))  # (n, 1, 49, 10) → (n, 64, 25, 5), channels last
        return self.out(x.mean((2, 3)))


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: ceil(size / stride) outputs, an odd zero goes behind."""

    def forward(self, x: Tensor) -> Tensor:
        down, right = (
            _padding(size, kernel, stride)
            for size, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        )
        if down[0] == down[1] and right[0] == right[1]:
            return F.conv2d(x, self.weight, self.bias, self.stride, (down[0], right[0]), 1, self.groups)
        return super().forward(F.pad(x, (*right, *down)))


def _padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and behind one axis."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _normalised(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int], groups: int = 1
) -> tuple[nn.Module, ...]:
    conv = SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
    return conv, ShiftNorm2d(outputs, EPSILON, MOMENTUM), nn.ReLU(inplace=True)
