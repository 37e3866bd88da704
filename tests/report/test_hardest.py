"""The clips that most models have wrong."""

import numpy as np

from kwsbench.report.hardest import hardest_clips, hardest_table
from kwsbench.report.rows import gather
from kwsbench.report.verdict import verdicts


def test_clips_that_no_model_has_right_come_first_and_floors_do_not_count(made):
    for name, skill in (("a", 0.8), ("b", 0.85), ("floor", 0.1)):
        made.add(name, skill)
    (verdict,) = verdicts(gather(made.records, made.predictions)).values()
    found = hardest_clips(verdict, 300)
    tables = [made.tables[f"speech-hash-{name}-s0"].set_index("clip") for name in ("a", "b")]
    right = np.mean([t["label"] == t["predicted"] for t in tables], axis=0)
    assert list(found["right"]) == sorted(right[right < 1])
    assert found["clip"].str.startswith("clip").all()
    first = found.iloc[0]
    wrong = [t.loc[first["clip"], "predicted"] for t in tables]
    assert all(answer in first["answers"] for answer in wrong) and first["label"] not in first["answers"]
    among = found[found["right"] == 0]["surprise"]
    assert among.is_monotonic_decreasing and among.iloc[0] > 0


def test_every_task_has_its_own(made):
    made.add("a", 0.5)
    made.add("a", 0.5, corpus="other")
    found = hardest_table(verdicts(gather(made.records, made.predictions)))
    assert list(found.columns[:4]) == ["corpus", "labels", "split", "clip"]
    assert found.groupby("corpus").size().to_dict() == {"speech": 30, "other": 30}


def test_where_all_is_right_nothing_is_hard(made):
    made.add("a", 1.0)
    (verdict,) = verdicts(gather(made.records, made.predictions)).values()
    assert hardest_clips(verdict).empty
