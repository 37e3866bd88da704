"""A recurrent network over graphemes with connectionist temporal classification, and exact scores of all labels.

Source: A. Hannun et al., "Deep Speech: Scaling up end-to-end speech recognition", arXiv 1412.5567, 2014: three layers
that see frames and their neighbours, one recurrent in both directions, one more, all with ReLU clipped at 20; every
second frame is heard. CTC: A. Graves et al., ICML 2006, eqs. 5 to 8. The paper searches for the likeliest text with the
help of a language model; here the texts that can be said are known, and each is given its probability.

Two things are those of its successor (Deep Speech 2, arXiv 1512.02595), for on a few thousand clips the network learns
several times as fast by them: the recurrent layer is of gated units (GRU), half of them for each direction and not
added up; the other layers are normalised over batch and time.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.networks import recurrence  # noqa: F401  so that multiply-adds of recurrent layers are counted
from kwsbench.networks.graphemes import Spelling

CLIP = 20.0
NEVER = -1e30  # log probability of what cannot be; finite, so that its gradient is a number


class CTCRNN(nn.Module):
    """(n, frames, dims) → (n, n_labels): log probabilities of the labels' spellings.

    Parameters
    ----------
    spelling : of the labels.
    dims : of a frame.
    width : units of each layer; even.
    context : frames either side that the first layer sees. stride : frames from one that is heard to the next.
    dropout : share dropped behind the layers that are not recurrent.
    contrast : weight of cross-entropy between the words of a batch in ``loss``, beside CTC.
    """

    states: Tensor
    jumps: Tensor
    ends: Tensor

    def __init__(
        self, spelling: Spelling, dims: int, width: int, context: int, stride: int, dropout: float, contrast: float
    ) -> None:
        super().__init__()
        self.context, self.stride, self.contrast = context, stride, contrast
        self.dense1 = Dense(dims * (2 * context + 1), width, dropout)
        self.dense2, self.dense3, self.dense5 = (Dense(width, width, dropout) for _ in range(3))
        self.recurrent4 = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(width, len(spelling.symbols) + 1)
        for name, tensor in zip(("states", "jumps", "ends"), lattice(spelling), strict=True):
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        return ctc_log_probs(self.graphemes(frames), self.states, self.jumps, self.ends)

    def graphemes(self, frames: Tensor) -> Tensor:
        """(n, frames, dims) → (n, steps, symbols + 1): log probabilities of graphemes and blank."""
        around = F.pad(frames, (0, 0, self.context, self.context)).unfold(1, 2 * self.context + 1, self.stride)
        x = self.dense3(self.dense2(self.dense1(around.flatten(2))))
        x = self.dense5(self.recurrent4(x)[0])
        return self.out(x).float().log_softmax(2)

    def loss(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """CTC of the targets' spellings, and the labels' log probabilities."""
        scores = self(inputs)
        loss = -scores[torch.arange(len(scores)), targets].mean()
        if self.contrast:  # among the words of the batch: one that is never trained on is not pushed away
            absent = torch.ones(scores.shape[1], dtype=torch.bool, device=scores.device).index_fill(0, targets, False)
            loss = loss + self.contrast * F.cross_entropy(scores.masked_fill(absent, NEVER), targets)
        return loss, scores


class Dense(nn.Module):
    """(n, steps, inputs) → (n, steps, width): linear, normalised over clips and steps, ReLU clipped at 20, dropout."""

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.linear(x.flatten(0, 1))).clamp(0, CLIP)
        return self.dropout(y).unflatten(0, x.shape[:2])


def lattice(spelling: Spelling) -> tuple[Tensor, Tensor, Tensor]:
    """What the recursion of CTC goes through, for all labels: blanks around and between graphemes.

    Returns
    -------
    states : int64 (labels, states), the output of each state; behind a label's own states stand blanks.
    jumps : float32 (labels, states), 0 where a state can be reached without the blank before it, else NEVER.
    ends : int64 (labels, 2), the two states in which a label may end; they are one where it has no grapheme.
    """
    blank, words = len(spelling.symbols), spelling.words
    n_states = 2 * max(map(len, words)) + 1
    states = torch.full((len(words), n_states), blank)
    jumps = torch.full((len(words), n_states), NEVER)
    for word, row, jump in zip(words, states, jumps, strict=True):
        for i, grapheme in enumerate(word):
            row[2 * i + 1] = grapheme
            if i and word[i - 1] != grapheme:
                jump[2 * i + 1] = 0.0
    ends = torch.tensor([[2 * len(word), max(2 * len(word) - 1, 0)] for word in words])
    return states, jumps, ends


def ctc_log_probs(log_probs: Tensor, states: Tensor, jumps: Tensor, ends: Tensor) -> Tensor:
    """float32 (n, labels): log of the sum, over all alignments, of the probability of each label's graphemes.

    ``log_probs`` (n, steps, outputs); the others as ``lattice`` gives them. All states of all labels go in step.
    """
    emitted = log_probs[:, :, states.flatten()].unflatten(2, states.shape)  # (n, steps, labels, states)
    first = torch.arange(states.shape[1], device=states.device) < 2
    alpha = torch.where(first, emitted[:, 0], NEVER)
    for step in emitted.unbind(1)[1:]:
        onward = F.pad(alpha, (1, 0), value=NEVER)[..., :-1]
        jumped = F.pad(alpha, (2, 0), value=NEVER)[..., : states.shape[1]] + jumps
        alpha = torch.logaddexp(torch.logaddexp(alpha, onward), jumped) + step
    last, before = alpha.gather(2, ends.expand(len(alpha), -1, -1)).unbind(2)
    return torch.where(ends[:, 0] > 0, torch.logaddexp(last, before), last)


def least_steps(spelling: Spelling) -> int:
    """Steps that the longest label needs: one a grapheme, and a blank between two that are the same."""
    return max(len(word) + sum(a == b for a, b in zip(word, word[1:], strict=False)) for word in spelling.words)
