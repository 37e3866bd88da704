"""Keyword Transformer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kwsbench.errors import UserError
from kwsbench.models import Cost
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn

    from kwsbench.clips import Clips


VERSION = 3


class KWT(Network):
    """Twelve blocks of attention between frames of 40 cepstra and a class token, which alone is asked for the label.

    Source: A. Berg, M. O'Connor, M. Tairum Cruz, "Keyword Transformer: A Self-Attention Model for Keyword Spotting",
    Interspeech 2021, arXiv 2104.00769: accuracy on 12 labels of Speech Commands V2 97.7, 98.2 and 98.5 % with 607K,
    2.4M and 5.5M parameters at size 1, 2 and 3 (98.7 % with the weights that they give away). With 98 frames and 12
    labels 607,308, 2,394,252 and 5,360,844 are trained, as in the summaries that the authors' code wrote; 73.7M, 264M
    and 571M multiply-adds. Their distillation, into a token of its own, is not here; a recipe's ``teacher`` teaches the
    class token. The authors train as by default here, for longer and with larger batches: ``epochs: 325, batch_size:
    512, warmup: 0.03`` is their 23,438 steps on 12 labels. Their cepstra are of magnitudes, not powers, not normalised,
    and of bands that begin between bins: here two of the lowest of 80 are empty.

    Parameters
    ----------
    size : attention heads, each 64 wide.
    dropout : share dropped of what each block adds.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "mfcc",
        "rate": 16000,
        "scale": "unit",
        "window_ms": 30.0,
        "step_ms": 10.0,
        "low_hz": 20.0,
        "high_hz": 7600.0,
        "n_filters": 80,
        "n_cepstra": 40,
        "preemphasis": 0.0,
        "lifter": 0,
        "energy": False,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 50,
        "batch_size": 128,
        "schedule": "cosine",
        "warmup": 0.1,
        "weight_decay": 0.1,
        "label_smoothing": 0.1,
        "speed": 0.15,
        "time_masks": 2,
        "time_mask": 25,
        "band_masks": 2,
        "band_mask": 7,
    }
    size: int
    dropout: float

    def __init__(self, *, size: Literal[1, 2, 3] = 1, dropout: float = 0.0, **training: Any) -> None:
        self.keep(locals())
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}", todo="it has to be from 0 to below 1")

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return super().toy() | {"speed": 0.0}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks import kwt

        frames, dims = shape
        return kwt.KWT(n_labels, frames, dims, self.size, self.dropout)

    def cost(self, clips: "Clips") -> Cost:
        """As ``Network.cost``, with attention as the products it is made of: of one operation torch counts nothing."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(SDPBackend.MATH):
            return super().cost(clips)
