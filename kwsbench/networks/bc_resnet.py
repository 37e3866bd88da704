"""BC-ResNet: residual blocks that see frequency in 2-D and time in 1-D, the one broadcast over the other.

Source: B. Kim, S. Chang, J. Lee, D. Sung, "Broadcasted Residual Learning for Efficient Keyword Spotting", Interspeech
2021, arXiv 2106.04140. A block convolves along frequency, channel by channel; the mean over frequency is convolved
along time, and what comes out is added to every frequency. Normalisation along frequency is sub-spectral: batch
normalisation with statistics and affine map of each of five sub-bands (Chang et al., arXiv 2103.13620).

The paper has 40 mel bins, of which its strides leave 20, 10 and 5. Of other numbers of bins sub-bands are as even as
can be, one a bin where there are fewer than five. The last kernel is five bins high, or as high as there are bins;
what it leaves is averaged over frequency too, as in the authors' code.

Signals are kept as (bins, n, frames, channels), contiguous: sub-bands are stretches of memory and 1 × 1 convolutions
matrix products, which on a CPU takes two thirds of the time of (n, channels, bins, frames).

On a CPU in float32 all from the stem to the last convolution along frequency is computed by ``bc_resnet_cpu``; as it is
written here it runs on a GPU, without numba and in other precisions, and is what the passes are tested against.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.native import takes_passes

SUB_BANDS = 5
DROPPED = 0.1
STAGES = ((2, 1, 1.0), (2, 2, 1.5), (4, 2, 2.0), (4, 1, 2.5))  # blocks, stride along frequency, share of the base width


class BCResNet(nn.Module):
    """(n, frames, bins) → (n, n_labels) logits.

    With 40 bins and 12 labels: 9,232 trainable parameters at base 8, 54,168 at 24, 321,068 at 64.

    Parameters
    ----------
    n_labels, bins : of output and input.
    base : channels of the first stage; 8 τ in the paper.
    """

    def __init__(self, n_labels: int, bins: int, base: int) -> None:
        super().__init__()
        channels, bins = 2 * base, (bins + 1) // 2
        self.stem = nn.Conv2d(1, channels, 5, (1, 2), 2, bias=False)
        self.norm_stem = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList()
        for stage, (n_blocks, stride, share) in enumerate(STAGES):
            wide, bins = int(share * base), -(-bins // stride)
            self.blocks.append(Block(channels, wide, bins, stride, 2**stage))
            self.blocks.extend(Block(wide, wide, bins, 1, 2**stage) for _ in range(n_blocks - 1))
            channels = wide
        self.last = nn.Conv2d(channels, channels, (min(5, bins), 5), padding=(0, 2), groups=channels, bias=False)
        self.head = nn.Conv2d(channels, 4 * base, 1, bias=False)
        self.norm_head = nn.BatchNorm2d(4 * base)
        self.out = nn.Linear(4 * base, n_labels)

    def forward(self, frames: Tensor) -> Tensor:
        x = self._passes(frames) if _in_passes(self, frames) else self._layers(frames)  # (n, 20 τ, 1, 98)
        x = self.head(x)  # (n, 32 τ, 1, 98)
        return self.out(F.relu_(self.norm_head(x)).mean((2, 3)))

    def _layers(self, frames: Tensor) -> Tensor:
        """From the stem to the last convolution along frequency, as torch has them."""
        x = self.stem(frames[:, None])  # (n, 16 τ, 98, 20)
        x = F.relu(_normed(self.norm_stem, x.permute(3, 0, 2, 1).contiguous()))  # (20, n, 98, 16 τ)
        for block in self.blocks:
            x = block(x)  # (20 or 10 or 5, n, 98, 8 τ to 20 τ)
        return self.last(x.permute(1, 3, 0, 2))

    def _passes(self, frames: Tensor) -> Tensor:
        """The same in few passes over memory, with the same draws."""
        from kwsbench.networks.bc_resnet_cpu.stack import run

        return run(self, frames).permute(0, 3, 1, 2)


class Block(nn.Module):
    """(bins · stride, n, frames, channels) → (bins, n, frames, wide).

    Where the width stays, the input is added as well; where it does not, a 1 × 1 convolution changes it first.

    Parameters
    ----------
    channels, wide : of input and output.
    bins : of the output.
    stride, dilation : along frequency, along time.
    """

    def __init__(self, channels: int, wide: int, bins: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, wide, bias=False) if channels != wide else None
        self.norm_wide = nn.BatchNorm1d(wide) if channels != wide else None
        self.along_bins = nn.Conv2d(wide, wide, (3, 1), (stride, 1), (1, 0), groups=wide, bias=False)
        self.band_sizes = [len(band) for band in torch.arange(bins).tensor_split(min(SUB_BANDS, bins))]
        self.norm_bands = nn.ModuleList(nn.BatchNorm1d(wide) for _ in self.band_sizes)
        self.along_time = nn.Conv2d(wide, wide, (1, 3), 1, (0, dilation), (1, dilation), wide, bias=False)
        self.norm_time = nn.BatchNorm2d(wide)
        self.mix = nn.Conv2d(wide, wide, 1, bias=False)
        self.dropout = nn.Dropout2d(DROPPED)

    def forward(self, x: Tensor) -> Tensor:
        passed = x
        if self.widen is not None and self.norm_wide is not None:
            x = F.relu(_normed(self.norm_wide, self.widen(x)))
        _, n, frames, channels = x.shape
        # clips lie side by side in one image, for this convolution does not look along time
        image = x.flatten(1, 2)[None].permute(0, 3, 1, 2)  # (1, channels, bins, n · frames), channels last
        x = self.along_bins(image).squeeze(0).permute(1, 2, 0).unflatten(1, (n, frames))
        bands = x.split(self.band_sizes)
        x = torch.cat([_normed(norm, band) for norm, band in zip(self.norm_bands, bands, strict=True)])
        y = self.along_time(x.mean(0).transpose(1, 2)[:, :, None])  # (n, channels, 1, frames)
        y = self.dropout(self.mix(F.silu(self.norm_time(y))))
        x = x + y.squeeze(2).transpose(1, 2)
        return F.relu_(x if self.widen is not None else x + passed)


def _in_passes(net: BCResNet, frames: Tensor) -> bool:
    """Whether ``bc_resnet_cpu`` is for this; it knows no gradient of its input."""
    values = frames.shape[0] * frames.shape[1]  # of a channel along time: one has no variance
    return values > 1 and not frames.requires_grad and takes_passes(frames, net.stem.weight)


def _normed(norm: nn.Module, x: Tensor) -> Tensor:
    """Batch normalisation of the last dimension."""
    return norm(x.flatten(0, -2)).view_as(x)
