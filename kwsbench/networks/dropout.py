"""Dropout by few random bits, for layers and for compiled passes alike: both draw the same."""

import torch
from torch import Tensor, nn


class FastDropout(nn.Dropout):
    """Dropout that draws 16 random bits a value on a CPU, where torch takes ten times as long to draw a float.

    A value is dropped with probability ``round(65536 · p) / 65536``.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        bits = random_bits(x.numel()).as_strided(x.shape, x.stride())
        kept = (bits >= least_bits(self.p)).to(x.dtype)
        return x * kept.mul_(1 / (1 - self.p))


def random_bits(n: int) -> Tensor:
    """int16 (n,), all values alike."""
    return torch.empty(-(-n // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:n]


def least_bits(p: float) -> int:
    """The least of ``random_bits`` that keep a value which is dropped with probability p."""
    return round(65536 * p) - 32768
