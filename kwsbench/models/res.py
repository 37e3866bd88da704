"""Res15 and res8: residual networks on cepstra, the second with fewer layers behind a pool."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn

MAPS, NARROW_MAPS = 45, 19


class Res15(Network):
    """Fifteen layers: 3 × 3 convolutions, dilated ever more, two at a time behind a shortcut, and an average of all.

    Source: R. Tang, J. Lin, "Deep Residual Learning for Small-Footprint Keyword Spotting", ICASSP 2018, arXiv
    1710.10361: accuracy 95.8 % with 238K parameters and 894M multiplies, narrow 94.0 % with 42.6K and 160M. With 12
    labels 237,882 are trained, narrow 42,648. Multiply-adds are 930M for 98 × 40 inputs, for the edges are padded as in
    the authors' code, where the paper counts positions without padding.
    The authors train momentum at 0.1 and weight decay 1e-5 for 26 epochs of clips in batches of 64, the rate divided by
    ten on plateaus; here it falls along a cycle. Their cepstra are librosa's, of centred frames, and not normalised.

    Parameters
    ----------
    narrow : 19 channels a layer, not 45.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "mfcc",
        "rate": 16000,
        "scale": "unit",
        "window_ms": 30.0,
        "step_ms": 10.0,
        "low_hz": 20.0,
        "high_hz": 4000.0,
        "n_filters": 40,
        "n_cepstra": 40,
        "preemphasis": 0.0,
        "lifter": 0,
        "energy": False,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 26,
        "batch_size": 64,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "weight_decay": 1e-5,
    }
    score_batch: ClassVar[int] = 64
    narrow: bool

    def __init__(self, *, narrow: bool = False, **training: Any) -> None:
        self.keep(locals())

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks.res import RES15, Res

        return Res(n_labels, *RES15, NARROW_MAPS if self.narrow else MAPS)


class Res8(Res15):
    """Eight layers: a 3 × 3 convolution, an average over 4 frames × 3 dims, and six convolutions behind shortcuts.

    Source and schedule: see ``Res15``. Accuracy 94.1 % with 110K parameters and 30M multiplies, narrow 90.1 % with
    19.9K and 5.65M. With 12 labels 110,307 are trained, narrow 19,905; multiply-adds are 35.7M for 98 × 40 inputs.

    Parameters
    ----------
    narrow : 19 channels a layer, not 45.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    score_batch: ClassVar[int] = 256

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks.res import RES8, Res

        frames, dims = RES8[1]
        if shape[0] < frames or shape[1] < dims:
            raise UserError(
                f"res8 is given {shape[0]} frames × {shape[1]} dims",
                todo=f"its pool needs {frames} × {dims}: choose another frontend, or res15",
            )
        return Res(n_labels, *RES8, NARROW_MAPS if self.narrow else MAPS)
