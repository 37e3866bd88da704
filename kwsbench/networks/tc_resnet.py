"""TC-ResNet: cepstra are channels of a signal in time, and all convolutions are along time.

Source: S. Choi, S. Seo, B. Shin, H. Byun, M. Kersner, B. Kim, D. Kim, S. Ha, "Temporal Convolution for Real-time
Keyword Spotting on Mobile Devices", Interspeech 2019, arXiv 1904.03814, and the authors' code: batch normalisation with
epsilon 1e-3, no biases, Glorot uniform start. Three things differ: running statistics decay by 0.9 a step, not 0.997,
for our trainings are shorter; zeros are put evenly at both ends of a convolution of stride 2, so that it looks at the
same frames as the shortcut beside it, where TensorFlow puts one less in front of an even number of frames; and a second
output of the code, which the paper does not speak of, is left out.
Signals are (n, channels, 1, frames) with channels last in memory, the fastest layout on a CPU.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON, MOMENTUM = 1e-3, 0.1  # torch's momentum is 1 − decay
KERNEL = 9
CHANNELS = {8: (16, 24, 32, 48), 14: (16, 24, 24, 32, 32, 48, 48)}  # by depth: of the first layer and of each block


class TCResNet(nn.Module):
    """(n, frames, dims) → (n, n_labels) logits, for any number of frames.

    With 40 dims and 12 labels 65,168 trainable parameters (depth 8), 303,000 (depth 14, width 1.5).

    Parameters
    ----------
    n_labels, dims : of output and input.
    depth : a row of ``CHANNELS``.
    width : multiplies all channels; what is no whole number is cut.
    dropout : share of the averaged channels that is dropped before the output.
    """

    def __init__(self, n_labels: int, dims: int, depth: int = 8, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        first, *others = (int(width * channels) for channels in CHANNELS[depth])
        self.first, self.norm_first = _conv(dims, first, 3), _norm(first)
        self.blocks = nn.Sequential()
        inputs = first
        for channels in others:
            self.blocks.append(Block(inputs, channels))
            inputs = channels
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(inputs, n_labels, bias=False)
        nn.init.xavier_uniform_(self.out.weight)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for dtype and device alone

    def forward(self, frames: Tensor) -> Tensor:
        x = frames.unsqueeze(1).permute(0, 3, 1, 2)  # (n, 40, 1, 98), channels last
        x = F.relu(self.norm_first(self.first(x)))  # (n, 16, 1, 98)
        x = self.blocks(x)  # (n, 48, 1, 13)
        return self.out(self.dropout(x.mean((2, 3))))


class Block(nn.Module):
    """(n, inputs, 1, frames) → (n, outputs, 1, frames), or half the frames where the number of channels changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1, self.norm1 = _conv(inputs, outputs, KERNEL, stride), _norm(outputs)
        self.conv2, self.norm2 = _conv(outputs, outputs, KERNEL), _norm(outputs)
        self.shortcut = nn.Sequential()  # nothing: what comes in
        if stride == 2:
            self.shortcut = nn.Sequential(_conv(inputs, outputs, 1, stride), _norm(outputs), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, EPSILON, MOMENTUM)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution along time, ceil(frames / stride) outputs."""
    conv = nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), (0, kernel // 2), bias=False)
    nn.init.xavier_uniform_(conv.weight)
    return conv
