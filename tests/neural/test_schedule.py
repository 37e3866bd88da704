"""Learning rates against their closed forms, budgets, and mistakes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwsbench.errors import UserError
from kwsbench.neural.schedule import Schedule


def test_constant_and_cosine():
    assert Schedule(schedule="constant", learning_rate=0.3).rate(0.77) == 0.3
    cosine = Schedule(schedule="cosine", learning_rate=2.0)
    assert [cosine.rate(x) for x in (0, 0.5, 1)] == pytest.approx([2, 1, 0], abs=1e-12)
    assert cosine.rate(1 / 3) == pytest.approx(1.5)  # (1 + cos 60°) / 2 of it


def test_warm_up_rises_in_a_line_then_the_schedule_begins():
    cosine = Schedule(schedule="cosine", learning_rate=1.0, warmup=0.2)
    assert [cosine.rate(x) for x in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0.04, 0.52, 1, 0.5, 0], abs=1e-12)
    assert Schedule(schedule="constant", learning_rate=1.0, warmup=0.5).rate(0.75) == 1


def test_one_cycle_is_torchs():
    import torch

    n, peak = 200, 0.1
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, n + 1, pct_start=(0.3 * n + 1) / (n + 1))
    ours = Schedule(schedule="one_cycle", learning_rate=peak)
    for i in range(n):
        rate = optimizer.param_groups[0]["lr"]
        # torch ends at START / 1e4 of the peak, ours at 1e-4 of it: below 1e-4 of the peak apart
        assert ours.rate(i / n) == pytest.approx(rate, abs=1.1e-4 * peak)
        optimizer.step()
        theirs.step()


@given(st.sampled_from(["constant", "cosine", "one_cycle"]), st.floats(0, 1.5))
def test_a_rate_is_never_above_its_peak_nor_negative(kind, done):
    assert 0 <= Schedule(schedule=kind, learning_rate=0.01).rate(done) <= 0.01 * (1 + 1e-12)


@given(st.integers(2, 400), st.integers(2, 64), st.integers(1, 9))
def test_steps_cover_the_clips(n, batch, epochs):
    schedule = Schedule(batch_size=batch, epochs=epochs)
    steps = schedule.steps_an_epoch(n)
    left_over = n - steps * batch
    assert left_over in (0, 1) if left_over >= 0 else -left_over <= batch - 2  # the last batch holds two at least
    assert schedule.n_steps(n) == epochs * steps


def test_a_budget_of_steps_cuts_the_epochs():
    assert Schedule(epochs=10, batch_size=10, max_steps=7).n_steps(100) == 7
    assert Schedule(epochs=10, batch_size=10, max_steps=700).n_steps(100) == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("batch_size", 1), ("learning_rate", 0.0), ("label_smoothing", 1.0), ("max_minutes", -1.0)],
)
def test_mistakes_are_named(name, value):
    with pytest.raises(UserError, match=name):
        Schedule(**{name: value})
