"""What a reader must know to believe a table: sentences under it."""

from collections.abc import Iterable, Sequence

from kwsbench.evaluate.bootstrap import DRAWS
from kwsbench.evaluate.metrics import MIN_CLIPS
from kwsbench.labels import HEARD_CLIPS
from kwsbench.report.measures import unseen_words
from kwsbench.report.rows import Record, by_task, leaky, synthetic
from kwsbench.silence import SILENCE
from kwsbench.streaming import CHOSEN_AT
from kwsbench.wording import machine_text, plural

FEW_SPEAKERS = 10
_NAMED = 5


def footnotes(records: Sequence[Record]) -> list[str]:
    """Corpus, counts, split, quarantine, duplicates, denominators, interval, clocks, machine, and what failed.

    Parameters
    ----------
    records : one a cell; those of failed cells add their reason only.
    """
    tasks = by_task(records)
    notes: list[str] = []
    found = {", ".join(task): _task_notes(group) for task, group in tasks.items()}
    for task, own in found.items():
        # what is true of all tasks is said once, and of none by name
        notes += [note if all(note in other for other in found.values()) else f"{task}: {note}" for note in own]
    whole = [record for record in records if record["status"] == "ok"]
    notes += _method_notes(whole) if whole else []
    notes += [f"Measured on {text}." for text in machines(records)]
    return _once([*notes, *_fit_notes(whole), *_failure_notes(records)])


def machines(records: Iterable[Record]) -> list[str]:
    """Each machine and software that the records were made on, in words."""
    return _once(machine_text(record["environment"]) for record in records if record.get("environment"))


def failures(records: Iterable[Record]) -> dict[tuple[str, str, str], list[Record]]:
    """Cells without a result, by (model, status, reason)."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        if record["status"] != "ok":
            name = ", ".join(filter(None, (record["parts"]["entry"], record["parts"]["setting"])))
            groups.setdefault((name, record["status"], record.get("reason", "")), []).append(record)
    return groups


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _task_notes(records: list[Record]) -> list[str]:
    whole = [record for record in records if record["status"] == "ok"]
    if not whole:
        return ["No cell has a result."]
    folds = list({record["parts"]["fold"]: record for record in whole}.values())
    notes = [
        _corpus_note(whole, folds),
        *_training_notes(whole, folds[0]),
        *_cut_notes(folds[0]),
        *(note for record in folds for note in record["corpus_notes"]),
    ]
    notes += [_split_note(folds), _quarantine_note(folds), _duplicates_note(folds)]
    notes += [note for record in folds for note in record["task"]["notes"]]
    return _once([*notes, _denominator_note(folds), *_rejection_notes(whole), *_unseen_notes(whole)])


def _corpus_note(whole: list[Record], folds: list[Record]) -> str:
    record = folds[0]
    speech = "synthetic speech, no human voice; " if synthetic(record) else ""
    sizes = []
    for side, key in (("training", "n_train"), ("validation", "n_validation"), ("test", "n_test")):
        counts = sorted({found["task"][key] for found in whole})
        sizes.append(f"{counts[0]:,}{f' to {counts[-1]:,}' if len(counts) > 1 else ''} {side}")
    speakers = _test_speakers(folds)
    a_fold = f" in each of {len(folds)} folds" if len(folds) > 1 else ""
    apart = not leaky(record["parts"]["split"])
    heard = "none of them heard in training or validation" if apart else "heard in training too"
    return (
        f"Corpus {record['parts']['corpus']} ({speech}licence: {record['licence'] or 'not stated'}): "
        f"{', '.join(sizes)} clips{a_fold}; {plural(speakers, 'test speaker')}, {heard}."
    )


def _test_speakers(folds: Sequence[Record]) -> int:
    """Speakers of all folds' tests: apart they add up, where clips are drawn at random each fold has about all."""
    counts = {record["parts"]["fold"]: record["task"]["n_test_speakers"] for record in folds}
    shared = any(leaky(record["parts"]["split"]) for record in folds)
    return max(counts.values()) if shared else sum(counts.values())


def _training_notes(whole: list[Record], fold: Record) -> list[str]:
    """Who was trained on how many clips, where models of one fold differ; the recipe gave them labels of their own."""
    sizes: dict[int, list[str]] = {}
    for record in whole:
        if record["parts"]["fold"] == fold["parts"]["fold"]:
            sizes.setdefault(record["task"]["n_train"], []).append(record["parts"]["entry"])
    parts = [f"{n:,} clips: {', '.join(_once(entries))}" for n, entries in sorted(sizes.items())]
    first = " (in the first fold)" if len({record["parts"]["fold"] for record in whole}) > 1 else ""
    return [f"Trained on{first} {'; on '.join(parts)}."] if len(parts) > 1 else []


def _cut_notes(fold: Record) -> list[str]:
    """What was taken from the training side, where something was."""
    split = fold.get("settings", {}).get("split", {})
    parts = []
    if isinstance(n := split.get("train_speakers"), int):
        parts.append(f"to the clips of {plural(n, 'speaker')}, first of those who together say every word")
    if isinstance(n := split.get("train_clips"), int):
        parts.append(f"to at most {plural(n, 'clip')} of each word")
    return [f"The training side is cut down {' and '.join(parts)}; validation and test are whole."] if parts else []


def _split_note(folds: list[Record]) -> str:
    split = folds[0]["parts"]["split"]
    if len(folds) == 1:
        return f"Split {split}: fingerprint {folds[0]['split_fingerprint']}, task {folds[0]['task']['fingerprint']}."
    prints = ", ".join(
        f"{r['parts']['fold'].rpartition('/')[2]} {r['split_fingerprint']}, task {r['task']['fingerprint']}"
        for r in folds
    )
    return f"Split {split}, {len(folds)} folds, each tested once and pooled; fingerprints: {prints}."


def _quarantine_note(folds: list[Record]) -> str:
    bad = {item["clip"]: item["reason"] for record in folds for item in record["quarantined"]}
    if not bad:
        return "No recording was quarantined."
    named = [f"{clip} ({' '.join(reason.split())})" for clip, reason in list(bad.items())[:_NAMED]]
    more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return f"{plural(len(bad), 'recording')} quarantined, on no side: {'; '.join(named)}{more}."


def _duplicates_note(folds: list[Record]) -> str:
    copies = max(record["n_duplicates"] for record in folds)
    if not copies:
        return "No recording stands in the split under two names."
    stand = "stands" if copies == 1 else "stand"
    return f"{plural(copies, 'recording')} {stand} in the split again under another name, never on another side."


def _denominator_note(folds: list[Record]) -> str:
    metrics = [record["metrics"] for record in folds]
    clips, spoken = (sum(found[key] for found in metrics) for key in ("n_test", "n_without_silence"))
    occurring = {
        label
        for record in folds
        for label, row in zip(record["label_names"], record["metrics"]["confusion"], strict=True)
        if sum(row)
    }
    silence = f"; without silence the accuracy is over {plural(spoken, 'clip')}" if spoken < clips else ""
    others = [label for label in ("unknown", SILENCE) if label in occurring]
    counted = f", {' and '.join(others)} among them" if others else ""
    return (
        f"Accuracy is over all {plural(clips, 'test clip')}{counted}{silence}; macro F1 is the mean over the "
        f"{plural(len(occurring), 'label')} that occur in the test; worst speaker is the lowest accuracy of a speaker "
        f"with at least {MIN_CLIPS} test clips (of any speaker where none has so many)."
    )


def _rejection_notes(whole: list[Record]) -> list[str]:
    """Over how many clips the shares of unknown clips that were rejected are, where they were measured."""
    found = [record["rejection"] for record in whole if record.get("rejection", {}).get("new")]
    if not found:
        return []
    heard, new = (" or ".join(f"{n:,}" for n in sorted({one[kind] for one in found})) for kind in ("heard", "new"))
    return [
        f"unknown: heard, new: shares of the {heard} unknown test clips of words with at least {HEARD_CLIPS} "
        f"training clips, and of the {new} of other words, that are answered by unknown."
    ]


def _unseen_notes(whole: list[Record]) -> list[str]:
    """What the accuracy on words never heard is of, where there are any."""
    unseen = unseen_words(whole)
    if not unseen:
        return []
    return [
        f"words: seen, unseen: accuracy on the test clips of words heard in training, and on those of "
        f"{', '.join(unseen)}, which models were only told how to spell."
    ]


def _method_notes(whole: list[Record]) -> list[str]:
    seeds = {record["parts"]["seed"] for record in whole}
    mean = f" Figures are means over {len(seeds)} fits with different seeds." if len(seeds) > 1 else ""
    notes = [
        f"95 % interval: BCa bootstrap that draws whole speakers {DRAWS:,} times (a clip without a speaker is drawn by "
        f"itself); it speaks of other speakers, not of another fit.{mean}"
    ]
    for task, group in by_task(whole).items():
        speakers, name = _test_speakers(group), ", ".join(task)
        if speakers == 1:
            notes.append(f"{name}: one test speaker, hence no interval: nothing is known about how speakers differ.")
        elif 1 < speakers < FEW_SPEAKERS:
            notes.append(f"{name}: with only {speakers} test speakers the interval is narrower than it should be.")
    if any("robustness" in record for record in whole):
        notes.append(
            "Robustness: fitted models answer corrupted copies of the test clips, the same for every model of a task. "
            "Noise is mixed in at ratios to each clip's own mean power and leaves silence as it is; noise recordings "
            "are those held out for the test."
        )
    return notes + _stream_notes(whole) + _cost_notes() + _energy_notes(whole)


def _stream_notes(whole: list[Record]) -> list[str]:
    """How the streams of each task were made."""
    notes = []
    for task, group in by_task(whole).items():
        made = {record["parts"]["fold"]: record["streaming"] for record in group if "streaming" in record}
        if not made:
            continue
        first, short = next(iter(made.values())), next(iter(made.values()))["short"]
        low, high = first["snr_db"]
        above = f"{low:g} to {high:g} dB above {first['background']}"
        of_folds = f"in each of {len(made)} folds, " if len(made) > 1 else ""
        notes.append(
            f"{', '.join(task)}: streams are the same for every model: {of_folds}{first['hours']:g} h with "
            f"{plural(first['n_words'], 'word')} of the test side, {first['n_events']:,} of them keywords, "
            f"{above}; and {short['seconds']:,.0f} s with {short['n_events']} keywords (as many as in MLPerf Tiny's "
            f"streaming wake word), heard at the threshold that gives at most {CHOSEN_AT:g} false alarm an hour on the "
            "long stream. Posteriors of windows of the clips' length, first seed."
        )
    return notes


def _cost_notes() -> list[str]:
    return [
        "params are learned numbers, MACs multiply-adds to score one clip; train is the fit alone and ms/clip the "
        "scoring alone (reading, features, warm-up and compilation have clocks of their own, see table.csv); peak MB "
        "is the most memory that a cell's process held.",
    ]


def _energy_notes(whole: list[Record]) -> list[str]:
    """What counted the joules, where anything did."""
    found = [record["energy"]["source"] for record in whole if record.get("energy")]
    if not found:
        return []
    some = f" in {len(found)} of {len(whole)} cells" if len(found) < len(whole) else ""
    return [
        f"train J and mJ/clip are the energy of the fit alone and of the scoring alone, counted by "
        f"{', '.join(sorted(set(found)))}{some}: that of the whole machine, idle or with other work beside."
    ]


def _fit_notes(whole: list[Record]) -> list[str]:
    """What fits have to say, by entry; of which settings and folds, where the others do not say it."""
    single = len({record["parts"]["fold"] for record in whole}) == 1
    places: dict[str, list[str]] = {}
    by_entry: dict[str, dict[str, list[str]]] = {}
    for record in whole:
        parts = record["parts"]
        entry, fold = parts["entry"], "" if single else parts["fold"].rpartition("/")[2]
        place = " ".join(filter(None, (parts["setting"], fold)))
        places.setdefault(entry, []).append(place)
        for note in record["fit"]["notes"]:
            by_entry.setdefault(entry, {}).setdefault(note, []).append(place)
    notes = []
    for entry, found in by_entry.items():
        for note, where in list(found.items())[:_NAMED]:
            some = [] if set(where) == set(places[entry]) else _once(where)
            told = f" ({'; '.join(some[:_NAMED])}{'; …' if len(some) > _NAMED else ''})" if some else ""
            notes.append(f"{entry}{told}: {note}")
        if len(found) > _NAMED:
            notes.append(f"{entry}: {len(found) - _NAMED} more notes of this kind stand in its cells' records.")
    return notes


def _failure_notes(records: Sequence[Record]) -> list[str]:
    notes = []
    for (name, status, reason), group in failures(records).items():
        first = " ".join(reason.strip().splitlines()[:1]) or "no reason is recorded"
        notes.append(f"{name}: {status} in {plural(len(group), 'cell')}: {first}")
    return notes
