"""Residual networks on cepstra, some with dilated convolutions so that the last one sees the whole clip.

Source: R. Tang, J. Lin, "Deep Residual Learning for Small-Footprint Keyword Spotting", ICASSP 2018, arXiv 1710.10361,
and the authors' code: 3 × 3 convolutions without biases, a ReLU and batch normalisation without scale and shift behind
each; what comes into two of them is added before the second one's normalisation. Computed as there.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RES8 = (6, (4, 3), False)  # layers, pool, dilated
RES15 = (13, (1, 1), True)
RES26 = (24, (2, 2), False)


class Res(nn.Module):
    """(n, frames, dims) → (n, n_labels) logits, for any number of frames and dims that leaves the pool something.

    With 12 labels 110,307 trainable parameters (``RES8``), 237,882 (``RES15``), 438,357 (``RES26``).

    Parameters
    ----------
    n_labels : of the output.
    layers : convolutions behind the first; an odd last one has no shortcut.
    pool : frames × dims that are averaged into one behind the first convolution.
    dilated : every third convolution looks twice as far: 1, 1, 1, 2, 2, 2, 4, ...
    maps : channels of all convolutions; 45, narrow 19.
    """

    def __init__(self, n_labels: int, layers: int, pool: tuple[int, int], dilated: bool, maps: int = 45) -> None:
        super().__init__()
        self.pool = pool
        self.first = nn.Conv2d(1, maps, 3, padding=1, bias=False)
        steps = [2 ** (i // 3) if dilated else 1 for i in range(layers)]
        self.convs = nn.ModuleList(nn.Conv2d(maps, maps, 3, 1, step, step, bias=False) for step in steps)
        self.norms = nn.ModuleList(nn.BatchNorm2d(maps, affine=False) for _ in steps)
        self.out = nn.Linear(maps, n_labels)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for dtype and device alone

    def forward(self, frames: Tensor) -> Tensor:
        x = F.relu(self.first(frames.unsqueeze(3).permute(0, 3, 1, 2)))  # (n, 45, 98, 40), channels last
        x = shortcut = F.avg_pool2d(x, self.pool) if self.pool != (1, 1) else x
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(conv(x))
            if i % 2 == 1:
                x = shortcut = x + shortcut
            x = norm(x)
        return self.out(x.mean((2, 3)))
