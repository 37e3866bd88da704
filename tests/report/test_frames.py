"""A stored study in a notebook."""

import json

import pytest

import kwsbench
from kwsbench.store import Store


def test_frames_hold_what_the_store_holds(made, tmp_path):
    for seed in (0, 1):
        made.add("cnn", 0.9, seed=seed)
    made.add("gmm", 0.5)
    made.add("broken", status="failed")
    store = Store(tmp_path)
    for record in made.records:
        if record["status"] == "ok":
            store.put_predictions(record["cell"], made.tables[record["cell"]])
        store.put_record(record["cell"], record)
    store.write("study.json", json.dumps({"study": "s", "recipe": {"models": {"gmm": {}, "cnn": {}, "broken": {}}}}))
    found = kwsbench.load(tmp_path)
    assert list(found.table["model"]) == ["gmm", "cnn", "broken"] and len(found.pairs) == 1
    assert list(found.cells["model"]) == ["gmm", "cnn", "cnn", "broken"] and found.cells["train_s"].count() == 3
    assert len(found.predictions) == 720 and set(found.predictions["model"]) == {"gmm", "cnn"}
    right = (found.predictions["label"] == found.predictions["predicted"])[found.predictions["model"] == "cnn"]
    assert found.table["accuracy"][1] == pytest.approx(right.mean())
    served = found.speakers[found.speakers["model"] == "cnn"]
    assert len(served) == 12 and served["accuracy"].is_monotonic_increasing
    assert list(found.training["train_loss"]) == [2, 1] * 3


def test_no_such_attribute():
    with pytest.raises(AttributeError, match="nothing"):
        kwsbench.nothing  # noqa: B018
