"""Losses by hand and against torch, optimizers, one step, scoring."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kwsbench.networks.kwt import KWT
from kwsbench.neural import device
from kwsbench.neural.batches import Batches
from kwsbench.neural.schedule import Schedule
from kwsbench.neural.step import Goal, distance, make_optimizer, objective, score, settle, step, weights_of


def test_binary_loss_by_hand():
    """Softmax (0.7, 0.2, 0.1), target 0: −(log 0.7 + log 0.8 + log 0.9) / 3."""
    logits = torch.tensor([[0.7, 0.2, 0.1]]).log()
    wanted = -(math.log(0.7) + math.log(0.8) + math.log(0.9)) / 3
    assert objective(logits, torch.tensor([0]), "binary").item() == pytest.approx(wanted, rel=1e-6)


def test_binary_loss_stays_finite_where_softmax_is_certain_and_wrong():
    logits = torch.tensor([[200.0, -200.0]])
    wanted = -math.log(1e-7)  # both outputs are clamped
    assert objective(logits, torch.tensor([1]), "binary").item() == pytest.approx(wanted, rel=2e-2)


def test_smoothed_losses_are_the_mean_over_all_answers():
    logits, targets = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 0])
    for loss in ("categorical", "binary"):
        plain = objective(logits, targets, loss)
        uniform = torch.stack([objective(logits, torch.full((5,), k), loss) for k in range(4)]).mean()
        smooth = objective(logits, targets, loss, smoothing=0.2)
        assert smooth.item() == pytest.approx((0.8 * plain + 0.2 * uniform).item(), rel=1e-5)


def test_distance_from_a_teacher_by_hand():
    """At T = 2 the teacher's posteriors (0.8, 0.2) soften to (2/3, 1/3), and the network's even ones stay."""
    taught = torch.tensor([[0.8, 0.2]]).log()
    wanted = 4 * (2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3))
    assert distance(torch.zeros(1, 2), taught, 2.0).item() == pytest.approx(wanted, rel=1e-5)
    assert distance(taught + 7, taught, 2.0).item() == pytest.approx(
        0, abs=1e-6
    )  # posteriors, not logits, are compared


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_teacher_has_its_share_of_the_loss(share):
    rng = torch.Generator().manual_seed(1)
    inputs, taught = torch.randn(6, 5, generator=rng), torch.randn(6, 4, generator=rng)
    targets = torch.tensor([0, 1, 2, 3, 0, 1])
    module, how = nn.Linear(5, 4), {"teacher_share": share, "teacher_temperature": 3.0, "label_smoothing": 0.1}
    goal = Goal(module, Schedule(**how))
    loss, logits = goal(inputs, targets, taught)
    labels = objective(logits, targets, smoothing=0.1)
    assert loss.item() == pytest.approx(((1 - share) * labels + share * distance(logits, taught, 3.0)).item(), rel=1e-6)
    assert goal(inputs, targets)[0].item() == pytest.approx(labels.item(), rel=1e-6)  # a warm-up has no teacher


def test_weight_decay_leaves_biases_and_norms_alone():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    decayed, others = make_optimizer(module, Schedule(weight_decay=0.5)).param_groups
    assert decayed["weight_decay"] == 0.5 and [tuple(p.shape) for p in decayed["params"]] == [(4, 3), (2, 4)]
    assert others["weight_decay"] == 0 and len(others["params"]) == 4


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_first_step_by_hand(optimizer):
    """One weight w = 2, two labels, logits (w·x, 0) of x = 1."""

    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.tensor([[2.0]]))

        def forward(self, x):
            return torch.cat([x @ self.w, torch.zeros_like(x)], 1)

    module, rate, decay = One(), 0.1, 0.01
    schedule = Schedule(optimizer=optimizer, learning_rate=rate, weight_decay=decay)
    inputs, targets = torch.ones(2, 1), torch.tensor([1, 1])
    loss, logits = step(Goal(module, schedule), make_optimizer(module, schedule), inputs, targets)
    p = 1 / (1 + math.exp(-2))  # posterior of the wrong label, and the gradient
    wanted = {
        "sgd": 2 - rate * 1.9 * (p + decay * 2),  # a first Nesterov step is 1 + 0.9 times the gradient
        "adam": 2 - rate,  # a first Adam step is the rate, whatever the gradient
        "adamw": 2 * (1 - rate * decay) - rate,
    }
    assert loss.item() == pytest.approx(-math.log(1 - p), rel=1e-5)
    assert logits[0].tolist() == [2, 0] and not logits.requires_grad
    assert module.w.item() == pytest.approx(wanted[optimizer], rel=1e-5)


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_is_used_where_asked_for_and_there(monkeypatch, has):
    monkeypatch.setattr(device, "has_bfloat16", lambda kind: has)
    seen, lower = [], torch.bfloat16 if has else torch.float32
    module = nn.Sequential(nn.Linear(4, 3))
    module[0].register_forward_hook(lambda *args: seen.append(args[2].dtype))
    for precision in ("float32", "bfloat16"):
        schedule = Schedule(precision=precision)
        step(Goal(module, schedule), make_optimizer(module, schedule), torch.ones(2, 4), torch.tensor([0, 1]))
    assert seen == [torch.float32, lower] and module[0].weight.dtype == torch.float32


def test_scores_are_log_posteriors_of_eval_mode_in_order(side):
    clips = side(7)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(40, 3)).train()
    scores = score(module, Batches(clips, "features", "cpu"), batch_size=3)
    wanted = F.log_softmax(module[2](torch.from_numpy(clips.features).flatten(1)), 1)
    np.testing.assert_allclose(scores.numpy(), wanted.detach().numpy(), rtol=1e-5)
    assert module.training


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_weights_decay_that_multiply_and_no_others(optimizer):
    net = KWT(4, 9, 6, 1, 0.0)
    groups = make_optimizer(net, Schedule(optimizer=optimizer, weight_decay=0.1)).param_groups
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decays) == len(list(net.parameters()))
    assert decays[id(net.places)] == decays[id(net.token)] == decays[id(net.out.bias)] == 0
    assert decays[id(net.embed.weight)] == decays[id(net.out.weight)] == 0.1


def test_weights_make_targets_count_alike():
    targets = torch.tensor([0, 0, 0, 2])
    weights = weights_of(torch.bincount(targets, minlength=3).double())
    assert weights.tolist() == pytest.approx([2 / 3, 1, 2])
    assert weights[targets].mean().item() == pytest.approx(1)
    assert (3 * weights[0]).item() == pytest.approx(weights[2].item())
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    each = F.cross_entropy(logits, targets, reduction="none")
    wanted = (each[:3].mean() + each[3]) / 2
    assert objective(logits, targets, weights=weights).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_mixed_clips_have_shares_of_both_targets():
    seen = {}

    class Seen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.eye(2))

        def forward(self, x):
            seen["x"] = x
            return x @ self.w

    module, schedule = Seen(), Schedule(mixup=1.0)
    inputs, targets = torch.eye(2).repeat(8, 1), torch.tensor([0, 1] * 8)
    torch.manual_seed(0)
    loss, logits = step(Goal(module, schedule), make_optimizer(module, schedule), inputs, targets)
    share = seen["x"].gather(1, targets[:, None])[:, 0]  # of the clip's own target: all of it, or one share for all
    assert (seen["x"].sum(1) - 1).abs().max() < 1e-6
    assert ((share - 1).abs().minimum((share - share.min()).abs()) < 1e-6).all() and share.min() < 0.999
    posterior = logits.log_softmax(1)
    wanted = -(seen["x"] * posterior).sum(1).mean()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_gradients_are_clipped():
    module = nn.Linear(3, 2)
    schedule = Schedule(clip_norm=1e-3, optimizer="sgd", learning_rate=1.0, weight_decay=0.0)
    before = [p.detach().clone() for p in module.parameters()]
    inputs, targets = 100 * torch.ones(2, 3), torch.tensor([0, 1])
    step(Goal(module, schedule), make_optimizer(module, schedule), inputs, targets, schedule.clip_norm)
    moved = torch.cat([(p - b).flatten() for p, b in zip(module.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(1.9e-3, rel=1e-2)  # a first Nesterov step is 1 + 0.9 times the gradient


def test_a_loss_of_the_modules_own():
    class Own(nn.Linear):
        def loss(self, inputs, targets):
            logits = self(inputs)
            return logits.square().sum(), logits

    module = Own(2, 2)
    wanted = module(torch.ones(2, 2)).square().sum().item()
    schedule = Schedule()
    inputs, targets = torch.ones(2, 2), torch.tensor([0, 1])
    loss, logits = step(Goal(module, schedule), make_optimizer(module, schedule), inputs, targets)
    assert loss.item() == pytest.approx(wanted) and logits.shape == (2, 2) and not logits.requires_grad


@pytest.mark.parametrize("training", [True, False])
def test_settling_sets_running_statistics_to_their_means_over_batches_and_nothing_else(training):
    module = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.3), nn.BatchNorm1d(4, track_running_stats=False)
    )
    batches = torch.randn(5, 8, 3, generator=torch.Generator().manual_seed(0)).unbind()
    weights = [parameter.detach().clone() for parameter in module.parameters()]
    module.train(training)
    settle(module, batches)
    hidden = [module[0](batch).detach() for batch in batches]
    torch.testing.assert_close(module[1].running_mean, torch.stack([h.mean(0) for h in hidden]).mean(0))
    torch.testing.assert_close(module[1].running_var, torch.stack([h.var(0) for h in hidden]).mean(0))
    assert module.training is training and module[1].momentum == 0.3
    assert all(torch.equal(a, b) for a, b in zip(weights, module.parameters(), strict=True))


def test_settling_a_module_without_statistics_reads_no_batch():
    settle(nn.Linear(3, 2), iter(lambda: pytest.fail("a batch was made"), None))
