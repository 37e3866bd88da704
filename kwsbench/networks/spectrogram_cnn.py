"""The light spectrogram CNN: five small unpadded convolutions and two dense layers.

Source: the public kernel "Light-Weight CNN LB 0.74" (TensorFlow Speech Recognition Challenge, 2018), built with Keras,
whose defaults are kept: batch normalisation with epsilon 1e-3 and decay 0.99, Glorot uniform start, zero bias.
Three things are computed otherwise, to the same result, for speed: memory is channels last, ReLU comes after the pool
that follows it, and the first normalisation's scale and shift go into the first convolution.

On a CPU in float32 the convolutions are computed by ``spectrogram_cpu``, clip by clip; as they are written here they
run on a GPU, without numba and in other precisions, and are what the passes are tested against.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.native import takes_passes
from kwsbench.networks.dropout import FastDropout

EPSILON, MOMENTUM = 1e-3, 0.01  # torch's momentum is 1 − decay
DROPPED = 0.2
LEAST = 26  # frames and dims that leave one value after all convolutions and pools


class SpectrogramCNN(nn.Module):
    """(n, frames, dims) → (n, n_labels) logits.

    With 99 × 81 inputs and 12 labels: 313,854 trainable parameters, 625,646 at width 2.

    Parameters
    ----------
    n_labels, frames, dims : of output and input; at least 26 frames and dims.
    width : multiplies the channels 8, 8, 16, 16, 32 of the convolutions.
    """

    def __init__(self, n_labels: int, frames: int, dims: int, width: int = 1) -> None:
        super().__init__()
        a, b, c = 8 * width, 16 * width, 32 * width
        self.norm_input = nn.BatchNorm2d(1, EPSILON, MOMENTUM)
        self.conv1, self.conv2 = nn.Conv2d(1, a, 2), nn.Conv2d(a, a, 2)
        self.conv3, self.conv4 = nn.Conv2d(a, b, 3), nn.Conv2d(b, b, 3)
        self.conv5 = nn.Conv2d(b, c, 3)
        self.dropout = FastDropout(DROPPED)
        self.dense1 = nn.Linear(c * _left(frames) * _left(dims), 128)
        self.norm1 = nn.BatchNorm1d(128, EPSILON, MOMENTUM)
        self.dense2 = nn.Linear(128, 128)
        self.norm2 = nn.BatchNorm1d(128, EPSILON, MOMENTUM)
        self.out = nn.Linear(128, n_labels)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, frames: Tensor) -> Tensor:
        x = self._passes(frames) if _in_passes(frames, self.conv1) else self._layers(frames)  # (n, 2240)
        x = self.norm1(F.relu_(self.dense1(x)))  # (n, 128)
        x = self.norm2(F.relu_(self.dense2(x)))
        return self.out(x)

    def _layers(self, frames: Tensor) -> Tensor:
        """The convolutions, as torch has them: (n, 99, 81) → (n, 2240)."""
        x = frames.unsqueeze(3).permute(0, 3, 1, 2)  # (n, 1, 99, 81), channels last
        if type(self.norm_input) is nn.BatchNorm2d:
            x = F.relu_(F.conv2d(self._normalised(x), *self._first()))  # (n, 8, 98, 80)
        else:  # a normalisation by the clips of several processes
            x = F.relu_(self.conv1(self.norm_input(x)))
        x = F.relu_(F.max_pool2d(self.conv2(x), 2))  # (n, 8, 48, 39)
        x = F.relu_(self.conv3(self.dropout(x)))  # (n, 16, 46, 37)
        x = F.relu_(F.max_pool2d(self.conv4(x), 2))  # (n, 16, 22, 17)
        x = F.relu_(F.max_pool2d(self.conv5(self.dropout(x)), 2))  # (n, 32, 10, 7)
        return self.dropout(x).permute(0, 2, 3, 1).flatten(1)

    def _passes(self, frames: Tensor) -> Tensor:
        """The same in few passes over memory, with the same draws."""
        from kwsbench.networks.spectrogram_cpu.stack import run

        others = [p for conv in (self.conv2, self.conv3, self.conv4, self.conv5) for p in conv.parameters()]
        return run(self._normalised(frames[:, None]), [*self._first(), *others], self.dropout.p, self.training)

    def _normalised(self, x: Tensor) -> Tensor:
        """``norm_input(x)`` but for scale and shift."""
        norm, moments = self.norm_input, (self.norm_input.running_mean, self.norm_input.running_var)
        return F.batch_norm(x, *moments, None, None, self.training, norm.momentum or 0.0, norm.eps)

    def _first(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of ``conv1(norm_input(…))`` on what is normalised; no gradient goes to the large input."""
        norm, conv = self.norm_input, self.conv1
        shift = norm.bias * conv.weight.sum((1, 2, 3))  # exact, for nothing is padded
        return norm.weight * conv.weight, shift if conv.bias is None else conv.bias + shift


def _in_passes(frames: Tensor, first: nn.Conv2d) -> bool:
    """Whether ``spectrogram_cpu`` is for this; it knows no gradient of its input."""
    known = min(frames.shape[1:]) >= LEAST and not frames.requires_grad
    return known and takes_passes(frames, first.weight)


def _left(size: int) -> int:
    """What the convolutions and pools leave of a length: 99 → 10, 81 → 7."""
    for shrink in (2, 4, 2):
        size = (size - shrink) // 2
    return size
