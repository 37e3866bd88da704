"""Listen, Attend and Spell: all labels at once as each by itself, equation by equation, and sizes by hand."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.errors import UserError
from kwsbench.models.las import LAS
from kwsbench.networks.graphemes import spell
from kwsbench.networks.las import ListenAttendSpell

WORDS = ("two", "three", "silence", "unknown", "to", "tree", "yes")


def network(dims=5, listener=4, pyramid=2, speller=6, smoothing=0.0, words=WORDS) -> ListenAttendSpell:
    torch.manual_seed(0)
    net = ListenAttendSpell(spell(words), dims, listener, pyramid, speller, dropout=0.0, smoothing=smoothing)
    for parameter in net.parameters():
        parameter.data.mul_(2)  # away from answers that are all the same
    return net


def spelled_by_hand(net: ListenAttendSpell, heard: torch.Tensor, word: tuple[int, ...]) -> torch.Tensor:
    """Logits (graphemes and end, outputs) of one word in one clip, heard (steps, ·): eqs. 6 to 11."""
    units = net.layer2.hidden_size
    h1 = c1 = h2 = c2 = torch.zeros(units)
    context, rows = torch.zeros(heard.shape[1]), []
    for before in (net.end, *word):
        h1, c1 = net.layer1(torch.cat([net.embedding.weight[before], context]), (h1, c1))
        h2, c2 = net.layer2(h1, (h2, c2))
        energy = torch.stack([net.query(h2) @ net.key(step) for step in heard])
        context = (energy.softmax(0)[:, None] * heard).sum(0)
        rows.append(net.out(torch.cat([h2, context])))
    return torch.stack(rows)


def test_every_label_is_spelled_as_if_it_were_alone():
    net = network().eval()
    frames = torch.randn(3, 13, 5)
    scores = net(frames)
    for clip, heard in enumerate(net.listen(frames)):
        for label, word in enumerate(spell(WORDS).words):
            logs = spelled_by_hand(net, heard, word).log_softmax(1)
            wanted = sum(row[after] for row, after in zip(logs, (*word, net.end), strict=True))
            torch.testing.assert_close(scores[clip, label], wanted)
    assert (scores.exp().sum(1) < 1).all()  # no two labels are the same text


def test_loss_is_cross_entropy_of_the_targets_own_graphemes():
    net = network(smoothing=0.1)
    frames, targets = torch.randn(3, 13, 5), torch.tensor([1, 2, 6])
    loss, scores = net.loss(frames, targets)
    words = [spell(WORDS).words[target] for target in targets]
    rows = [spelled_by_hand(net, heard, word) for heard, word in zip(net.listen(frames), words, strict=True)]
    texts = [torch.tensor([*word, net.end]) for word in words]
    wanted = F.cross_entropy(torch.cat(rows), torch.cat(texts), label_smoothing=0.1)
    torch.testing.assert_close(loss, wanted)
    right = [(own.argmax(1) == text).all() for own, text in zip(rows, texts, strict=True)]
    assert ((scores.argmax(1) == targets) == torch.stack(right)).all()
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_a_clip_counts_as_right_in_training_where_every_grapheme_is_the_likeliest():
    net = network(words=("no", "yes", "silence"))
    for parameter in net.out[-1].parameters():
        parameter.data.zero_()
    net.out[-1].bias.data[net.end] = 1  # it always ends
    _, scores = net.loss(torch.randn(3, 13, 5), torch.tensor([0, 1, 2]))
    assert (scores.argmax(1) == torch.tensor([0, 1, 2])).tolist() == [False, False, True]


def test_each_layer_of_the_pyramid_hears_pairs():
    net = network(pyramid=2)
    frames = torch.randn(1, 15, 5)
    assert net.listen(frames).shape == (1, 3, 8)
    bottom = net.bottom(frames)[0][0]
    pairs = torch.stack([torch.cat([bottom[2 * i], bottom[2 * i + 1]]) for i in range(7)])
    middle = net.pyramid[0](pairs[None])[0][0]
    pairs = torch.stack([torch.cat([middle[2 * i], middle[2 * i + 1]]) for i in range(3)])
    torch.testing.assert_close(net.listen(frames), net.pyramid[1](pairs[None])[0])


def test_parameters_and_multiply_adds_by_hand():
    u, s, e, outputs, steps = 96, 128, 32, 28, (98, 49, 24)
    lstm = lambda inputs, units: 4 * units * (inputs + units)  # noqa: E731
    bottom, pair = 2 * lstm(40, u), 2 * lstm(4 * u, u)
    speller, attention = lstm(e + 2 * u, s) + lstm(s, s), s * s + (s + 2 * u) * s + s * outputs
    biases = 3 * 2 * 8 * u + 2 * 8 * s + 3 * s + outputs
    net = ListenAttendSpell(spell(WORDS), 40, u, 2, s, 0.1, 0.1).eval()
    params = bottom + 2 * pair + speller + attention + 2 * u * s + outputs * e + biases
    assert sum(p.numel() for p in net.parameters()) == params == 1_246_492
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 98, 40))
    beginnings = {word[:n] for word in spell(WORDS).words for n in range(len(word) + 1)}
    each = speller + attention + steps[2] * (s + 2 * u)
    listened = steps[0] * bottom + (steps[1] + steps[2]) * pair + steps[2] * 2 * u * s
    assert counter.get_total_flops() == 2 * (listened + len(beginnings) * each)


def test_settings_that_make_no_sense_are_the_users_mistake():
    model = LAS(pyramid=3)
    model.labels_ = WORDS
    assert model.build(7, (8, 5))(torch.zeros(2, 8, 5)).shape == (2, 7)
    with pytest.raises(UserError, match="7 frames"):
        model.build(7, (7, 5))
    for name in ("dropout", "smoothing"):
        with pytest.raises(UserError, match=name):
            LAS(**{name: 1.0})
