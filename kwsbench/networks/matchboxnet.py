"""MatchboxNet: residual blocks of time-channel separable convolutions, QuartzNet's made small.

Source: S. Majumdar, B. Ginsburg, "MatchboxNet: 1D Time-Channel Separable Convolutional Neural Network Architecture for
Speech Commands Recognition", Interspeech 2020, arXiv 2004.08531. As in the authors' code (NeMo) convolutions have no
bias, batch normalisation has epsilon 1e-3, convolutions start from Glorot's uniform distribution (there the output
layer too), and the mean over frames goes into the output layer. Beyond the paper's three blocks kernels go on growing
by two. The paper pads or crops clips to 128 frames with zeros; here as many frames come in as there are.

Signals are kept as (n, channels, 1, frames), channels last in memory: on a CPU faster than 1-D convolutions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-3
WIDE = 128  # channels of the layers before and behind the blocks
FIRST_KERNEL, BLOCK_KERNEL, LAST_KERNEL = 11, 13, 29
LAST_DILATION = 2


class MatchboxNet(nn.Module):
    """(n, frames, dims) → (n, n_labels) logits.

    With 64 dims and 30 labels 77,214 trainable parameters for 3 × 1 × 64, 92,766 for 3 × 2 × 64, 138,846 for 6 × 2 ×
    64.

    Parameters
    ----------
    n_labels, dims : of output and input.
    blocks, repeats, channels : of the residual part; the paper writes them as B × R × C.
    dropout : share dropped behind each layer.
    """

    def __init__(self, n_labels: int, dims: int, blocks: int, repeats: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(*_separable(dims, WIDE, FIRST_KERNEL), nn.ReLU(), nn.Dropout(dropout))
        wide, layers = WIDE, []
        for i in range(blocks):
            layers.append(Block(wide, channels, repeats, BLOCK_KERNEL + 2 * i, dropout))
            wide = channels
        self.blocks = nn.Sequential(*layers)
        self.last = nn.Sequential(
            *_separable(wide, WIDE, LAST_KERNEL, LAST_DILATION),
            nn.ReLU(),
            nn.Dropout(dropout),
            *_pointwise(WIDE, WIDE),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.out = nn.Linear(WIDE, n_labels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for dtype and device alone

    def forward(self, frames: Tensor) -> Tensor:
        x = frames[:, None].permute(0, 3, 1, 2)  # (n, 64, 1, 98), channels last
        x = self.last(self.blocks(self.first(x)))  # (n, 128, 1, 98)
        return self.out(x.mean((2, 3)))


class Block(nn.Module):
    """(n, channels, 1, frames) → (n, wide, 1, frames): ``repeats`` layers, the input added before the last ReLU."""

    def __init__(self, channels: int, wide: int, repeats: int, kernel: int, dropout: float) -> None:
        super().__init__()
        layers = _separable(channels, wide, kernel)
        for _ in range(repeats - 1):
            layers += [nn.ReLU(), nn.Dropout(dropout), *_separable(wide, wide, kernel)]
        self.layers = nn.Sequential(*layers)
        self.shortcut = nn.Sequential(*_pointwise(channels, wide))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(F.relu(self.layers(x) + self.shortcut(x)))


def _separable(channels: int, wide: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    """A convolution along time of each channel, one of all channels at a time, and normalisation."""
    padding = dilation * (kernel // 2)
    along_time = nn.Conv2d(channels, channels, (1, kernel), 1, (0, padding), (1, dilation), channels, bias=False)
    return [along_time, *_pointwise(channels, wide)]


def _pointwise(channels: int, wide: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide, EPSILON)]
