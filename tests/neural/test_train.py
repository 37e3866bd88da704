"""The loop: it learns, keeps its best, keeps to its budgets, and a killed training ends as an undisturbed one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from kwsbench.errors import UserError
from kwsbench.neural import checkpoint as disk
from kwsbench.neural import device
from kwsbench.neural import train as loop
from kwsbench.neural.augment import Augmentation
from kwsbench.neural.batches import Batches
from kwsbench.neural.device import seeded, threads
from kwsbench.neural.schedule import Schedule
from kwsbench.neural.step import make_optimizer, objective, score
from kwsbench.neural.train import Training

VARIED = Augmentation(shift_ms=20, noise_share=0.5, snr_low_db=10, snr_high_db=30, gain_db=3)


def net(seed=1):
    """Normalisation, dropout and channels-last kernels: all that a resumed training may stumble over."""
    with seeded(seed, "cpu"):
        conv = nn.Conv2d(1, 4, (3, 2)).to(memory_format=torch.channels_last)
        return nn.Sequential(
            nn.Unflatten(1, (1, 20)),
            conv,
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(72, 3),
        )


def training(side, module=None, n=44, varied=True, **others):
    settings = {"epochs": 3, "batch_size": 8, "learning_rate": 0.01, **others.pop("schedule", {})}
    train = Batches(side(n, 0, noise=1), "features", "cpu", VARIED if varied else None, seed=9)
    validation = Batches(side(20, 1), "features", "cpu")
    return Training(module or net(), train, validation, Schedule(**settings), seed=9, **others)


class Killed(Exception):
    """Stands for the end of a process."""


def kill_after(steps):
    calls = iter(range(1, 10**6))

    def progress(phase, done, total, detail=""):
        if next(calls) >= steps:
            raise Killed

    return progress


def figures(trained):
    return [{k: v for k, v in row.items() if k != "elapsed_s"} for row in trained.history], trained.best


def test_it_learns_and_says_how_far_it_is(side):
    heard = []
    job = training(side, schedule={"epochs": 12}, progress=lambda *args: heard.append(args))
    trained = job.run()
    assert trained.history[trained.best]["validation_accuracy"] >= 0.9
    assert trained.history[-1]["train_loss"] < 0.5 * trained.history[0]["train_loss"]
    assert [row["step"] for row in trained.history] == [6.0 * k for k in range(1, 13)]  # 44 clips: 5 of 8, 1 of 4
    assert len(heard) == 72 and heard[-1][1] == 1.0 and "epoch 12/12: 100%" in heard[-1][3]
    assert all(a[1] < b[1] for a, b in zip(heard, heard[1:], strict=False))


def test_a_budget_that_ends_within_an_epoch_ends_that_epoch_at_the_whole_of_it(side):
    heard = []
    training(side, schedule={"max_steps": 8}, progress=lambda *args: heard.append(args)).run()
    assert len(heard) == 8 and "epoch 2/2: 50%" in heard[-2][3] and "epoch 2/2: 100%, 0 s left" in heard[-1][3]


LABELS_ALIKE = Schedule(balance="sampling_labels")
EVERYTHING = {"ema": 0.8, "mixup": 0.5, "balance": "sampling", "clip_norm": 1.0}


@pytest.mark.parametrize("others", [{"optimizer": "adamw"}, {"optimizer": "sgd"}, {"optimizer": "muon"}, EVERYTHING])
@pytest.mark.parametrize("deaths", [(1, 2, 3), (4, 9), (17,)])
def test_a_killed_training_ends_as_an_undisturbed_one(side, tmp_path, monkeypatch, others, deaths):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)  # a checkpoint after every step
    module = net()
    wanted = training(side, module, schedule=others).run()
    for death in deaths:
        with pytest.raises(Killed):
            training(
                side,
                schedule=others,
                checkpoint=tmp_path / "deep" / "c",
                key="k",
                progress=kill_after(death),
            ).run()
    again = net(seed=2)
    resumed = training(side, again, schedule=others, checkpoint=tmp_path / "deep" / "c", key="k")
    steps = []
    resumed.progress = lambda *args: steps.append(args)
    ended = resumed.run()
    assert figures(ended) == figures(wanted)
    assert len(steps) < 18  # not from the start
    assert wanted.earlier_s == 0 < ended.earlier_s <= ended.history[-1]["elapsed_s"]
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_between_checkpoints_what_was_done_is_done_again(side, tmp_path):
    """As above, with checkpoints after epochs only."""
    module, again = net(), net()
    wanted = training(side, module).run()
    with pytest.raises(Killed):
        training(side, checkpoint=tmp_path / "c", key="k", progress=kill_after(10)).run()
    assert figures(training(side, again, checkpoint=tmp_path / "c", key="k").run()) == figures(wanted)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True))


def test_a_finished_training_is_not_repeated(side, tmp_path):
    first = net()
    wanted = training(side, first, checkpoint=tmp_path / "c", key="k").run()
    second = net(seed=2)
    again = training(side, second, checkpoint=tmp_path / "c", key="k", progress=kill_after(1)).run()
    assert figures(again) == figures(wanted) and again.notes == wanted.notes
    assert again.earlier_s >= wanted.history[-1]["elapsed_s"]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_checkpoint_of_another_training_is_left_alone(side, tmp_path):
    with pytest.raises(Killed):
        training(side, checkpoint=tmp_path / "c", key="other", progress=kill_after(10)).run()
    trained = training(side, checkpoint=tmp_path / "c", key="k").run()
    assert figures(trained) == figures(training(side).run())


def test_a_kill_while_writing_leaves_the_former_checkpoint(tmp_path, monkeypatch):
    disk.write(tmp_path / "c", "k", {"a": torch.ones(3)}, {"step": 1})

    def fail(*args):
        raise Killed

    monkeypatch.setattr(disk.os, "fsync", fail)
    with pytest.raises(Killed):
        disk.write(tmp_path / "c", "k", {"a": torch.zeros(3)}, {"step": 2})
    tensors, state = disk.read(tmp_path / "c", "k")
    assert tensors["a"].tolist() == [1, 1, 1] and state == {"step": 1}


def test_the_best_weights_are_kept(side):
    """At a wild learning rate accuracy goes up and down; what is left is the best."""
    module = net()
    job = training(side, module, schedule={"epochs": 15, "learning_rate": 0.3, "schedule": "constant"})
    trained = job.run()
    worth = [(row["validation_accuracy"], -row["validation_loss"]) for row in trained.history]
    assert worth[trained.best] == max(worth) and worth[trained.best] > worth[-1]
    logits = score(module, job.validation, 256)
    accuracy = (logits.argmax(1) == job.validation.targets).double().mean().item()
    loss = objective(logits, job.validation.targets).item()
    assert (accuracy, -loss) == worth[trained.best]


def test_patience_ends_a_training_that_no_longer_improves(side):
    trained = training(side, schedule={"epochs": 50, "patience": 2, "learning_rate": 0.3}).run()
    assert len(trained.history) < 50 and trained.best == len(trained.history) - 3
    assert "no longer improved" in trained.notes[0]


def test_a_budget_of_steps_and_validation_between(side):
    trained = training(side, schedule={"epochs": 50, "max_steps": 8, "validate_every": 3}).run()
    assert [row["step"] for row in trained.history] == [3, 6, 8]
    assert "8 steps" in trained.notes[0]


def test_a_budget_of_time_bends_the_schedule_to_its_end(side, monkeypatch):
    """A clock that moves 1 s whenever it is looked at; the budget is 30 s of what would be 300 steps."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(ticks)))
    trained = training(side, schedule={"epochs": 50, "max_minutes": 0.5, "schedule": "cosine"}).run()
    assert 5 < trained.history[-1]["step"] < 30
    assert trained.history[-1]["learning_rate"] < 0.1 * 0.01
    assert any("minutes were up" in note for note in trained.notes)
    assert any("time budget" in note for note in trained.notes)


def test_a_warm_up_without_effect_is_told(side):
    def told(**schedule):
        return [note for note in training(side, schedule={"epochs": 1, **schedule}).run().notes if "warmup" in note]

    assert told(warmup=0.2, schedule="one_cycle") and not told(warmup=0.2, schedule="cosine") and not told()


@pytest.mark.parametrize("has", [True, False])
def test_another_precision_than_was_asked_for_is_told(side, monkeypatch, has):
    monkeypatch.setattr(device, "has_bfloat16", lambda kind: has)
    notes = training(side, schedule={"epochs": 1, "precision": "bfloat16"}).run().notes
    assert notes == ([] if has else ["trained in float32, not bfloat16: this CPU has no instructions for it"])


def test_one_clip_is_too_few(side):
    with pytest.raises(UserError, match="1 training clips"):
        training(side, n=1)


def test_training_figures_are_those_of_the_clips(side):
    """With a rate of almost nothing the loss of an epoch is the loss of the module as it was."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(40, 3))
    job = training(side, module, n=40, varied=False, schedule={"epochs": 1, "optimizer": "sgd", "learning_rate": 1e-12})
    with torch.no_grad():
        logits = module(torch.from_numpy(job.clips.clips.features))
    row = job.run().history[0]
    assert row["train_loss"] == pytest.approx(objective(logits, job.clips.targets).item(), rel=1e-5)
    assert row["train_accuracy"] == pytest.approx((logits.argmax(1) == job.clips.targets).double().mean().item())


def test_every_clip_is_seen_once_an_epoch(side):
    job = training(side, n=40, schedule={"epochs": 2})
    seen = []
    take = job.clips.take
    job.clips.take = lambda index, epoch=0: (seen.append((epoch, index)), take(index, epoch))[1]
    job.run()
    for epoch in (0, 1):
        order = np.concatenate([index for e, index in seen if e == epoch])
        assert sorted(order) == list(range(40)) and list(order) != list(range(40))


def test_an_infinite_loss_stops_it(side):
    with pytest.raises(FloatingPointError, match="learning_rate"):
        training(side, schedule={"learning_rate": 1e30, "optimizer": "sgd", "schedule": "constant"}).run()


def test_no_global_state_is_left_changed(side):
    torch.manual_seed(4)
    before, cores = torch.get_rng_state(), torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
        training(side, schedule={"epochs": 1}).run()
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == cores


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_checkpoint_holds_the_whole_optimizer(optimizer):
    """One more step from the file is bitwise the next step; a fresh optimizer's would differ."""
    schedule = Schedule(optimizer=optimizer, learning_rate=0.05)

    def advance(module, made, steps):
        for k in range(steps):
            made.zero_grad()
            module[1].weight.grad = torch.full_like(module[1].weight, 0.1 * (k + 1))
            made.step()

    one, two = net(), net(seed=2)
    ours, theirs = make_optimizer(one, schedule), make_optimizer(two, schedule)
    advance(one, ours, 3)
    disk.restore(two, theirs, {k: v.clone().contiguous() for k, v in disk.flatten(one, ours).items()})
    advance(one, ours, 1)
    advance(two, theirs, 1)
    assert torch.equal(one[1].weight, two[1].weight)
    assert one[1].weight.stride() == two[1].weight.stride()


def test_the_average_of_the_weights_is_what_is_judged_and_kept(side):
    job = training(side, schedule={"ema": 0.5, "epochs": 2})
    seen = []
    update = job.averaged.update_parameters
    job.averaged.update_parameters = lambda module: (update(module), seen.append(module[6].weight.detach().clone()))
    trained = job.run()
    average = seen[0]
    for k, weight in enumerate(seen[1:], 2):
        average = 0.5 * average + 0.5 * weight
        if k == trained.history[trained.best]["step"]:
            break
    torch.testing.assert_close(job.module[6].weight.detach(), average)


@pytest.mark.parametrize("balance", ["none", "weights", "sampling", "sampling_labels"])
def test_targets_with_few_clips(side, balance):
    clips = side(60)
    few = clips.take(np.flatnonzero((clips.targets != 1) | (np.arange(60) < 9)))
    train = Batches(few, "features", "cpu")
    job = Training(net(), train, Batches(side(9, 1), "features", "cpu"), Schedule(balance=balance), seed=3)
    counts = np.bincount(few.targets[job._epoch_order(0)], minlength=3)
    assert counts.sum() == len(few)
    if balance.startswith("sampling"):
        assert counts.max() - counts.min() <= 2
    else:
        assert counts.tolist() == np.bincount(few.targets).tolist()
    assert (job.weights is not None) == (balance == "weights")


@pytest.mark.parametrize("labels", [["a", "unknown", "unknown:b"], ["a", "unknown:b", "unknown:c"]])
def test_unknown_words_are_drawn_as_one_label(side, labels):
    clips = replace(side(60), labels=labels)
    train, validation = Batches(clips, "features", "cpu"), Batches(side(9, 1), "features", "cpu")
    job = Training(net(), train, validation, LABELS_ALIKE, seed=3)
    own = {target: np.flatnonzero(clips.targets == target) for target in range(3)}
    seen = np.concatenate([job._epoch_order(epoch) for epoch in range(3)])
    first = np.bincount(clips.targets[job._epoch_order(0)], minlength=3)
    assert first[0] == 30 and first[1] + first[2] == 30
    assert len(own[0]) < 30 and set(seen) == set(range(60))  # each epoch draws unknown words anew


def test_a_loss_of_the_networks_own_goes_without_what_changes_targets(side):
    class Own(nn.Linear):
        def loss(self, inputs, targets):
            raise AssertionError

    for name, value in {"mixup": 0.2, "loss": "binary", "teacher_share": 0.5}.items():
        with pytest.raises(UserError, match=f"{name} is {value}"):
            training(side, Own(2, 3), schedule={name: value})
