"""MHAtt-RNN, recurrent layers and attention of several heads."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn


class MHAttRNN(Network):
    """Two convolutions along time, two GRUs in both directions, attention of four heads, dense layers on 20 cepstra.

    Source: O. Rybakov and others, "Streaming keyword spotting on mobile devices", Interspeech 2020, arXiv 2005.06720:
    accuracy 97.2 % and 98.0 % on 12 labels of Speech Commands V1 and V2 with 743K parameters. With 12 labels 743,025
    are trained, and 22 are running statistics. De Andrade and others' attention RNN (arXiv 1808.08929) is its model.
    The authors train Adam for 80,000 steps of 100 clips, the rate falling exponentially from 1e-3 to 2e-5: near to
    ``optimizer: adam, weight_decay: 0, schedule: cosine, learning_rate: 1e-3, epochs: 220, max_steps: 80000``; masks
    and speeds are as by default here. Their cepstra are of magnitudes, not powers, and not normalised.

    Parameters
    ----------
    units : of a recurrent layer in each direction.
    heads : of attention.
    dropout : share of the attended features that is dropped.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "mfcc",
        "rate": 16000,
        "scale": "unit",
        "window_ms": 40.0,
        "step_ms": 20.0,
        "low_hz": 20.0,
        "n_filters": 40,
        "n_cepstra": 20,
        "preemphasis": 0.0,
        "lifter": 0,
        "energy": False,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 30,
        "batch_size": 100,
        "learning_rate": 2e-3,
        "speed": 0.15,
        "time_masks": 2,
        "time_mask": 10,
        "band_masks": 2,
        "band_mask": 5,
    }
    units: int
    heads: int
    dropout: float

    def __init__(self, *, units: int = 128, heads: int = 4, dropout: float = 0.2, **training: Any) -> None:
        self.keep(locals())
        check_least(self, units=1, heads=1)
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}", todo="it has to be from 0 to below 1")

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return super().toy() | {"units": 8, "speed": 0.0}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks import mhatt_rnn

        return mhatt_rnn.MHAttRNN(n_labels, shape[1], self.units, self.heads, self.dropout)
