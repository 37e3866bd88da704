"""The comparison as a table: for programs (CSV), for reading (Markdown) and for papers (LaTeX)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kwsbench.report.measures import PHASES
from kwsbench.report.rows import TASK, Predictions, Record, Row, gather, synthetic
from kwsbench.report.verdict import Verdict, in_words, verdicts
from kwsbench.wording import amount, count, duration, measure, percent, plural, with_interval

FIRST_COLUMNS = (
    "model", "corpus", "labels", "split", "n_train", "n_test", "n_test_speakers", "accuracy", "accuracy_low",
    "accuracy_high", "macro_f1", "worst_speaker", "params", "macs", "train_s", "ms_per_clip", "peak_mb", "seeds",
    "status",
)  # fmt: skip
COLUMNS = (
    *FIRST_COLUMNS, "setting", "folds", "accuracy_without_silence", "accuracy_sd_seeds", "log_loss",
    "worst_speaker_name", *PHASES[1:], "cpu_s", "gpu_s", "synthetic", "split_fingerprint",
    "model_bytes", "int8_accuracy", "int8_bytes", "unknown_heard", "unknown_new", "accuracy_seen", "accuracy_unseen",
    "ties", "macro_f1_low", "macro_f1_high", "log_loss_low", "log_loss_high", "ece",
    "temperature", "log_loss_calibrated", "ece_calibrated", "equal_error", "keyword_equal_error", "worst_tenth",
    "error_speakers", "error_seeds", "error_folds", "train_j", "mj_per_clip", "validation_accuracy",
    "validation_unknown_heard", "validation_unknown_new",
)  # fmt: skip
_WHOLE = ("n_train", "n_test", "n_test_speakers", "params", "macs", "seeds", "folds", "model_bytes", "int8_bytes")
_TEXT = ("model", "corpus", "labels", "split", "status", "setting", "worst_speaker_name", "split_fingerprint", "ties")


def build_table(records: Sequence[Record], predictions: Predictions) -> pd.DataFrame:
    """One row a (corpus, split, labels, model entry, setting), shares in 0..1 and unrounded, columns ``COLUMNS``.

    Parameters
    ----------
    records : one a cell, in the recipe's order; see ``rows``.
    predictions : cell → its table of predictions.
    """
    rows = gather(records, predictions)
    return tabulate(rows, verdicts(rows))


def tabulate(rows: Sequence[Row], found: Mapping[tuple[str, str, str], Verdict]) -> pd.DataFrame:
    """The table of rows gathered before, and of the verdicts on them."""
    ties = {
        (task, row.name): letters
        for task, verdict in found.items()
        for row, letters in zip(verdict.rows, verdict.letters, strict=True)
    }
    lines = []
    for row in rows:
        named = row.named | {"model": row.model, "setting": row.setting}
        prints = sorted({r["split_fingerprint"] for r in row.records if "split_fingerprint" in r})
        origin = {"synthetic": any(synthetic(r) for r in row.records), "split_fingerprint": " ".join(prints)}
        told = {"worst_speaker_name": "", "ties": ties.get((row.task, row.name), "")}
        lines.append({**told, **row.values, **named, **origin, "status": row.status})
    table = pd.DataFrame(lines, columns=pd.Index(COLUMNS))
    kinds = {name: "Int64" if name in _WHOLE else "float64" for name in COLUMNS if name not in _TEXT}
    return table.astype({**kinds, "synthetic": "bool"})


@dataclass(frozen=True)
class Column:
    """A column for reading.

    Attributes
    ----------
    title, text : its head, and its text from a row of the table.
    goes : how soon it goes where there is no room; high goes first.
    needs : a column of the table without which there is nothing to read.
    """

    title: str
    text: Callable[[Any], str]
    goes: int = 0
    needs: str = "accuracy"


READING = (
    Column("accuracy % [95 %]", lambda row: with_interval(row.accuracy, row.accuracy_low, row.accuracy_high)),
    Column("ties", lambda row: row.ties, goes=1),
    Column("macro F1", lambda row: percent(row.macro_f1), goes=4),
    Column(
        "unknown: heard, new",
        lambda row: ", ".join(percent(share) for share in (row.unknown_heard, row.unknown_new)),
        goes=8,
        needs="unknown_new",
    ),
    Column(
        "words: seen, unseen",
        lambda row: ", ".join(percent(share) for share in (row.accuracy_seen, row.accuracy_unseen)),
        goes=8,
        needs="accuracy_unseen",
    ),
    Column("worst spk", lambda row: percent(row.worst_speaker), goes=3),
    Column("params", lambda row: amount(row.params), goes=2),
    Column("MACs", lambda row: amount(row.macs), goes=5),
    Column("train", lambda row: duration(row.train_s), goes=1),
    Column("ms/clip", lambda row: measure(row.ms_per_clip), goes=6),
    Column("train J", lambda row: amount(row.train_j), goes=9, needs="train_j"),
    Column("mJ/clip", lambda row: measure(row.mj_per_clip), goes=10, needs="mj_per_clip"),
    Column("peak MB", lambda row: count(row.peak_mb), goes=7),
)


def tasks_of(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each task of the table with a line that names it and counts its clips, in order."""
    for (corpus, labels, split), rows in table.groupby(TASK, sort=False):
        yield f"{corpus}, {labels}, {split} split{_counted(rows)}", rows


def _counted(rows: pd.DataFrame) -> str:
    done = rows[rows["n_test"].notna()]
    if done.empty:
        return ""
    train, test, speakers = (sorted({int(n) for n in done[c]}) for c in ("n_train", "n_test", "n_test_speakers"))
    trained = " or ".join(f"{n:,}" for n in train)
    folds = int(done["folds"].max())
    a_fold = f" in the mean of {folds} folds" if folds > 1 else ""
    tested = f"{plural(test[-1], 'test clip')}, {plural(speakers[-1], 'test speaker')}"
    return f": {trained} training clips{a_fold}, {tested}"


def names_of(rows: pd.DataFrame) -> list[str]:
    """How each row of a task is called: the model, and its setting if it has one."""
    pairs = zip(rows["model"], rows["setting"], strict=True)
    return [f"{model} ({setting})" if setting else model for model, setting in pairs]


def table_title(study: str, table: pd.DataFrame) -> str:
    """The study's name; says where its speech is synthetic."""
    made = table["synthetic"]
    speech = "" if not made.any() else "synthetic speech" if made.all() else "in part synthetic speech"
    return ": ".join(part for part in (study, speech) if part)


def reading_cells(rows: pd.DataFrame, columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Titles, and the texts of each row, of columns for reading; a last one says what went wrong, if anything did."""
    wrong = (rows["status"] != "ok").any()
    several = (rows["seeds"].fillna(1) > 1).any()
    columns = [c for c in columns if c.needs == "accuracy" or rows[c.needs].notna().any()]
    titles = ["model", *(c.title for c in columns), *(["seeds"] if several else []), *(["status"] if wrong else [])]
    cells = []
    for name, row in zip(names_of(rows), rows.itertuples(), strict=True):
        extra = ([count(row.seeds)] if several else []) + ([str(row.status)] if wrong else [])
        cells.append([name, *(column.text(row) for column in columns), *extra])
    return titles, cells


def markdown(
    study: str,
    table: pd.DataFrame,
    notes: Sequence[str],
    found: Mapping[tuple[str, str, str], Verdict] | None = None,
) -> str:
    """The table as GitHub reads it, one a task, with the verdict above it and the footnotes below."""
    lines = [f"# {_plain(table_title(study, table))}", ""]
    for heading, rows in tasks_of(table):
        titles, cells = reading_cells(rows, READING)
        lines += [f"## {_plain(heading)}", "", *_said(rows, found or {}), _markdown_row(titles)]
        lines += [_markdown_row([":--", *["--:"] * (len(titles) - 1)])]
        lines += [*(_markdown_row([_plain(cell) for cell in row]) for row in cells), ""]
    return "\n".join([*lines, *(f"{i}. {_plain(note)}" for i, note in enumerate(notes, 1)), ""])


def _said(rows: pd.DataFrame, found: Mapping[tuple[str, str, str], Verdict]) -> list[str]:
    """The verdict on the task of these rows, a paragraph, where there is one."""
    corpus, labels, split = rows.iloc[0][TASK]
    verdict = found.get((corpus, labels, split))
    return [_plain(" ".join(in_words(verdict))), ""] if verdict else []


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is; an underscore within a word needs no help."""
    return re.sub(r"[\\`*|<>]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", " ".join(text.split()))


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--",
    "×": r"$\times$", "÷": r"$\div$", "≥": r"$\ge$", "−": "$-$", "·": r"$\cdot$",
}  # fmt: skip


def latex(study: str, table: pd.DataFrame, notes: Sequence[str]) -> str:
    """The table for a paper, one ``table`` environment a task; needs the package booktabs."""
    title = _tex(table_title(study, table))
    blocks = ["% needs \\usepackage{booktabs}"]
    for heading, rows in tasks_of(table):
        titles, cells = reading_cells(rows, READING)
        lines = [" & ".join(_tex(cell) for cell in row) + r" \\" for row in cells]
        blocks += [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{title}. {_tex(heading)}.}}",
            rf"\begin{{tabular}}{{l{'r' * (len(titles) - 1)}}}",
            r"\toprule",
            " & ".join(_tex(name) for name in titles) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join([*blocks, *(f"% {' '.join(note.split())}" for note in notes), ""])


def _tex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)
