"""A very deep CNN in the manner of VGG, as large vocabulary speech recognisers had them before residual networks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn


class VGGDeep(Network):
    """Ten 3 × 3 convolutions with four pools, and four dense layers, on log mel bands.

    Source: T. Sercu, C. Puhrsch, B. Kingsbury, Y. LeCun, "Very Deep Multilingual Convolutional Neural Networks for
    LVCSR", ICASSP 2016, arXiv 1509.08967; Y. Qian, P. Woodland, "Very Deep Convolutional Neural Networks for Robust
    Speech Recognition", SLT 2016, arXiv 1610.00277. Both recognise the states of sentences; what was changed for words
    is in ``networks.vgg_deep``, and so neither has a number to compare with.
    With 98 × 40 inputs and 12 labels 1,207,004 trainable parameters and 129M multiply-adds, at width 64 19,201,868 and
    2.05G. The schedule is ours, for theirs is one of sentences.

    Parameters
    ----------
    width : the convolutions have 1, 2, 4 and 8 times so many channels, the dense layers 32 times; the papers' is 64.
    dropout : share of each hidden dense layer that is dropped.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "log_mel",
        "rate": 16000,
        "n_filters": 40,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {"epochs": 30, "batch_size": 100, "learning_rate": 2e-3}
    width: int
    dropout: float

    def __init__(self, *, width: int = 16, dropout: float = 0.5, **training: Any) -> None:
        self.keep(locals())
        check_least(self, width=1)
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}", todo="it has to be from 0 to below 1")

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return super().toy() | {"width": 2}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks import vgg_deep

        return vgg_deep.VGGDeep(n_labels, shape[1], self.width, self.dropout)
