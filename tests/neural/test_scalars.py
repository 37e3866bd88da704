"""What TensorBoard reads is the history of the training, of its last run where there were several."""

import sys

import pytest
from torch import nn

from kwsbench.errors import UserError
from kwsbench.neural.batches import Batches
from kwsbench.neural.scalars import Scalars
from kwsbench.neural.schedule import Schedule
from kwsbench.neural.train import Training


def test_events_are_the_history(side, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    module = nn.Sequential(nn.Flatten(), nn.Linear(40, 3))
    sides = Batches(side(40, 0), "features", "cpu"), Batches(side(20, 1), "features", "cpu")
    history = Training(module, *sides, Schedule(epochs=3, batch_size=10), seed=1, scalars=tmp_path / "s").run().history
    events = EventAccumulator(str(tmp_path / "s")).Reload()
    assert set(events.Tags()["scalars"]) == set(history[0]) - {"step"}
    for name in ("train_loss", "validation_accuracy"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in history]


def test_steps_after_the_one_that_a_training_goes_on_from_are_void(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = Scalars(tmp_path)
    for step in (1, 2, 3):
        first.write({"step": float(step), "train_loss": 10.0 * step})
    first.close()
    again = Scalars(tmp_path, step=2)
    again.write({"step": 3.0, "train_loss": 5.0})
    again.close()
    found = EventAccumulator(str(tmp_path)).Reload().Scalars("train_loss")
    assert [(event.step, event.value) for event in found] == [(1, 10.0), (2, 20.0), (3, 5.0)]


def test_without_tensorboard_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="not here") as caught:
        Scalars(tmp_path)
    assert "kwsbench[tensorboard]" in caught.value.todo
