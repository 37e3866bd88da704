"""A convolutional network on two pictures of the waveform: the magnitude and the phase of its spectrogram.

Source: Alex Ozerin's public kernel "End-to-end baseline TF Estimator LB 0.72" (TensorFlow Speech Recognition Challenge,
2018), layer by layer: a Hann window, log(1 + magnitude) and phase / π as two channels, batch normalisation with epsilon
1e-3, a shift and no scale, ELU, Glorot uniform start. One thing differs: running statistics decay by 0.9 a step, not
by 0.999, for our trainings are shorter.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.networks.norms import ShiftNorm2d

EPSILON, MOMENTUM = 1e-3, 0.1  # torch's momentum is 1 − decay
CHANNELS = (16, 32, 64, 128)
HIDDEN = 128
SMALLEST = 2 ** len(CHANNELS)  # frames or bins that leave one value after all pools


class OzerinCNN(nn.Module):
    """(n, samples) → (n, n_labels) logits; at least 16 windows, and windows of 17 samples or more.

    With 12 labels 115,358 trainable parameters.

    Parameters
    ----------
    n_labels : of the output.
    window, step : samples of a window, and from one to the next.
    dropout : share of the hidden layer that is dropped.
    """

    hann: Tensor

    def __init__(self, n_labels: int, window: int = 400, step: int = 160, dropout: float = 0.5) -> None:
        super().__init__()
        self.window, self.step, self.n_fft = window, step, 1 << (window - 1).bit_length()
        self.register_buffer("hann", torch.hann_window(window), persistent=False)
        self.norm_input = ShiftNorm2d(2, EPSILON, MOMENTUM)
        inputs = (2, *CHANNELS)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in zip(inputs, CHANNELS, strict=False)
        )
        self.norms = nn.ModuleList(ShiftNorm2d(channels, EPSILON, MOMENTUM) for channels in CHANNELS)
        self.hidden, self.out = nn.Linear(CHANNELS[-1], HIDDEN), nn.Linear(HIDDEN, n_labels)
        self.dropout = nn.Dropout(dropout)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for dtype and device alone

    def forward(self, waves: Tensor) -> Tensor:
        x = self.norm_input(self.pictures(waves))  # (n, 2, 98, 257)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.elu(F.max_pool2d(norm(conv(x)), 2))  # (n, 16, 49, 128) ... (n, 128, 6, 16)
        x = 0.5 * (x.amax((2, 3)) + x.mean((2, 3)))  # (n, 128)
        return self.out(self.dropout(F.elu(self.hidden(x))))

    @torch.no_grad()
    def pictures(self, waves: Tensor) -> Tensor:
        """(n, samples) → (n, 2, windows, bins), channels last: log(1 + magnitude), and phase as a share of π."""
        spectrum = torch.fft.rfft(waves.float().unfold(1, self.window, self.step) * self.hann, self.n_fft)
        both = torch.stack([spectrum.abs().log1p(), spectrum.angle() / math.pi], 3)
        return both.permute(0, 3, 1, 2)
