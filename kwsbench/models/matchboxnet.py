"""MatchboxNet, separable convolutions along time in residual blocks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn


class MatchboxNet(Network):
    """A convolution along time, residual blocks, two convolutions and an average over frames, on 64 cepstra.

    Source: S. Majumdar, B. Ginsburg, "MatchboxNet: 1D Time-Channel Separable Convolutional Neural Network Architecture
    for Speech Commands Recognition", Interspeech 2020, arXiv 2004.08531: accuracy 97.21 % and 97.48 % on the 30 words
    of Speech Commands V1 with 3 × 1 × 64 (77K parameters) and 3 × 2 × 64 (93K), the default; 6 × 2 × 64 has 140K. With
    30 labels 77,214, 92,766 and 138,846 are trained, with 12 labels 2,322 less. The authors train NovoGrad, which is
    not here, for 200 epochs in batches of 128 a device: a rate of 0.05 that rises over 5 % of the steps, stays for 45 %
    and falls by a square, weight decay 1e-3, shifts up to 5 ms, white noise, two masks of 25 frames, two of 15 cepstra
    and five rectangles. Their cepstra are torchaudio's, of bands that begin between bins, and not
    normalised.

    Parameters
    ----------
    blocks, repeats, channels : residual blocks, layers and channels of each.
    dropout : share dropped behind each layer.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "mfcc",
        "rate": 16000,
        "scale": "unit",
        "window_ms": 25.0,
        "step_ms": 10.0,
        "n_filters": 64,
        "n_cepstra": 64,
        "preemphasis": 0.0,
        "lifter": 0,
        "energy": False,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 30,
        "batch_size": 128,
        "learning_rate": 5e-3,
        "weight_decay": 1e-3,
        "time_masks": 2,
        "time_mask": 25,
        "band_masks": 2,
        "band_mask": 15,
    }
    blocks: int
    repeats: int
    channels: int
    dropout: float

    def __init__(
        self, *, blocks: int = 3, repeats: int = 2, channels: int = 64, dropout: float = 0.0, **training: Any
    ) -> None:
        self.keep(locals())
        check_least(self, blocks=1, repeats=1, channels=1)
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}", todo="it has to be from 0 to below 1")

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks import matchboxnet

        return matchboxnet.MatchboxNet(n_labels, shape[1], self.blocks, self.repeats, self.channels, self.dropout)
