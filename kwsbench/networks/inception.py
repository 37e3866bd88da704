"""The inception-1d block of WavCeption: eight branches over a signal in time.

Source: the public kernel "WavCeption V1: a 1-D Inception approach" (TensorFlow Speech Recognition Challenge, 2018).
Branches that only differ in their weights are computed together: the four 1 × 1 convolutions that read the normalised
input are one convolution whose channels are sliced afterwards. Mathematics, parameter count and start are the
original's: batch normalisation is per channel, so normalising slices together or apart is the same. Signals are kept as
(n, channels, 1, samples) with channels last in memory, where torch's pools and 1 × 1 convolutions are vectorised.

On a CPU in float32 the blocks are computed by ``inception_cpu``, in few passes over memory; ``forward`` as it is
written here is what runs on a GPU and in other precisions, and what the passes are tested against.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.native import takes_passes
from kwsbench.networks.inception_cpu.sizes import BRANCH_WIDTH, EPSILON


def _norm(channels: int, decay: float) -> nn.BatchNorm2d:
    """Batch normalisation with the original's epsilon; ``decay`` is TensorFlow's, torch's momentum is 1 − decay."""
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=1 - decay)


def _conv(channels: int, filters: int, kernel: int) -> nn.Conv2d:
    """A convolution along time, output as long as the input, Glorot uniform start, zero bias."""
    conv = nn.Conv2d(channels, filters, (1, kernel), padding=(0, kernel // 2))
    nn.init.xavier_uniform_(conv.weight)
    nn.init.constant_(conv.get_parameter("bias"), 0)
    return conv


def _in_passes(x: Tensor, training: bool) -> bool:
    """Whether ``inception_cpu`` is for this; gradients on known statistics are not worth passes of their own."""
    return takes_passes(x) and (training or not torch.is_grad_enabled())


def _passes(layers: list[nn.Module], x: Tensor) -> Tensor:
    from kwsbench.networks.inception_cpu.stack import run

    return run(layers, x[:, :, 0].transpose(1, 2)).transpose(1, 2)[:, :, None]


class Inception1d(nn.Module):
    """(n, channels, 1, samples) → (n, 112·depth + 64, 1, samples).

    Parameters
    ----------
    channels : channels of the input.
    depth : the original's ``depth``: 16·depth, 32·depth × 3 and 16 × 4 output channels.
    branch4_kernel : 5 as the original computes it, 7 as its name says.
    decay : decay of the running statistics of batch normalisation.
    """

    def __init__(self, channels: int, depth: int, branch4_kernel: int = 5, decay: float = 0.999) -> None:
        super().__init__()
        narrow, wide = BRANCH_WIDTH * depth, 2 * BRANCH_WIDTH * depth
        self.out_channels = narrow + 3 * wide + 4 * BRANCH_WIDTH
        self.splits = [narrow, BRANCH_WIDTH, BRANCH_WIDTH, BRANCH_WIDTH]
        self.norm_input = _norm(channels, decay)
        self.reduce = _conv(channels, sum(self.splits), 1)  # branch 1 and the first halves of branches 2 to 4
        for part in self.reduce.weight.data.split(self.splits):
            nn.init.xavier_uniform_(part)  # each branch starts by its own fan-out
        self.norm_reduce = _norm(sum(self.splits), decay)
        self.expand = nn.ModuleList(_conv(BRANCH_WIDTH, wide, k) for k in (3, 5, branch4_kernel))
        self.norm_expand = _norm(3 * wide, decay)
        self.norm_pool = nn.ModuleList(_norm(channels, decay) for _ in range(4))
        self.pool = nn.ModuleList(_conv(channels, BRANCH_WIDTH, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        if _in_passes(x, self.training):
            return _passes([self], x)
        x = self.norm_input(x)  # (n, c, 1, t)
        reduced = F.relu(self.norm_reduce(self.reduce(x)))  # (n, 16·depth + 48, 1, t)
        first, *rest = reduced.split(self.splits, dim=1)
        expanded = torch.cat([conv(part) for conv, part in zip(self.expand, rest, strict=True)], dim=1)
        expanded = F.relu(self.norm_expand(expanded))  # (n, 96·depth, 1, t)
        return torch.cat([first, expanded, self._pools(x)], dim=1)

    def _pools(self, x: Tensor) -> Tensor:
        """The four pool branches: (n, c, 1, t) → (n, 64, 1, t)."""
        pooled = [
            F.max_pool2d(x, (1, 3), 1, (0, 1)),
            F.max_pool2d(x, (1, 5), 1, (0, 2)),
            F.avg_pool2d(x, (1, 3), 1, (0, 1), count_include_pad=False),  # the original's "same" ignores the padding
            F.avg_pool2d(x, (1, 5), 1, (0, 2), count_include_pad=False),
        ]
        branches = [conv(norm(p)) for conv, norm, p in zip(self.pool, self.norm_pool, pooled, strict=True)]
        return torch.cat(branches, dim=1)


def through(layers: nn.Sequential, x: Tensor) -> Tensor:
    """(n, c, 1, samples) → (n, c', 1, samples') through blocks, and max pools of 2 behind some of them."""
    if _in_passes(x, layers.training):
        return _passes(list(layers), x)
    return layers(x.contiguous(memory_format=torch.channels_last))


class WavCeptionNet(nn.Module):
    """(n, samples) waveforms in [−1, 1) → (n, n_labels) logits: nine pairs of blocks, each followed by a max pool of 2.

    With 16,000 samples and 12 labels: 3,441,334 trainable parameters.
    """

    DEPTHS = (1, 1, 2, 2, 3, 3, 4, 4, 4)

    def __init__(self, n_labels: int, n_samples: int, branch4_kernel: int = 5, decay: float = 0.999) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for depth in self.DEPTHS:
            for _ in range(2):
                block = Inception1d(channels, depth, branch4_kernel, decay)
                channels = block.out_channels
                layers.append(block)
            layers.append(nn.MaxPool2d((1, 2)))
        self.blocks = nn.Sequential(*layers)
        self.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        flat = channels * (n_samples // 2 ** len(self.DEPTHS))
        self.norm_flat = nn.BatchNorm1d(flat, eps=EPSILON, momentum=1 - decay)
        self.dense = nn.Linear(flat, 128)
        self.norm_dense = nn.BatchNorm1d(128, eps=EPSILON, momentum=1 - decay)
        self.out = nn.Linear(128, n_labels)
        for layer in (self.dense, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, waves: Tensor) -> Tensor:
        x = through(self.blocks, waves[:, None, None, :])  # (n, 512, 1, samples / 512)
        x = F.relu(self.dense(self.norm_flat(x.flatten(1))))  # (n, 128)
        return self.out(self.norm_dense(x))
