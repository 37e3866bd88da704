"""The table: one row a (task, entry, setting), folds pooled, seeds averaged, failures shown."""

import io
import math
import re

import numpy as np
import pandas as pd
import pytest

from kwsbench.evaluate import bootstrap, score_cell
from kwsbench.report import build_table
from kwsbench.report.table import latex, markdown, table_title
from kwsbench.seeds import derive_seed

CONTRACT = [
    "model", "corpus", "labels", "split", "n_train", "n_test", "n_test_speakers", "accuracy", "accuracy_low",
    "accuracy_high", "macro_f1", "worst_speaker", "params", "macs", "train_s", "ms_per_clip", "peak_mb", "seeds",
    "status",
]  # fmt: skip
FOLDS = ("loso/ann", "loso/bob", "loso/eve")
NUMBERS = ("n_train", "n_test", "accuracy", "macro_f1", "worst_speaker", "params", "train_s", "peak_mb")


def table_of(made) -> pd.DataFrame:
    return build_table(made.records, made.predictions)


def test_columns_stand_in_the_promised_order(made):
    made.add("gmm")
    assert list(table_of(made).columns[: len(CONTRACT)]) == CONTRACT
    assert list(table_of(made).columns[len(CONTRACT) :][:5]) == [
        "setting", "folds", "accuracy_without_silence", "accuracy_sd_seeds", "log_loss",
    ]  # fmt: skip


def test_one_cell_is_its_own_metrics(made):
    made.add("gmm")
    row = table_of(made).iloc[0]
    predictions = next(iter(made.tables.values())).sort_values("clip")
    metrics = score_cell(predictions, made.labels)
    for name in ("accuracy", "macro_f1", "worst_speaker", "accuracy_without_silence", "log_loss", "n_test"):
        assert row[name] == pytest.approx(metrics[name]), name
    correct = (predictions["label"] == predictions["predicted"]).to_numpy()
    seed = derive_seed("speech", "keywords", "hash", "interval")
    interval = bootstrap(correct, predictions["speaker"].to_numpy(), seed=seed)
    assert (row.accuracy_low, row.accuracy_high) == pytest.approx(interval)
    assert row.accuracy_low < row.accuracy < row.accuracy_high
    assert (row.n_train, row.params, row.macs, row.train_s, row.ms_per_clip, row.peak_mb, row.seeds, row.folds) == (
        1000, 314_000, 7_200_000, 30, 0.5, 512, 1, 1,
    )  # fmt: skip
    assert row.status == "ok" and math.isnan(row.accuracy_sd_seeds) and math.isnan(row.warmup_s)


def test_folds_are_pooled_and_seeds_averaged(made):
    for fold in FOLDS:
        for seed in (0, 1):
            record = made.add("gmm", 0.6 + 0.1 * seed, fold=fold, seed=seed, split="loso")
            record["timings"]["train_s"] = 10.0 * (1 + seed)
            record["peak_mb"] = 100.0 * (1 + seed)
    row = table_of(made).iloc[0]
    hits = {seed: [] for seed in (0, 1)}
    for record in made.records:
        predictions = made.predictions(record["cell"])
        hits[record["parts"]["seed"]].append((predictions["label"] == predictions["predicted"]).to_numpy())
    by_seed = [np.concatenate(hits[seed]) for seed in (0, 1)]
    assert row.n_test == 720 and row.n_test_speakers == 36 and row.seeds == 2 and row.folds == 3
    assert row.accuracy == pytest.approx(np.mean(by_seed))
    assert row.accuracy_sd_seeds == pytest.approx(abs(by_seed[0].mean() - by_seed[1].mean()) / math.sqrt(2))
    speakers = np.concatenate([made.predictions(r["cell"])["speaker"] for r in made.records[::2]])
    share = pd.Series(np.mean(by_seed, axis=0)).groupby(speakers).agg(["mean", "size"]).drop("")
    assert row.worst_speaker == pytest.approx(share[share["size"] >= 10]["mean"].min())
    assert (row.train_s, row.peak_mb) == (15, 200)
    seed = derive_seed("speech", "keywords", "loso", "interval")
    names = [r["parts"]["fold"] + made.predictions(r["cell"])["clip"] for r in made.records[::2]]
    order = np.argsort(np.concatenate(names))
    low_high = bootstrap(np.mean(by_seed, axis=0)[order], speakers[order], seed=seed)
    assert (row.accuracy_low, row.accuracy_high) == pytest.approx(low_high)
    macro = [
        score_cell(
            pd.concat([made.predictions(r["cell"]).assign(clip=lambda t, r=r: r["cell"] + t["clip"]) for r in cells]),
            made.labels,
        )["macro_f1"]
        for cells in (made.records[::2], made.records[1::2])
    ]
    assert row.macro_f1 == pytest.approx(np.mean(macro))


def test_rows_stand_in_the_recipes_order_whatever_their_names_or_figures(made):
    for entry, setting in (("wavception", ""), ("gmm", "k=8"), ("gmm", "k=16"), ("majority", "")):
        made.add(entry, setting=setting)
    made.add("wavception", corpus="other")
    table = table_of(made)
    assert list(table.model + table.setting + table.corpus) == [
        "wavceptionspeech", "gmmk=8speech", "gmmk=16speech", "majorityspeech", "wavceptionother",
    ]  # fmt: skip


def test_a_failed_cell_is_a_row_without_numbers(made):
    made.add("gmm")
    made.add("broken", status="out-of-memory", reason="passed 16000 MB")
    row = table_of(made).iloc[1]
    assert row.status == "out-of-memory" and row.model == "broken" and row.corpus == "speech"
    assert all(pd.isna(row[name]) for name in NUMBERS)
    assert list(table_of(made)["status"]) == ["ok", "out-of-memory"]


def test_all_failed_is_still_a_table(made):
    made.add("gmm", status="failed", reason="no")
    table = table_of(made)
    assert list(table["status"]) == ["failed"] and "gmm" in markdown("s", table, [])


@pytest.mark.parametrize(
    ("wrong", "status", "seeds"),
    [
        ({(FOLDS[0], 0): "failed"}, "failed (1 of 6)", 1),
        ({(FOLDS[0], 0): "timeout", (FOLDS[1], 0): "timeout"}, "timeout (2 of 6)", 1),
        ({(FOLDS[0], 0): "timeout", (FOLDS[1], 1): "out-of-memory"}, "failed (2 of 6)", None),
        ({(FOLDS[2], 1): None}, "missing (1 of 6)", 1),
    ],
)
def test_a_seed_counts_only_with_all_its_folds(made, wrong, status, seeds):
    for fold in FOLDS:
        for seed in (0, 1):
            made.add("floor", 0.1, fold=fold, seed=seed, split="loso")
            outcome = wrong.get((fold, seed), "ok")
            if outcome:
                made.add("gmm", fold=fold, seed=seed, split="loso", status=outcome)
    row = table_of(made).iloc[1]
    assert row.status == status
    if seeds is None:
        assert pd.isna(row.accuracy) and pd.isna(row.seeds)
    else:
        assert row.seeds == seeds and row.n_test == 720 and pd.isna(row.accuracy_sd_seeds)


def test_two_splits_of_one_name_are_not_mixed(made):
    for folds in (2, 3):
        for k in range(folds):
            fold = f"speakers/{k}-of-{folds}"
            made.add("gmm", fold=fold, split="speakers", settings={"split": {"scheme": "speakers", "folds": folds}})
    table = table_of(made)
    assert list(table["split"]) == ["speakers (folds=2)", "speakers (folds=3)"]
    assert list(table["n_test"]) == [480, 720] and set(table["status"]) == {"ok"}


def test_csv_keeps_shares_unrounded_and_whole_numbers_whole(made):
    made.add("gmm", 0.77)
    made.add("broken", status="failed")
    table = table_of(made)
    text = table.to_csv(index=False)
    back = pd.read_csv(io.StringIO(text))
    assert list(back.columns) == list(table.columns)
    assert back["accuracy"][0] == table["accuracy"][0] and 0 < back["accuracy"][0] < 1
    assert ",1000,240," in text and "1000.0" not in text and back.loc[1, list(NUMBERS)].isna().all()


def test_the_title_says_synthetic_speech(made):
    made.add("gmm", corpus="synthetic")
    assert table_title("all", table_of(made)) == "all: synthetic speech"
    made.add("gmm", corpus="speech")
    assert table_title("all", table_of(made)) == "all: in part synthetic speech"
    assert table_title("all", table_of(made)[1:]) == "all"
    assert "synthetic speech" in markdown("all", table_of(made)[:1], []).splitlines()[0]
    assert "synthetic speech" in latex("all", table_of(made)[:1], [])


def test_a_synthetic_cell_that_failed_early_is_synthetic_all_the_same(made):
    made.add("gmm", corpus="synthetic", status="failed")
    assert table_title("all", table_of(made)) == "all: synthetic speech"


def test_markdown_is_a_table_with_its_notes(made):
    made.add("gmm", setting="a|b", corpus="speech_v1")
    lines = markdown("s_t", table_of(made), ["first *note*", "second\nline"]).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3 and len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert r"gmm (a\|b)" in rows[2] and "314 k" in rows[2] and "7.2 M" in rows[2]
    assert lines[0] == "# s_t" and lines[-2:] == [r"1. first \*note\*", "2. second line"]


def test_latex_has_as_many_cells_as_columns_and_nothing_unescaped(made):
    made.add("gmm_hmm", setting="share=50%")
    made.add("cnn", seed=1)
    text = latex("a_b", table_of(made), ["100 % sure"])
    columns = re.search(r"\\begin\{tabular\}\{(l?r*)\}", text).group(1)
    body = text.split("\\toprule")[1].split("\\bottomrule")[0]
    for line in [line for line in body.splitlines() if line.endswith(r"\\")]:
        assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1
    assert r"gmm\_hmm (share=50\%)" in text and r"a\_b" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert not re.findall(r"(?<!\\)[_#]", body)


def test_rejection_of_words_heard_and_new_stands_where_it_was_measured(made):
    made.add("one", rejection={"heard": 40, "heard_right": 36, "new": 20, "new_right": 5}, seed=0)
    made.add("one", rejection={"heard": 40, "heard_right": 40, "new": 20, "new_right": 6}, seed=1)
    made.add("two")
    table = build_table(made.records, made.predictions).set_index("model")
    assert table.loc["one", "unknown_heard"] == 76 / 80 and table.loc["one", "unknown_new"] == 11 / 40
    assert table.loc["two", ["unknown_heard", "unknown_new"]].isna().all()
    text = markdown("study", table.reset_index(), [])
    assert "unknown: heard, new" in text and "95.0, 27.5" in text
    made.records = made.records[2:]
    assert "unknown: heard" not in markdown("study", build_table(made.records, made.predictions), [])


def test_words_that_were_never_heard_stand_apart_where_there_are_any(made):
    made.add("one", settings={"labels": {"unseen": ["no", "up"]}})
    made.add("two", settings={"labels": {"unseen": []}})
    table = build_table(made.records, made.predictions).set_index("model")
    answers = made.predictions(made.records[0]["cell"])
    right, new = answers["label"] == answers["predicted"], answers["label"].isin(["no", "up"])
    wanted = [right[~new].mean(), right[new].mean()]
    assert table.loc["one", ["accuracy_seen", "accuracy_unseen"]].tolist() == pytest.approx(wanted)
    assert table.loc["two", ["accuracy_seen", "accuracy_unseen"]].isna().all()
    text = markdown("study", table.reset_index(), [])
    assert "words: seen, unseen" in text and f"{100 * wanted[0]:.1f}, {100 * wanted[1]:.1f}" in text
    made.records = made.records[1:]
    assert "words: seen" not in markdown("study", build_table(made.records, made.predictions), [])


def test_what_settings_are_chosen_by_stands_where_every_fit_says_it(made):
    for seed, right in enumerate((6, 9)):
        rejected = {"heard": 10, "heard_right": 9, "new": 12, "new_right": right}
        made.add("one", seed=seed, validation={"accuracy": 0.8 + 0.1 * seed, "rejection": rejected})
    made.add("two", validation={"accuracy": 0.5}, seed=0)
    made.add("two", seed=1)  # from before it was kept
    table = build_table(made.records, made.predictions).set_index("model")
    assert table.loc["one", "validation_accuracy"] == pytest.approx(0.85)
    assert table.loc["one", "validation_unknown_heard"] == 0.9 and table.loc["one", "validation_unknown_new"] == 15 / 24
    assert table.loc["two", ["validation_accuracy", "validation_unknown_new"]].isna().all()
