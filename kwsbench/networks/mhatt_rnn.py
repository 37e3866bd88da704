"""MHAtt-RNN: two recurrent layers in both directions, and attention of several heads that ask from the middle frame.

Source: O. Rybakov, N. Kononenko, N. Subrahmanya, M. Visontai, S. Laurenzo, "Streaming keyword spotting on mobile
devices", Interspeech 2020, arXiv 2005.06720, with the layers of the authors' experiments: D. de Andrade and others, "A
neural attention model for speech command recognition", 2018, arXiv 1808.08929, have one head and LSTMs of 64 units. As
Keras has it: normalisation with epsilon 1e-3 and decay 0.99, Glorot uniform start, orthogonal for recurrent weights,
biases zero. Scores of attention are not divided by the root of the width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON, MOMENTUM = 1e-3, 0.01  # torch's momentum is 1 − decay
KERNEL, FILTERS = 5, 10
HIDDEN = (64, 32)


class MHAttRNN(nn.Module):
    """(n, frames, dims) → (n, n_labels) logits.

    With 20 dims and 12 labels 743,025 trainable parameters at 128 units and 4 heads.

    Parameters
    ----------
    n_labels, dims : of output and input.
    units : of a recurrent layer in each direction.
    heads : of attention.
    dropout : share of the attended features that is dropped.
    """

    def __init__(self, n_labels: int, dims: int, units: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, FILTERS, (KERNEL, 1), padding=(KERNEL // 2, 0))
        self.norm1 = nn.BatchNorm2d(FILTERS, EPSILON, MOMENTUM)
        self.conv2 = nn.Conv2d(FILTERS, 1, (KERNEL, 1), padding=(KERNEL // 2, 0))
        self.norm2 = nn.BatchNorm2d(1, EPSILON, MOMENTUM)
        self.recurrent = nn.GRU(dims, units, num_layers=2, batch_first=True, bidirectional=True)
        wide = 2 * units
        self.queries = nn.ModuleList(nn.Linear(wide, wide) for _ in range(heads))
        self.dropout = nn.Dropout(dropout)
        self.dense1 = nn.Linear(heads * wide, HIDDEN[0])
        self.dense2 = nn.Linear(*HIDDEN)
        self.out = nn.Linear(HIDDEN[1], n_labels)
        for name, parameter in self.named_parameters():
            if "weight_hh" in name:
                nn.init.orthogonal_(parameter)
            elif parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
            elif "bias" in name:
                nn.init.zeros_(parameter)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.norm1(F.relu(self.conv1(frames[:, None])))  # (n, 10, 49, 20)
        x = self.norm2(F.relu(self.conv2(x))).squeeze(1)  # (n, 49, 20)
        x, _ = self.recurrent(x)  # (n, 49, 256)
        middle = x[:, x.shape[1] // 2]
        queries = torch.stack([query(middle) for query in self.queries], 1)  # (n, 4, 256)
        x = (queries @ x.transpose(1, 2)).softmax(2) @ x  # (n, 4, 256)
        x = F.relu(self.dense1(self.dropout(x.flatten(1))))
        return self.out(self.dense2(x))
