"""DS-CNN, the keyword spotter for microcontrollers and the network of MLPerf Tiny."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn


class DSCNN(Network):
    """A convolution and four or five depthwise separable ones on ten cepstra.

    Source: Y. Zhang, N. Suda, L. Lai, V. Chandra, "Hello Edge: Keyword Spotting on Microcontrollers", 2017, arXiv
    1711.07128: accuracies 94.4, 94.9 and 95.4 % with 38.6, 189.2 and 497.6 KB of weights and activations in 8 bits.
    With 12 labels 22,604, 135,032 and 410,700 trainable parameters, from which these sizes follow. MLPerf Tiny's 24,908
    are those of s with a bias, a scale and two running statistics more for each normalised channel.
    The authors train Adam for three times 10,000 steps of 100 clips at 5e-4, 1e-4 and 2e-5, with noise behind 80 % of
    the clips and shifts up to 100 ms: near to ``optimizer: adam, weight_decay: 0, schedule: cosine, learning_rate:
    5e-4, epochs: 150, max_steps: 30000``. The defaults are a shorter schedule of ours. Their cepstra are TensorFlow's
    and are not normalised.

    Parameters
    ----------
    size : s, m or l.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "mfcc",
        "rate": 16000,
        "scale": "unit",
        "window_ms": 40.0,
        "step_ms": 20.0,
        "low_hz": 20.0,
        "high_hz": 4000.0,
        "n_filters": 40,
        "n_cepstra": 10,
        "preemphasis": 0.0,
        "lifter": 0,
        "energy": False,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {"epochs": 30, "batch_size": 100, "learning_rate": 5e-3}
    size: Literal["s", "m", "l"]

    def __init__(self, *, size: Literal["s", "m", "l"] = "s", **training: Any) -> None:
        self.keep(locals())

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks import ds_cnn

        return ds_cnn.DSCNN(n_labels, self.size)
