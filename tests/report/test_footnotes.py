"""What stands under the table."""

import re

import pytest

from kwsbench.report import footnotes


def text_of(made) -> str:
    return "\n".join(footnotes(made.records))


def test_every_promise_is_there(made):
    record = made.add("gmm")
    notes = text_of(made)
    silence = sum(made.tables[record["cell"]]["label"] == "silence")
    for promised in (
        "Corpus speech (licence: CC BY 4.0): 1,000 training, 100 validation, 240 test clips; 12 test speakers",
        "Opus-coded.",
        "fingerprint print-hash, task task-hash",
        "No recording was quarantined.",
        "No recording stands in the split under two names.",
        "Unknown holds 3 words.",
        "over all 240 test clips, unknown and silence among them",
        f"without silence the accuracy is over {240 - silence} clips",
        "mean over the 6 labels",
        "at least 10 test clips",
        "draws whole speakers 10,000 times",
        "train is the fit alone",
        "Measured on Made-up CPU, 2 cores, no GPU; Python 3.11, torch 2.13.0.",
    ):
        assert promised in notes


def test_synthetic_speech_is_said(made):
    made.add("gmm", corpus="synthetic")
    assert "synthetic speech, no human voice" in text_of(made)


def test_models_that_were_trained_on_more_are_named(made):
    made.add("gmm")
    made.add("cnn")
    assert "Trained on" not in text_of(made)
    made.records[1]["task"] = made.records[1]["task"] | {"n_train": 1500}
    assert "Trained on 1,000 clips: gmm; on 1,500 clips: cnn." in text_of(made)


def test_quarantined_clips_are_counted_and_the_first_named(made):
    bad = [{"clip": f"up/{i}.wav", "path": f"/data/up/{i}.wav", "reason": "no samples"} for i in range(7)]
    made.add("gmm", quarantined=bad)
    made.add("cnn", quarantined=bad)
    note = next(note for note in footnotes(made.records) if "quarantined" in note)
    assert note.startswith("7 recordings quarantined") and "up/4.wav (no samples)" in note
    assert "up/5.wav" not in note and note.endswith("and 2 more.") and "/data" not in note


@pytest.mark.parametrize(("copies", "text"), [(194, "194 recordings stand"), (1, "1 recording stands")])
def test_duplicates_are_counted(made, copies, text):
    made.add("gmm", n_duplicates=copies)
    assert text in text_of(made)


def test_folds_add_up_and_every_fingerprint_is_named(made):
    for fold in ("loso/ann", "loso/bob"):
        made.add("gmm", fold=fold, split="loso")
    notes = text_of(made)
    assert "240 test clips in each of 2 folds; 24 test speakers" in notes
    assert "over all 480 test clips" in notes
    assert re.search(r"ann print-loso/ann, task \S+, bob print-loso/bob, task \S+\.", notes)


def test_speakers_that_folds_share_are_not_counted_again(made):
    for fold in ("leaky_random/1", "leaky_random/2"):
        made.add("gmm", fold=fold, split="leaky_random")
    notes = text_of(made)
    assert "narrower" not in notes  # 12 speakers each time, not 24, and 12 are enough
    assert "240 test clips in each of 2 folds; 12 test speakers, heard in training too" in notes


def test_few_speakers_and_one_speaker_are_pointed_out(made):
    made.add("gmm")
    made.records[0]["task"]["n_test_speakers"] = 6
    assert "with only 6 test speakers the interval is narrower" in text_of(made)
    made.records[0]["task"]["n_test_speakers"] = 1
    assert "one test speaker, hence no interval" in text_of(made)
    made.records[0]["task"]["n_test_speakers"] = 200
    assert "narrower" not in text_of(made) and "hence no interval" not in text_of(made)


def test_several_tasks_are_told_apart_and_general_notes_are_said_once(made):
    for corpus in ("one", "two"):
        made.add("gmm", corpus=corpus)
        made.add("cnn", corpus=corpus)
    notes = footnotes(made.records)
    assert sum(note.startswith("one, keywords, hash: Corpus one") for note in notes) == 1
    assert sum(note.startswith("two, keywords, hash: Corpus two") for note in notes) == 1
    assert sum("draws whole speakers" in note for note in notes) == 1
    assert len(set(notes)) == len(notes)


def test_failures_seeds_and_fit_notes_are_named(made):
    for seed in (0, 1):
        made.add("gmm", seed=seed)
        made.add("cnn", seed=seed, status="timeout", reason="passed its limit of 60 min\nmore")
    made.records[0]["fit"]["notes"] = ["3 words had not converged"]
    notes = text_of(made)
    assert "cnn: timeout in 2 cells: passed its limit of 60 min" in notes and "more" not in notes.split("60 min")[1]
    assert "means over 2 fits" in notes and "gmm: 3 words had not converged" in notes


def test_notes_of_some_folds_name_them(made):
    for fold in ("loso/ann", "loso/bob"):
        made.add("gmm", fold=fold, split="loso")
    made.records[0]["fit"]["notes"] = ["one word had not converged", "everywhere"]
    made.records[1]["fit"]["notes"] = ["everywhere"]
    notes = footnotes(made.records)
    assert "gmm (ann): one word had not converged" in notes and "gmm: everywhere" in notes


def test_notes_of_some_settings_name_them(made):
    for setting in ("mixtures=4, share=1", "mixtures=8, share=1"):
        made.add("gmm", setting=setting)
    made.records[0]["fit"]["notes"] = ["one word had not converged", "everywhere"]
    made.records[1]["fit"]["notes"] = ["everywhere"]
    notes = footnotes(made.records)
    assert "gmm (mixtures=4, share=1): one word had not converged" in notes and "gmm: everywhere" in notes


def test_nothing_but_failures_says_so(made):
    made.add("gmm", status="failed", reason="ValueError: no")
    assert "No cell has a result." in text_of(made) and "ValueError: no" in text_of(made)


def test_machines_that_differ_are_both_named(made):
    made.add("gmm")
    made.add("cnn", environment={"cpu": "Other", "gpu": "H200", "git_commit": "abcdef1234567890", "git_dirty": True})
    notes = text_of(made)
    assert "Measured on Other, GPU H200; revision abcdef123456 with changes." in notes and "Made-up CPU" in notes


def test_what_the_shares_of_rejected_clips_are_over(made):
    made.add("one", rejection={"heard": 40, "heard_right": 36, "new": 20, "new_right": 5})
    (note,) = [note for note in footnotes(made.records) if note.startswith("unknown: heard, new")]
    assert "the 40 unknown test clips" in note and "at least 10 training clips" in note and "the 20 of other" in note
    made.add("two")
    made.records = made.records[1:]
    assert not [note for note in footnotes(made.records) if note.startswith("unknown: heard, new")]


def test_which_words_models_were_only_told_how_to_spell(made):
    made.add("one", settings={"labels": {"unseen": ["no", "up"]}})
    (note,) = [note for note in footnotes(made.records) if note.startswith("words: seen, unseen")]
    assert "those of no, up, which" in note
