"""A light CNN on log spectrograms: the public kernel "Light-Weight CNN LB 0.74" (TensorFlow Speech Recognition
Challenge, 2018).

The network is the kernel's, 313,854 parameters for 99 × 81 inputs and 12 labels; ``width=2`` is its doubled variant,
625,646. The schedule by default is ours. The kernel's own: epochs 3 (the doubled variant: 5), batch_size 16,
learning_rate 1e-3, schedule constant, optimizer adam, weight_decay 0, loss binary, no augmentation.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn

SMALLEST = 26  # frames or dims that leave one value after all convolutions and pools


class LightCNN(Network):
    """Five convolutions and two dense layers on a log spectrogram.

    Parameters
    ----------
    width : multiplies the channels 8, 8, 16, 16, 32 of the convolutions.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "log_spectrogram",
        "rate": 8000,
        "resample": "fft",
        "fit": "start",
        "window_ms": 20.0,
        "step_ms": 10.0,
    }
    training: ClassVar[Mapping[str, object]] = {"learning_rate": 3e-3}
    width: int

    def __init__(self, *, width: int = 1, **training: Any) -> None:
        self.keep(locals())
        check_least(self, width=1)

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks.spectrogram_cnn import SpectrogramCNN

        frames, dims = shape
        if min(frames, dims) < SMALLEST:
            raise UserError(
                f"light_cnn is given {frames} frames × {dims} dims",
                todo=f"its convolutions need {SMALLEST} of each: choose another frontend",
            )
        return SpectrogramCNN(n_labels, frames, dims, self.width)
