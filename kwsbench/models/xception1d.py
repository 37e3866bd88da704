"""Xception-1d, a deep network of separable convolutions on the raw waveform."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn

SMALLEST = 512  # samples of which the last normalisation sees more than one place
THINNEST = 1 / 16  # leaves the first layer two channels


class Xception1d(Network):
    """Two convolutions, twelve residual blocks of separable ones and two more of these, without a frontend.

    Source: I. Vallés-Pérez and others, "End-to-end Keyword Spotting using Xception-1d", ESANN 2021, arXiv 2110.07498:
    accuracy 95.85 % on the 35 words of Speech Commands V2, 97.54 % on ten of them and unknown; 23 million parameters.
    With 16,000 samples 23,600,619 are trained for 35 labels, 22,093,268 for 12; 4.56 billion multiply-adds: at width 1
    a training is for a GPU. The authors train 50 epochs of clips and five distorted copies of each: optimizer adam,
    batch_size 32, learning_rate 1e-4, halved where four epochs bring nothing, weight_decay 1e-3. The schedule by
    default is ours.

    Parameters
    ----------
    blocks : in the middle, which keep length and channels.
    width : multiplies the channels 32, 64, 128, 256, 728, 1024, 1536, 2048; at 0.25 a sixteenth of the work is left.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {"kind": "waveform", "rate": 16000, "fit": "center"}
    input = "waveform"
    score_batch: ClassVar[int] = 64
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 30,
        "batch_size": 32,
        "learning_rate": 5e-4,
        "clip_norm": 1.0,
        "speed": 0.15,
    }
    blocks: int
    width: float

    def __init__(self, *, blocks: int = 8, width: float = 1.0, **training: Any) -> None:
        self.keep(locals())
        check_least(self, blocks=0, width=THINNEST)

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return super().toy() | {"blocks": 0, "width": THINNEST, "speed": 0.0}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for waveforms (samples,)."""
        from kwsbench.networks import xception1d

        if shape[0] < SMALLEST:
            raise UserError(
                f"xception1d is given {shape[0]} samples a clip",
                todo=f"its strides need {SMALLEST}: make seconds or rate of the frontend larger",
            )
        return xception1d.Xception1d(n_labels, shape[0], self.blocks, self.width)
