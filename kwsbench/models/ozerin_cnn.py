"""Alex Ozerin's end-to-end baseline: a small CNN on magnitude and phase, computed from the waveform."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn


class OzerinCNN(Network):
    """Four convolutions with pools on a spectrogram's log magnitude and phase, maximum and mean of what is left.

    Source: the public kernel "End-to-end baseline TF Estimator LB 0.72" (TensorFlow Speech Recognition Challenge,
    2018). 115,358 trainable parameters with 12 labels; the kernel states no number.
    The schedule by default is ours. The kernel's own: max_steps 10000, batch_size 64, optimizer sgd, learning_rate
    1e-3, schedule constant, weight_decay 0, clip_norm 15, no augmentation; and twenty stretches of each recording of
    background noise an epoch as its silence.

    Parameters
    ----------
    window, step : samples of a window, and from one to the next: the kernel's 25 and 10 ms at 16 kHz.
    dropout : share of the hidden layer that is dropped.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {"kind": "waveform", "rate": 16000}
    input = "waveform"
    training: ClassVar[Mapping[str, object]] = {"learning_rate": 3e-3}
    window: int
    step: int
    dropout: float

    def __init__(self, *, window: int = 400, step: int = 160, dropout: float = 0.5, **training: Any) -> None:
        self.keep(locals())
        check_least(self, window=17, step=1)  # fewer samples have too few bins for the pools
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}", todo="it has to be from 0 to below 1")

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second, on clips of 2,000 samples."""
        return super().toy() | {"window": 100, "step": 50}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for waveforms (samples,)."""
        from kwsbench.networks import ozerin_cnn

        least = self.window + (ozerin_cnn.SMALLEST - 1) * self.step
        if shape[0] < least:
            raise UserError(
                f"ozerin_cnn is given {shape[0]} samples a clip",
                todo=f"its pools need {least} with a window of {self.window} and a step of {self.step}: make step less",
            )
        return ozerin_cnn.OzerinCNN(n_labels, self.window, self.step, self.dropout)
