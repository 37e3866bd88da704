"""A listener and a speller: graphemes one by one, each by what was attended to in the clip and what was spelled before.

Source: W. Chan, N. Jaitly, Q. V. Le and O. Vinyals, "Listen, Attend and Spell", arXiv 1508.01211, 2015: a pyramid of
bidirectional LSTMs, each of which hears pairs of the steps below as one; attention by the product of two learned
views, of the speller's state and of the listener's steps (eqs. 9 to 11); a speller of two LSTM layers. The paper
searches for likely texts beam by beam; here every label's spelling is given to the speller, which says how probable it
is. So nothing is spelled from the network's own guesses, and training does not either (the paper: one in ten).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.networks import recurrence  # noqa: F401  so that multiply-adds of recurrent layers are counted
from kwsbench.networks.graphemes import Spelling, beginnings

EMBEDDED = 32
ABSENT = -100  # no grapheme: behind a word's end

Memory = tuple[Tensor, ...]
"""What the speller knows before a grapheme: states of its two layers, hidden and cell each, and what it attended to."""


class ListenAttendSpell(nn.Module):
    """(n, frames, dims) → (n, n_labels): log probabilities of the labels' spellings.

    Parameters
    ----------
    spelling : of the labels.
    dims : of a frame.
    listener : units of each of the listener's layers, in each direction. pyramid : layers that halve the steps.
    speller : units of each of the speller's layers, and of what attention compares.
    dropout : share dropped behind each of the listener's layers.
    smoothing : share of a grapheme's weight that is spread over all graphemes in ``loss``.
    """

    spelled: Tensor

    def __init__(
        self,
        spelling: Spelling,
        dims: int,
        listener: int,
        pyramid: int,
        speller: int,
        dropout: float,
        smoothing: float,
    ) -> None:
        super().__init__()
        self.smoothing, self.end = smoothing, len(spelling.symbols)
        heard = 2 * listener
        self.bottom = nn.LSTM(dims, listener, batch_first=True, bidirectional=True)
        self.pyramid = nn.ModuleList(
            nn.LSTM(2 * heard, listener, batch_first=True, bidirectional=True) for _ in range(pyramid)
        )
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Embedding(self.end + 1, EMBEDDED)
        self.layer1, self.layer2 = nn.LSTMCell(EMBEDDED + heard, speller), nn.LSTMCell(speller, speller)
        self.query, self.key = nn.Linear(speller, speller), nn.Linear(heard, speller)
        self.out = nn.Sequential(nn.Linear(speller + heard, speller), nn.ReLU(), nn.Linear(speller, self.end + 1))
        self.levels = beginnings(spelling)
        longest = max(map(len, spelling.words))
        padded = [[*word, self.end, *[ABSENT] * (longest - len(word))] for word in spelling.words]
        self.register_buffer("spelled", torch.tensor(padded), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Every beginning of a word is spelled once, for all words that begin so."""
        heard = self.listen(frames)
        keys, memory = self.key(heard), self.start(heard)
        scores = heard.new_zeros(len(heard), len(self.spelled), dtype=torch.float32)
        for level in self.levels:
            parents, last, labels, places, nexts = (
                torch.tensor(part, device=heard.device)
                for part in (level.parents, level.last, level.labels, level.places, level.nexts)
            )
            memory = tuple(part[:, parents] for part in memory)
            outputs, memory = self.spell(last.expand(len(heard), -1), memory, heard, keys)
            scores = scores.index_add(1, labels, outputs.float().log_softmax(2)[:, places, nexts])
        return scores

    def loss(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the targets' graphemes and ends, and scores of which the target's is the highest where every
        one of its graphemes was the likeliest: all labels' own would take longer than the training itself."""
        heard, spelled = self.listen(inputs), self.spelled[targets]
        keys, memory = self.key(heard), self.start(heard)
        before = F.pad(spelled, (1, -1), value=self.end).clamp(min=0)
        outputs = []
        for grapheme in before.split(1, dim=1):
            output, memory = self.spell(grapheme, memory, heard, keys)
            outputs.append(output[:, 0])
        logits = torch.stack(outputs, 2).float()  # (n, outputs, graphemes)
        loss = F.cross_entropy(logits, spelled, ignore_index=ABSENT, label_smoothing=self.smoothing)
        right = ((logits.argmax(1) == spelled) | (spelled == ABSENT)).all(1)
        return loss, F.one_hot(targets, len(self.spelled)) * torch.where(right, 1.0, -1.0)[:, None]

    def listen(self, frames: Tensor) -> Tensor:
        """(n, frames, dims) → (n, steps, 2 · listener); an odd last step is left out."""
        x = self.dropout(self.bottom(frames)[0])
        for layer in self.pyramid:
            pairs = x[:, : x.shape[1] // 2 * 2].unflatten(1, (-1, 2)).flatten(2)
            x = self.dropout(layer(pairs)[0])
        return x

    def start(self, heard: Tensor) -> Memory:
        """What the speller knows when nothing is spelled: zeros (n, 1, ·)."""
        units = self.layer2.hidden_size
        return tuple(heard.new_zeros(len(heard), 1, size) for size in (units, units, units, units, heard.shape[2]))

    def spell(self, graphemes: Tensor, memory: Memory, heard: Tensor, keys: Tensor) -> tuple[Tensor, Memory]:
        """One on: outputs (n, m, graphemes and end) after ``graphemes`` int64 (n, m), and what is known then."""
        n, m = graphemes.shape
        h1, c1, h2, c2, context = (part.flatten(0, 1) for part in memory)
        h1, c1 = self.layer1(torch.cat([self.embedding(graphemes).flatten(0, 1), context], 1), (h1, c1))
        h2, c2 = self.layer2(h1, (h2, c2))
        state = h2.unflatten(0, (n, m))
        shares = (self.query(state) @ keys.transpose(1, 2)).softmax(2)  # (n, m, steps)
        context = shares @ heard
        after = [part.unflatten(0, (n, m)) for part in (h1, c1, h2, c2)]
        return self.out(torch.cat([state, context], 2)), (*after, context)
