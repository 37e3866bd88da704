"""WavCeption: inception blocks on the raw waveform, without a frontend."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kwsbench.errors import UserError
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn

VERSION = 2


class WavCeption(Network):
    """18 inception-1d blocks with eight branches each, nine max pools, dense 128.

    Source: the public kernel "WavCeption V1: a 1-D Inception approach" (TensorFlow Speech Recognition Challenge, 2018:
    0.84 on its own clips, 0.76 on the leaderboard). 3,441,334 trainable parameters at 16,000 samples and 12 labels.
    The original trains Adam at 1e-4 with batches of 16 and statistics of decay 0.999, on every word as a label of its
    own with 8,000 clips of silence: in a recipe ``labels: {unknown: words, silence: kernel}`` and
    ``optimizer: adam, learning_rate: 1e-4, batch_size: 16, schedule: constant, norm_decay: 0.999``. The defaults here
    are a schedule for few epochs: statistics of decay 0.999 need thousands of steps before they can be used.

    Parameters
    ----------
    branch4_kernel : 5 as the original computes it, 7 as its name says.
    norm_decay : decay of the running statistics of batch normalisation, as TensorFlow counts it.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {"kind": "waveform", "rate": 16000}
    input = "waveform"
    score_batch: ClassVar[int] = 16
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 20,
        "batch_size": 16,
        "optimizer": "adam",
        "weight_decay": 0.0,
        "shift_ms": 0.0,
        "noise_share": 0.0,
        "snr_low_db": 5.0,
        "snr_high_db": 20.0,
        "gain_db": 0.0,
    }
    norm_decay: float
    branch4_kernel: int

    def __init__(self, *, branch4_kernel: Literal[5, 7] = 5, norm_decay: float = 0.99, **training: Any) -> None:
        self.keep(locals())
        if not 0 <= norm_decay < 1:
            raise UserError(f"norm_decay is {norm_decay}", todo="it has to be from 0 to below 1")

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        from kwsbench.networks.inception import WavCeptionNet

        return WavCeptionNet(n_labels, shape[0], self.branch4_kernel, self.norm_decay)

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of seconds at a low rate."""
        return {"epochs": 1, "batch_size": 4, "max_steps": 2}
