"""Whether the detectors of this page find faults that were put into the corpus."""

from dataclasses import replace

import pandas as pd

from kwsbench.explore.faults import LABEL, SOFT, flagged_by, found, inject
from kwsbench.explore.material import Material
from kwsbench.explore.page.part import Part
from kwsbench.pages.blocks import scrolling, shaded
from kwsbench.pages.markup import tag
from kwsbench.sound import Sound
from kwsbench.wording import listed, percent, plural

TITLE = "Injected faults"
A_WORD = 400  # clips of each word that are looked at
SHARE = 0.01


def faults_part(material: Material, share: float = SHARE) -> Part:
    """Precision and recall of each detector on a sample of the corpus with faults in a ``share`` of its clips."""
    sample = _sampled(material)
    if len(sample.clips) < 2:
        return Part(TITLE, tag("p", "No faults are injected: that takes two clips."))
    faulty = inject(sample, share, seed=material.seed)
    table = found(faulty.truth, flagged_by(faulty.material), flagged_by(sample))
    table = table[table["injected"] > 0].reset_index(drop=True)
    finding = _finding(table)
    lines = [
        tag(
            "tr",
            tag("th", row["fault"], scope="row"),
            [tag("td", f"{row[name]:,}", class_="number") for name in ("injected", "flagged", "found")],
            shaded(row["precision"]),
            shaded(row["recall"]),
        )
        for row in table.to_dict("records")
    ]
    heads = ("injected", "flagged", "found", "precision, %", "recall, %")
    numbers = [tag("th", text, scope="col", class_="number") for text in heads]
    head = tag("tr", tag("th", "Fault", scope="col"), numbers)
    told = (
        "Clips. Flagged: without those that are flagged before any fault is injected, and those that have an injected "
        "fault of another kind."
    )
    body = tag(
        "div",
        tag("p", finding, class_="lead"),
        tag("p", _how(sample, material, share)),
        scrolling(TITLE, tag("table", tag("caption", told), tag("thead", head), tag("tbody", lines))),
    )
    return Part(TITLE, body, [finding] if len(table) else [], {"injected_faults": table})


def _sampled(material: Material) -> Material:
    clips = material.sample("faults", A_WORD).reset_index(drop=True)
    sound = material.sound
    return replace(material, sound=Sound(replace(sound.corpus, clips=clips), sound.recordings, sound.quarantined))


def _finding(table: pd.DataFrame) -> str:
    if not len(table):
        return "No fault could be injected."
    told = listed(
        f"{row['fault']}: {row['found']:,} of {row['injected']:,} ({percent(row['recall'])} %), and of what is flagged "
        f"{percent(row['precision'])} % was injected"
        for row in table.to_dict("records")
    )
    return f"Of the injected faults are found, by kind: {told}."


def _how(sample: Material, material: Material, share: float) -> str:
    drawn = (
        f"all {plural(len(sample.clips), 'clip')}"
        if len(sample.clips) == len(material.clips)
        else f"{len(sample.clips):,} of {len(material.clips):,} clips drawn by chance, at most {A_WORD} a word"
    )
    return (
        f"Into {drawn}, three faults are put, each in {percent(share)} %: {LABEL}; the same recording again under "
        "another speaker, up to 6 dB louder or softer and up to 20 ms moved (both are at fault, since neither says "
        f"that it is the copy); silence, half of it zeros and half noise of {SOFT:g} steps of 16 bits."
    )
