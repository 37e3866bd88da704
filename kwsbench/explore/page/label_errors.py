"""Clips whose label is in doubt: a list to play, and to give to a recipe."""

from __future__ import annotations

import pandas as pd

from kwsbench.explore.label_errors import MIN_CLIPS, Answers, can_be_found, label_errors, out_of_fold
from kwsbench.explore.material import Material
from kwsbench.explore.page.part import Part
from kwsbench.pages.blocks import scrolling
from kwsbench.pages.markup import Markup, tag
from kwsbench.pages.players import player
from kwsbench.wording import listed, percent, plural

TITLE = "Label errors"
SHOWN = 60  # of the most suspicious clips
PLAYED = 40  # of them, with a player
_FILE = "label_errors.csv"


def label_errors_part(material: Material, *, audio: bool = False) -> Part:
    """The most suspicious clips, how many of each word, and the whole list as a table; ``audio``: with players."""
    if not can_be_found():
        return Part(TITLE, tag("p", "Label errors are found by cleanlab: pip install 'kwsbench[explore]'."))
    answers = out_of_fold(material)
    if answers is None:
        told = f"Nothing is said of label errors: that takes two words of at least {MIN_CLIPS} clips each."
        return Part(TITLE, tag("p", told))
    table = label_errors(material, answers)
    doubtful = table[table["issue"]].reset_index(drop=True)
    kept = doubtful.drop(columns="issue").round({"probability": 5, "suggested_probability": 5, "margin": 5})
    body = tag(
        "div",
        tag("p", _finding(doubtful, answers), class_="lead"),
        tag("p", _how(answers)),
        tag("p", _left_out(answers)) if answers.left_out else None,
        _suspects(material, doubtful, audio) if len(doubtful) else None,
        _by_word(table) if len(doubtful) else None,
        _use(),
    )
    return Part(TITLE, body, [_finding(doubtful, answers)], {"label_errors": kept})


def _finding(doubtful: pd.DataFrame, answers: Answers) -> str:
    n = len(answers.clips)
    if not len(doubtful):
        return f"No label of {n:,} clips is in doubt by confident disagreement."
    first = doubtful.iloc[0]
    return (
        f"The label of {plural(len(doubtful), 'clip')} of {n:,} ({percent(len(doubtful) / n)} %) is in doubt: a "
        f"classifier that never heard the {answers.apart} disagrees, and is sure; it has {percent(answers.accuracy)} % "
        f"of all clips right. The first is {first['clip']}, labelled {first['word']}, rather {first['suggested']}."
    )


def _how(answers: Answers) -> str:
    return (
        f"Confident learning (Northcutt, Jiang and Chuang, JAIR 70, 2021), as cleanlab has it: {answers.method}, "
        f"{percent(answers.accuracy)} % of the clips right by their labels (log loss {answers.log_loss:.3f} nats), in "
        f"{answers.n_folds} folds. Where it errs and is sure, a right label is on the list: listen before "
        "you believe it."
    )


def _left_out(answers: Answers) -> str:
    words = listed(f"{word} ({n})" for word, n in answers.left_out.items())
    return f"Left out, with fewer than {MIN_CLIPS} clips or one speaker: {words}."


def _suspects(material: Material, doubtful: pd.DataFrame, audio: bool) -> Markup:
    heads = [*(("play",) if audio else ()), "clip", "speaker", "label", "rather", "label, %", "rather, %"]
    numbers = {"label, %", "rather, %"}
    lines = []
    for i, row in enumerate(doubtful.head(SHOWN).itertuples()):
        name = f"{row.clip}, labelled {row.word}"
        heard = [tag("td", _player(material, str(row.clip), name) if i < PLAYED else None)] if audio else []
        cells = [
            tag("td", tag("code", row.clip)),
            tag("td", row.speaker),
            tag("td", row.word),
            tag("td", row.suggested),
        ]
        shares = [percent(row.probability), percent(row.suggested_probability)]
        lines.append(tag("tr", heard, cells, [tag("td", share, class_="number") for share in shares]))
    head = tag("tr", [tag("th", text, scope="col", class_="number" if text in numbers else None) for text in heads])
    told = f"The {plural(min(SHOWN, len(doubtful)), 'clip')} most in doubt of {len(doubtful):,}; all are in {_FILE}."
    table = tag("table", tag("caption", told), tag("thead", head), tag("tbody", lines))
    return scrolling("The clips most in doubt", table)


def _player(material: Material, clip: str, name: str) -> Markup:
    recordings = material.sound.recordings
    return player(recordings.samples(clip), int(recordings.table["rate"][clip]), name)


def _by_word(table: pd.DataFrame) -> Markup:
    """How many clips of each word are in doubt, and what they are rather."""
    doubtful = table[table["issue"]]
    counts = table.groupby("word").agg(clips=("clip", "size"), doubtful=("issue", "sum"))
    lines = []
    for word, row in counts.sort_values(["doubtful", "clips"], ascending=False).iterrows():
        rather = doubtful.loc[doubtful["word"] == word, "suggested"].value_counts().head(3)
        told = ", ".join(f"{other} ({n})" for other, n in rather.items())
        numbers = [f"{row['clips']:,}", f"{row['doubtful']:,}", percent(row["doubtful"] / row["clips"])]
        cells = [tag("td", text, class_="number") for text in numbers]
        lines.append(tag("tr", tag("th", word, scope="row"), cells, tag("td", told)))
    heads = [tag("th", text, scope="col", class_="number") for text in ("clips", "in doubt", "%")]
    head = tag("tr", tag("th", "Word", scope="col"), heads, tag("th", "rather", scope="col"))
    table_ = tag("table", tag("caption", "By word, with the three that are suggested most."), tag("thead", head),
                 tag("tbody", lines))  # fmt: skip
    return scrolling("Doubtful labels by word", table_)


def _use() -> Markup:
    recipe = f"exclude: {{file: {_FILE}, sides: [test]}}"
    return tag(
        "p",
        "In a recipe beside it, ", tag("code", recipe), " scores every model on the whole test and on the test "
        "without these clips; ", tag("code", f"exclude: {_FILE}"), " takes them out of training and validation too. "
        "The list was made by a classifier, and clips that it cannot recognise are on it: a test without them flatters "
        "models, the most those that are like it.",
    )  # fmt: skip
