"""Deep Speech's recurrent network with CTC over graphemes (Hannun et al., arXiv 1412.5567), scored over the labels.

See ``networks/ctc_rnn.py`` for the network. Smaller than the paper's, whose layers have 2048 units for thousands of
hours of speech; its 80 bands are spaced evenly in frequency, ours by the mel scale; it adds to them the frame's energy.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kwsbench.errors import UserError
from kwsbench.models import check_least
from kwsbench.models.network import Network

if TYPE_CHECKING:
    from torch import nn


class CtcRnn(Network):
    """A recurrent network that spells: CTC over graphemes, each label's score the probability of its spelling.

    Words without training clips are spelled like the others (``labels: unseen``). The paper's schedule: optimizer sgd
    (Nesterov momentum 0.99), a rate that falls by a constant factor after each epoch, shift_ms 5; dropout 0.05 to 0.1.

    Parameters
    ----------
    width : units of each layer, half of the recurrent one's in each direction.
    context : frames either side that the first layer sees.
    stride : every so many frames one is heard.
    dropout : share dropped behind the layers that are not recurrent.
    contrast : weight of cross-entropy between the labels of a batch, beside CTC; 0: CTC alone.

    The others are the training loop's: see ``neural.schedule.Schedule`` and ``neural.augment.Augmentation``.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "log_mel",
        "n_filters": 80,
        "window_ms": 20.0,
        "step_ms": 10.0,
        "normalise": "global",
    }
    training: ClassVar[Mapping[str, object]] = {
        "epochs": 30,
        "batch_size": 100,
        "learning_rate": 3e-3,
        "clip_norm": 5.0,
    }
    open_vocabulary: ClassVar[bool] = True
    width: int
    context: int
    stride: int
    dropout: float
    contrast: float

    def __init__(
        self,
        *,
        width: int = 320,
        context: int = 5,
        stride: int = 2,
        dropout: float = 0.1,
        contrast: float = 0.0,
        **training: Any,
    ) -> None:
        self.keep(locals())
        check_least(self, width=2, context=0, stride=1, dropout=0, contrast=0)
        if dropout >= 1 or width % 2:
            name = "width" if width % 2 else "dropout"
            raise UserError(f"{name} is {getattr(self, name)}", todo="width has to be even, dropout below 1")

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return {**super().toy(), "width": 16, "context": 1, "stride": 1}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """The network for inputs (frames, dims)."""
        from kwsbench.networks.ctc_rnn import CTCRNN, least_steps
        from kwsbench.networks.graphemes import spell

        frames, dims = shape
        spelling = spell(self.labels_)
        steps, least = -(-frames // self.stride), least_steps(spelling)
        if steps < least:
            raise UserError(
                f"ctc_rnn hears {steps} of {frames} frames",
                todo=f"the longest label needs {least}: make stride smaller, or choose another frontend",
            )
        return CTCRNN(spelling, dims, self.width, self.context, self.stride, self.dropout, self.contrast)
