"""A light CNN on log spectrograms: the public kernel "Light-Weight CNN LB 0.74" (TensorFlow Speech Recognition
Challenge, 2018).

The network is the kernel's, 313,854 parameters for 99 × 81 inputs and 12 labels; ``width=2`` is its doubled variant,
625,646. The schedule by default is ours. The kernel's own: epochs 3 (the doubled variant: 5), batch_size 16,
learning_rate 1e-3, schedule constant, optimizer adam, weight_decay 0, loss binary, no augmentation.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

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
    others : as in ``Schedule`` and ``Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "log_spectrogram",
        "rate": 8000,
        "resample": "fft",
        "fit": "start",
        "window_ms": 20.0,
        "step_ms": 10.0,
    }
    width: int

    def __init__(
        self,
        *,
        width: int = 1,
        epochs: int = 25,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        schedule: Literal["constant", "cosine", "one_cycle"] = "one_cycle",
        optimizer: Literal["adam", "adamw", "sgd"] = "adamw",
        weight_decay: float = 0.01,
        loss: Literal["categorical", "binary"] = "categorical",
        label_smoothing: float = 0.0,
        max_steps: int = 0,
        max_minutes: float = 0.0,
        precision: Literal["float32", "bfloat16"] = "float32",
        validate_every: int = 0,
        validation_clips: int = 0,
        patience: int = 0,
        shift_ms: float = 100.0,
        noise_share: float = 0.8,
        snr_low_db: float = 0.0,
        snr_high_db: float = 30.0,
        gain_db: float = 6.0,
    ) -> None:
        self.keep(locals())
        check_least(self, width=1)

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return {"epochs": 2, "batch_size": 16, "shift_ms": 0.0, "noise_share": 0.0, "gain_db": 0.0}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.neural.spectrogram_cnn import SpectrogramCNN

        frames, dims = shape
        if min(frames, dims) < SMALLEST:
            raise UserError(
                f"light_cnn is given {frames} frames × {dims} dims",
                todo=f"its convolutions need {SMALLEST} of each: choose another frontend",
            )
        return SpectrogramCNN(n_labels, frames, dims, self.width)
