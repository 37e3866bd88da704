"""CTC against a sum over all alignments and torch's own; Deep Speech's layers against its equations."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.errors import UserError
from kwsbench.models.ctc_rnn import CtcRnn
from kwsbench.networks.ctc_rnn import CTCRNN, ctc_log_probs, lattice, least_steps
from kwsbench.networks.graphemes import Spelling, spell

TOY = Spelling(("a", "b"), ((0,), (0, 1), (0, 0), (1, 0, 1), (), (1, 1, 0)))


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """What an alignment says: repeats are one, then blanks go."""
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != blank)


def network(labels=("yes", "no", "silence", "unknown"), dims=6, width=8, context=1, stride=1, contrast=0.0) -> CTCRNN:
    torch.manual_seed(0)
    return CTCRNN(spell(labels), dims, width, context, stride, dropout=0.0, contrast=contrast)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 6])
def test_scores_are_sums_over_all_alignments(steps):
    log_probs = torch.randn(2, steps, 3, generator=torch.Generator().manual_seed(steps)).log_softmax(2)
    found = ctc_log_probs(log_probs, *lattice(TOY))
    for clip, row in zip(log_probs.double().exp().numpy(), found, strict=True):
        sums = dict.fromkeys(TOY.words, 0.0)
        for path in itertools.product(range(3), repeat=steps):
            said = collapsed(path, 2)
            if said in sums:
                sums[said] += np.prod(clip[np.arange(steps), path])
        for word, score in zip(TOY.words, row.exp(), strict=True):
            assert score.item() == pytest.approx(sums[word], rel=1e-5, abs=1e-30)


def test_scores_and_their_gradient_are_those_of_torchs_loss():
    words = ["yes", "no", "three", "happy", "silence", "unknown", "left"]
    spelling = spell(words)
    logits = torch.randn(4, 20, 28, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    found = ctc_log_probs(ours.log_softmax(2), *lattice(spelling))
    for label, word in enumerate(spelling.words):
        target = torch.tensor([word] * 4, dtype=torch.long)
        sizes = torch.full((4,), 20), torch.full((4,), len(word))
        wanted = F.ctc_loss(theirs.log_softmax(2).transpose(0, 1), target, *sizes, blank=27, reduction="none")
        torch.testing.assert_close(-found[:, label], wanted)
        wanted.sum().backward()
    found.sum().neg().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_all_texts_together_are_certain():
    """Two steps say one of: nothing, a, b, ab, ba."""
    every = Spelling(("a", "b"), ((), (0,), (1,), (0, 1), (1, 0)))
    log_probs = torch.randn(3, 2, 3).log_softmax(2)
    torch.testing.assert_close(
        ctc_log_probs(log_probs, *lattice(every)).logsumexp(1), torch.zeros(3), atol=1e-6, rtol=0
    )


def test_long_clips_of_sure_outputs_neither_overflow_nor_vanish():
    log_probs = (50 * torch.randn(2, 400, 28)).log_softmax(2).requires_grad_()
    scores = ctc_log_probs(log_probs, *lattice(spell(["happy", "silence"])))
    scores.sum().backward()
    assert torch.isfinite(scores).all() and torch.isfinite(log_probs.grad).all()


def test_steps_that_a_label_needs():
    assert least_steps(spell(["three", "silence"])) == 6
    assert least_steps(TOY) == 4
    assert ctc_log_probs(torch.zeros(1, 5, 28), *lattice(spell(["three"]))).item() < -1e20
    assert ctc_log_probs(torch.zeros(1, 6, 28), *lattice(spell(["three"]))).item() == 0


def test_the_layers_are_the_papers_with_a_gated_one_in_the_middle():
    net = network(width=6, context=1, stride=2).eval()
    for parameter in net.parameters():
        parameter.data.normal_(std=0.7)
    for layer in (net.dense1, net.dense2, net.dense3, net.dense5):
        layer.norm.running_mean.normal_()
        layer.norm.running_var.uniform_(0.5, 2)
    frames = torch.randn(1, 7, 6)

    def dense(layer, x):
        norm = layer.norm
        y = (x @ layer.linear.weight.T - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        return (y * norm.weight + norm.bias).clamp(0, 20)

    around = F.pad(frames[0], (0, 0, 1, 1))
    spliced = torch.stack([around[t : t + 3].T.flatten() for t in (0, 2, 4, 6)])  # every second frame, its neighbours
    h = dense(net.dense3, dense(net.dense2, dense(net.dense1, spliced)))
    onward, back = nn.GRUCell(6, 3), nn.GRUCell(6, 3)
    for cell, end in ((onward, "l0"), (back, "l0_reverse")):
        for name, parameter in cell.named_parameters():
            parameter.data = getattr(net.recurrent4, f"{name}_{end}").data
    first, second = torch.zeros(1, 3), torch.zeros(1, 3)
    found = torch.zeros(4, 6)
    for t in range(4):
        found[t, :3] = first = onward(h[t : t + 1], first)
        found[3 - t, 3:] = second = back(h[3 - t : 4 - t], second)
    wanted = net.out(dense(net.dense5, found)).log_softmax(1)
    torch.testing.assert_close(net.graphemes(frames)[0], wanted)


def test_activations_end_at_twenty():
    net, seen = network(), []
    net.dense1.register_forward_hook(lambda *args: seen.append(args[2].max().item()))
    net.dense1.norm.bias.data += 1000
    net(torch.randn(2, 20, 6))
    assert seen == [20.0]


def test_parameters_and_multiply_adds_by_hand():
    w, dims, steps = 320, 80, 50  # of 99 frames every second one
    weights = 11 * dims * w + 3 * w * w + 2 * 3 * (w * w // 2 + w * w // 4) + 28 * w
    others = 4 * 2 * w + 2 * 6 * w // 2 + 28  # scales and shifts; two biases of three gates; biases of the output
    net = network(dims=dims, width=w, context=5, stride=2)
    assert sum(p.numel() for p in net.parameters()) == weights + others == 1_063_068
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, 99, dims))
    assert counter.get_total_flops() == 2 * steps * weights == 2 * 52_928_000


def test_loss_is_ctc_of_the_targets_and_contrast_is_among_the_words_of_the_batch():
    frames, targets = torch.randn(3, 20, 6), torch.tensor([0, 2, 0])
    net = network()
    loss, scores = net.loss(frames, targets)
    torch.testing.assert_close(loss, -scores[[0, 1, 2], targets].mean())
    net.contrast = 0.5
    more, _ = net.loss(frames, targets)
    wanted = F.cross_entropy(scores[:, [0, 2]], torch.tensor([0, 1, 0]))
    torch.testing.assert_close(more - loss, 0.5 * wanted)
    more.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_a_label_too_long_for_the_frames_is_the_users_mistake():
    model = CtcRnn(stride=4)
    model.labels_ = ("three", "no")
    model.build(2, (24, 6))
    with pytest.raises(UserError, match="hears 5 of 20"):
        model.build(2, (20, 6))
    for wrong in ({"dropout": 1.0}, {"width": 33}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            CtcRnn(**wrong)
