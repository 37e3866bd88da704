"""Xception-1d: Xception's separable convolutions and residual blocks along the samples of a waveform.

Source: I. Vallés-Pérez, J. Gómez-Sanchis, M. Martínez-Sober, J. Vila-Francés, A. Serrano-López, E. Soria-Olivas,
"End-to-end Keyword Spotting using Xception-1d", ESANN 2021, arXiv 2110.07498, and the authors' code. As there, each
channel of a clip is normalised by itself (instance normalisation, no scale and shift), the input of the output layer as
a whole; biases are everywhere; the ReLU that a block begins with is in front of its shortcut too; clips are scaled to a
peak of one.

Two things differ, for what has no deviation to be divided by would get gradients without bound. The epsilon of instance
normalisation is 1e-3, not 1e-5: a steady tone leaves channels that hardly move. And a noise of one step of 16 bits is
added, the same to all clips: a clip of nothing but zeros leaves no channel that moves.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

DROPPED = 0.75
STEP = 2.0**-15  # of 16 bits
EPSILON = 1e-3


class Xception1d(nn.Module):
    """(n, samples) waveforms in [−1, 1) → (n, n_labels) logits; samples are as many as it was made for.

    With 16,000 samples 23,600,619 trainable parameters for 35 labels, 22,093,268 for 12.

    Parameters
    ----------
    n_labels, n_samples : of output and input.
    blocks : in the middle, which keep length and channels.
    width : multiplies the channels 32, 64, 128, 256, 728, 1024, 1536, 2048.
    """

    noise: Tensor

    def __init__(self, n_labels: int, n_samples: int, blocks: int = 8, width: float = 1.0) -> None:
        super().__init__()
        a, b, c, d, e, f, g, h = (max(round(width * n), 1) for n in (32, 64, 128, 256, 728, 1024, 1536, 2048))
        self.body = nn.Sequential(
            nn.Conv1d(1, a, 9, 4, padding=4),  # 16,000 samples → 4,000 places
            nn.ReLU(),
            EachChannel(),
            nn.Conv1d(a, b, 5, 2, padding=4),  # 2,002
            Block(b, c, 2, halved=True),  # 1,001
            Block(c, d, 2, halved=True),  # 501
            Block(d, e, 2, halved=True),  # 251
            *(Block(e, e, 3, halved=False) for _ in range(blocks)),
            Block(e, f, 2, halved=True),  # 126
            nn.ReLU(),
            EachChannel(),
            *_separable(f, g, stride=2),  # 63
            nn.ReLU(),
            EachChannel(),
            *_separable(g, h, stride=2),  # 32
            nn.Flatten(1),
            nn.ReLU(),
        )
        noise = np.random.default_rng(0).uniform(-STEP, STEP, n_samples)
        self.register_buffer("noise", torch.from_numpy(noise).float(), persistent=False)
        flat = h * places(n_samples)
        self.norm = nn.LayerNorm(flat)
        self.dropout = nn.Dropout(DROPPED)
        self.out = nn.Linear(flat, n_labels)

    def forward(self, waves: Tensor) -> Tensor:
        x = waves + self.noise
        x = x / x.abs().amax(1, keepdim=True)
        return self.out(self.dropout(self.norm(self.body(x[:, None]))))


class Block(nn.Module):
    """(n, channels, places) → (n, wide, places, or half as many): separable convolutions beside a shortcut."""

    def __init__(self, channels: int, wide: int, convolutions: int, halved: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [EachChannel(), *_separable(channels, wide)]
        for _ in range(convolutions - 1):
            layers += [nn.ReLU(), EachChannel(), *_separable(wide, wide)]
        if halved:
            layers.append(nn.AvgPool1d(2, ceil_mode=True))
        self.layers = nn.Sequential(*layers)
        self.shortcut = nn.Conv1d(channels, wide, 1, 2) if halved else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return self.layers(x) + self.shortcut(x)


class EachChannel(nn.Module):
    """Instance normalisation, which is layer normalisation of a channel's places."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[2:], eps=EPSILON)


def places(n_samples: int) -> int:
    """What the convolutions and pools leave of a clip's samples."""
    left = ((n_samples - 1) // 4 + 4) // 2 + 1  # the second convolution pads more than its kernel needs
    for _ in range(6):
        left = (left + 1) // 2
    return left


def _separable(channels: int, wide: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv1d(channels, channels, 3, stride, padding=1, groups=channels), nn.Conv1d(channels, wide, 1)
