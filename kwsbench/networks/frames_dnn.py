"""A feed-forward network that sees a frame with its neighbours and says which state of a hidden Markov model it is of.

Source: G. E. Dahl, D. Yu, L. Deng and A. Acero, "Context-dependent pre-trained deep neural networks for
large-vocabulary speech recognition", IEEE Trans. ASLP 20(1), 2012; G. Hinton et al., "Deep neural networks for acoustic
modeling in speech recognition", IEEE Signal Processing Magazine 29(6), 2012. Batch normalisation and ReLU take the
place of sigmoids that were pre-trained layer by layer as restricted Boltzmann machines, as in Kaldi's later recipes.
"""

import numpy as np
import torch
from torch import Tensor, nn


class FramesDNN(nn.Module):
    """(n, window, dims) → (n, densities) logits.

    Parameters
    ----------
    window : frames that are seen at once. dims : of a frame.
    densities : that are told apart.
    layers, width : of the hidden layers.
    dropout : share dropped behind each.
    mean, scale : float (dims,), frames are seen as (frame − mean) · scale.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        window: int,
        dims: int,
        densities: int,
        layers: int,
        width: int,
        dropout: float,
        mean: np.ndarray,
        scale: np.ndarray,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        sizes = [window * dims, *[width] * layers]
        hidden = [
            part
            for inputs, outputs in zip(sizes, sizes[1:], strict=False)
            for part in (
                nn.Linear(inputs, outputs, bias=False),
                nn.BatchNorm1d(outputs),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
            )
        ]
        self.layers = nn.Sequential(*hidden, nn.Linear(sizes[-1], densities))

    def forward(self, frames: Tensor) -> Tensor:
        return self.layers(((frames - self.mean) * self.scale).flatten(1))


class Spliced:
    """Frames with as many either side, cut out when asked for; a clip's first and last frame are repeated.

    Parameters
    ----------
    frames : float32 (frames, dims) of all clips one after the other. lengths : (clips,) frames of each.
    """

    def __init__(self, frames: np.ndarray, lengths: np.ndarray, splice: int, device: str) -> None:
        self.frames = torch.tensor(frames, device=device)
        ends = np.cumsum(lengths)
        self.first = torch.from_numpy(np.repeat(ends - lengths, lengths)).to(device)
        self.last = torch.from_numpy(np.repeat(ends - 1, lengths)).to(device)
        self.offsets = torch.arange(-splice, splice + 1, device=device)

    def take(self, index: Tensor) -> Tensor:
        """float32 (n, window, dims) around the frames ``index`` int64 (n,)."""
        around = index[:, None] + self.offsets
        return self.frames[around.clamp(self.first[index, None], self.last[index, None])]
