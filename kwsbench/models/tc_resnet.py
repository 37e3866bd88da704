"""TC-ResNet8 and TC-ResNet14: residual networks along time, made for the speed of a phone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn

LEAST_WIDTH = 1 / 16  # leaves the first layer one channel


class TCResNet8(Network):
    """A convolution and three residual blocks along time.

    Source: S. Choi and others, "Temporal Convolution for Real-time Keyword Spotting on Mobile Devices", Interspeech
    2019, arXiv 1904.03814: accuracy 96.1 % with 66K parameters and 3.0M operations; at width 1.5 96.2 %, 145K and 6.6M.
    With 40 dims and 12 labels 65,168 are trained, or 144,264; the paper counts running statistics too, and a
    multiply-add as two operations.
    The authors train 30,000 steps of 100 clips, the rate divided by ten after each third: near to ``schedule: cosine,
    epochs: 150, max_steps: 30000``; the defaults are a shorter schedule at their rate and weight decay. Their cepstra
    are TensorFlow's, not normalised and of bands that begin between bins; their momentum is not Nesterov's.

    Parameters
    ----------
    width : multiplies the channels 16, 24, 32, 48.
    dropout : share of the averaged channels that is dropped before the output.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "mfcc",
        "rate": 16000,
        "scale": "unit",
        "window_ms": 30.0,
        "step_ms": 10.0,
        "low_hz": 80.0,
        "high_hz": 7600.0,
        "n_filters": 64,
        "n_cepstra": 40,
        "preemphasis": 0.0,
        "lifter": 0,
        "energy": False,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 30,
        "batch_size": 100,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "weight_decay": 1e-3,
    }
    depth: ClassVar[int] = 8
    width: float
    dropout: float

    def __init__(self, *, width: float = 1.0, dropout: float = 0.5, **training: Any) -> None:
        self.keep(locals())
        check_least(self, width=LEAST_WIDTH)
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}", todo="it has to be from 0 to below 1")

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks.tc_resnet import TCResNet

        return TCResNet(n_labels, shape[1], self.depth, self.width, self.dropout)


class TCResNet14(TCResNet8):
    """A convolution and six residual blocks along time, half as wide again as TC-ResNet8.

    Source and schedule: see ``TCResNet8``. Accuracy 96.6 % with 305K parameters and 13.4M operations; at width 1
    96.2 %, 137K and 6.1M. With 40 dims and 12 labels 303,000 are trained, or 135,856.

    Parameters
    ----------
    width : multiplies the channels 16, 24, 24, 32, 32, 48, 48.
    dropout : share of the averaged channels that is dropped before the output.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    depth: ClassVar[int] = 14

    def __init__(self, *, width: float = 1.5, dropout: float = 0.5, **training: Any) -> None:
        super().__init__(width=width, dropout=dropout, **training)
