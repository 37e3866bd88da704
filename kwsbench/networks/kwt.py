"""Keyword Transformer: attention between the frames of a clip and a class token, normalised behind each addition.

Source: A. Berg, M. O'Connor, M. Tairum Cruz, "Keyword Transformer: A Self-Attention Model for Keyword Spotting",
Interspeech 2021, arXiv 2104.00769, its attention in time. As in the authors' code queries, keys and values have no
bias, normalisation has epsilon 1e-6, and all weights start from a normal distribution of deviation 0.02, cut off at
twice that.
"""

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON, DEVIATION = 1e-6, 0.02
DEPTH = 12
HEAD_WIDTH = 64


class KWT(nn.Module):
    """(n, frames, dims) → (n, n_labels) logits; frames and dims are those it was made for.

    With 98 × 40 inputs and 12 labels 607,308 trainable parameters at 1 head, 2,394,252 at 2, 5,360,844 at 3.

    Parameters
    ----------
    n_labels, frames, dims : of output and input.
    heads : of attention, 64 wide each; the hidden layer behind it is four times as wide as all together.
    dropout : share dropped of what is added.
    """

    added: ClassVar[tuple[str, ...]] = ("places",)
    """Parameters that are added to what is there, and multiply nothing."""

    def __init__(self, n_labels: int, frames: int, dims: int, heads: int, dropout: float) -> None:
        super().__init__()
        wide = HEAD_WIDTH * heads
        self.embed = nn.Linear(dims, wide)
        self.token = nn.Parameter(torch.empty(wide))
        self.places = nn.Parameter(torch.empty(1 + frames, wide))
        self.blocks = nn.Sequential(*(Block(wide, heads, dropout) for _ in range(DEPTH)))
        self.out = nn.Linear(wide, n_labels)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1 or name == "token":
                nn.init.trunc_normal_(parameter, std=DEVIATION, a=-2 * DEVIATION, b=2 * DEVIATION)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.embed(frames)  # (n, 98, 64)
        x = torch.cat([self.token.expand(len(x), 1, -1), x], 1) + self.places  # (n, 99, 64)
        return self.out(self.blocks(x)[:, 0])


class Block(nn.Module):
    """(n, places, wide) → the same: attention, then two dense layers, each added and normalised."""

    def __init__(self, wide: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.asked = nn.Linear(wide, 3 * wide, bias=False)  # queries, keys and values
        self.joined = nn.Linear(wide, wide)
        self.norm1, self.norm2 = nn.LayerNorm(wide, EPSILON), nn.LayerNorm(wide, EPSILON)
        self.dense1, self.dense2 = (nn.Linear(a, b) for a, b in pairwise((wide, 4 * wide, wide)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, values = self.asked(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = _attended(queries, keys, values)  # (n, heads, 99, 64)
        x = self.norm1(x + self.dropout(self.joined(y.transpose(1, 2).flatten(2))))
        return self.norm2(x + self.dropout(self.dense2(F.gelu(self.dense1(x)))))


def _attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Scaled dot-product attention, each (n, heads, places, width)."""
    if queries.is_cuda:
        return F.scaled_dot_product_attention(queries, keys, values)
    # on a CPU the fused gradient takes as long in bfloat16 as in single precision, plain products half of that
    return (queries @ keys.transpose(2, 3) * queries.shape[3] ** -0.5).softmax(3) @ values
