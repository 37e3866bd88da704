"""A very deep CNN: small kernels, several convolutions between pools, dense layers behind.

Sources: T. Sercu, C. Puhrsch, B. Kingsbury, Y. LeCun, "Very Deep Multilingual Convolutional Neural Networks for LVCSR",
ICASSP 2016, arXiv 1509.08967, whose deepest network has ten 3 × 3 convolutions and four dense layers, after VGG; with
batch normalisation, as T. Sercu, V. Goel, arXiv 1604.01792. The same idea for noisy speech: Y. Qian, P. Woodland, "Very
Deep Convolutional Neural Networks for Robust Speech Recognition", SLT 2016, arXiv 1610.00277.
This is built after their descriptions, not after one table: the number of layers and the kernels are the first paper's;
channels from 64 to 512 and dense layers of 2048, at width 64, are what such networks had. And theirs name the middle
frame of a short window, ours the word of a whole clip: later pools halve time as well as frequency, and time is
averaged before the dense layers.
"""

import torch
from torch import Tensor, nn

GROUPS = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8))  # channels of the convolutions before each pool, in widths
POOLS = ((1, 2), (2, 2), (2, 2), (2, 2))  # frames × dims that become one
DENSE = (32, 32, 32)  # hidden values, in widths


class VGGDeep(nn.Module):
    """(n, frames, dims) → (n, n_labels) logits, for any number of frames and dims.

    Parameters
    ----------
    n_labels, dims : of output and input.
    width : multiplies all channels and hidden values.
    dropout : share of each hidden layer that is dropped.
    """

    def __init__(self, n_labels: int, dims: int, width: int = 16, dropout: float = 0.5) -> None:
        super().__init__()
        self.convs, inputs = nn.Sequential(), 1
        for group, pool in zip(GROUPS, POOLS, strict=True):
            for channels in (width * multiple for multiple in group):
                self.convs.append(nn.Conv2d(inputs, channels, 3, padding=1, bias=False))
                self.convs.append(nn.BatchNorm2d(channels))
                self.convs.append(nn.ReLU(inplace=True))
                inputs = channels
            self.convs.append(nn.MaxPool2d(pool, ceil_mode=True))
            dims = -(-dims // pool[1])
        self.dense, inputs = nn.Sequential(), inputs * dims
        for hidden in (width * multiple for multiple in DENSE):
            self.dense.extend([nn.Linear(inputs, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout)])
            inputs = hidden
        self.out = nn.Linear(inputs, n_labels)
        for parameter in (*self.convs.parameters(), *self.dense.parameters()):
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for dtype and device alone

    def forward(self, frames: Tensor) -> Tensor:
        x = self.convs(frames.unsqueeze(3).permute(0, 3, 1, 2))  # (n, 1, 98, 40), channels last → (n, 128, 13, 3)
        return self.out(self.dense(x.mean(2).flatten(1)))
