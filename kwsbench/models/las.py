"""Listen, Attend and Spell (Chan et al., arXiv 1508.01211), scored over the labels.

See ``networks/las.py`` for the network. Smaller than the paper's, whose listener has 256 units in each direction and
whose speller has 512, for 2000 hours of speech. Two layers halve the steps, not three: words of a second are so short
that the speller finds what to attend to much sooner among 24 steps than among 12. Dropout in the listener and smoothed
graphemes are of later work (Chiu et al., arXiv 1712.01769, for the latter).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn


class LAS(Network):
    """An attention network that spells: each label's score is the probability of its spelling.

    Words without training clips are spelled like the others (``labels: unseen``). The paper's schedule: asynchronous
    sgd on batches of 32, learning_rate 0.2 that falls by 0.98 every twentieth of an epoch, all weights drawn evenly
    from [−0.1, 0.1]. Its accuracy in training is the share of clips with every grapheme right.

    Parameters
    ----------
    listener : units of each of the listener's layers, in each direction.
    pyramid : layers that halve the number of steps.
    speller : units of each of the speller's two layers.
    dropout : share dropped behind each of the listener's layers.
    smoothing : share of a grapheme's weight that is spread over all of them.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "log_mel",
        "n_filters": 40,
        "window_ms": 25.0,
        "step_ms": 10.0,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 30,
        "batch_size": 100,
        "learning_rate": 4e-3,
        "clip_norm": 5.0,
    }
    open_vocabulary: ClassVar[bool] = True
    listener: int
    pyramid: int
    speller: int
    dropout: float
    smoothing: float

    def __init__(
        self,
        *,
        listener: int = 96,
        pyramid: int = 2,
        speller: int = 128,
        dropout: float = 0.1,
        smoothing: float = 0.1,
        **training: Any,
    ) -> None:
        self.keep(locals())
        check_least(self, listener=1, pyramid=0, speller=1, dropout=0, smoothing=0)
        for name in ("dropout", "smoothing"):
            if getattr(self, name) >= 1:
                raise UserError(f"{name} is {getattr(self, name)}", todo="it has to be below 1")

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return {**super().toy(), "listener": 8, "pyramid": 1, "speller": 12}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks.graphemes import spell
        from kwsbench.networks.las import ListenAttendSpell

        frames, dims = shape
        least = 2**self.pyramid
        if frames < least:
            todo = f"pyramid: {self.pyramid} needs {least}: make it smaller, or choose another frontend"
            raise UserError(f"las is given {frames} frames", todo=todo)
        sizes = self.listener, self.pyramid, self.speller
        return ListenAttendSpell(spell(self.labels_), dims, *sizes, self.dropout, self.smoothing)
