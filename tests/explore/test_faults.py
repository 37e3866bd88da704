"""Faults that are put into a corpus are there, and are found."""

from dataclasses import replace

import numpy as np
import pytest

from kwsbench.explore import faults
from kwsbench.explore.faults import COPIES, COPY, LABEL, SILENT, found, inject
from kwsbench.explore.label_errors import label_errors, out_of_fold
from kwsbench.explore.material import Material
from kwsbench.explore.page.faults import faults_part
from kwsbench.explore.silence_check import loudest_dbfs, silent_clips
from kwsbench.sound import Places, Sound, read_sound


@pytest.fixture(scope="module")
def material(tone_tree, tmp_path_factory):
    sound = read_sound("speech_commands_v0.01", Places(tone_tree.parent, tmp_path_factory.mktemp("cache")))
    return Material(sound, workers=1)


@pytest.fixture(scope="module")
def faulty(material):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults, "MIN_CLIPS", 10)
        return inject(material, 0.05, seed=3)


def of(faulty, fault):
    return faulty.truth[faulty.truth["fault"] == fault]


def test_each_kind_has_its_share_and_no_clip_two_of_them(material, faulty):
    assert faulty.truth["fault"].value_counts().to_dict() == {LABEL: 4, SILENT: 4, COPY: 8}
    assert faulty.truth["clip"].is_unique and len(faulty.material.clips) == len(material.clips) + 4
    before, after = (m.clips.set_index("clip") for m in (material, faulty.material))
    wrong = of(faulty, LABEL)
    assert list(before["word"][wrong["clip"]]) == list(wrong["was"])
    assert (after["word"][wrong["clip"]].to_numpy() != wrong["was"].to_numpy()).all()
    rest = before.index.difference(wrong["clip"])
    assert after.loc[rest, ["word", "speaker"]].equals(before.loc[rest, ["word", "speaker"]])


def test_a_copy_is_the_same_word_of_another_speaker_louder_and_moved(material, faulty):
    clips = faulty.material.clips.set_index("clip")
    copies = [row for row in of(faulty, COPY).itertuples() if row.clip.startswith(COPIES)]
    for row in copies:
        assert clips["word"][row.clip] == clips["word"][row.was]
        assert clips["speaker"][row.clip] != clips["speaker"][row.was]
        copy, source = faulty.material.signal(row.clip), material.signal(row.was)
        assert len(copy) == len(source) and not np.array_equal(copy, source)
        products = np.correlate(copy, source, "full") / np.sqrt((copy**2).sum() * (source**2).sum())
        assert products.max() > 0.99 and abs(int(products.argmax()) - len(source) + 1) <= 0.02 * 16000
        assert 0.5 <= np.sqrt((copy**2).sum() / (source**2).sum()) <= 2
        hashes = faulty.material.sound.recordings.table["sha256"]
        assert hashes[row.clip] != hashes[row.was]


def test_silence_is_zeros_or_soft_noise_and_is_found(material, faulty):
    silent = set(of(faulty, SILENT)["clip"])
    peaks = sorted(np.abs(faulty.material.signal(clip)).max() for clip in silent)
    assert peaks[:2] == [0, 0] and 0 < peaks[2] <= peaks[3] < 20 / 32768
    assert silent_clips(faulty.material) == silent and silent_clips(material) == set()


def test_levels_have_closed_forms():
    t = np.arange(16000) / 16000
    sine = np.sin(2 * np.pi * 400 * t)
    assert loudest_dbfs(sine, 16000) == pytest.approx(-3.01, abs=0.01)
    assert loudest_dbfs(0.001 * sine + 0.5, 16000) == pytest.approx(-63.01, abs=0.01)  # a constant is not heard
    assert loudest_dbfs(np.concatenate([np.zeros(16000), 0.1 * sine]), 16000) == pytest.approx(-23.01, abs=0.05)
    assert loudest_dbfs(np.zeros(10), 16000) == loudest_dbfs(np.zeros(0), 16000) == float("-inf")


def test_nothing_is_written_and_processes_hear_the_faults_too(material, faulty):
    several = replace(faulty.material, workers=2)
    levels = several.measure("levels", loudest_dbfs, rate=None)
    assert levels == faulty.material.measure("levels", loudest_dbfs, rate=None)
    again, same = inject(material, 0.05, seed=3), inject(material, 0.05, seed=3)
    assert same.truth.equals(again.truth) and not inject(material, 0.05, seed=4).truth.equals(again.truth)
    clip = of(again, SILENT)["clip"].iloc[1]
    assert np.array_equal(again.material.signal(clip), same.material.signal(clip))
    with pytest.raises(NotImplementedError):
        faulty.material.sound.recordings.all_samples()


def test_precision_and_recall_by_hand(faulty):
    own, silent = list(of(faulty, LABEL)["clip"]), list(of(faulty, SILENT)["clip"])
    rest = sorted(set(faulty.material.clips["clip"]) - set(faulty.truth["clip"]))
    flagged = {LABEL: {*own[:3], rest[0], rest[1], silent[0]}, SILENT: set()}
    line, none = found(faulty.truth, flagged).to_dict("records")
    assert (line["injected"], line["flagged"], line["found"]) == (4, 5, 3)
    assert line["precision"] == 3 / 5 and line["recall"] == 3 / 4
    assert none["recall"] == 0 and np.isnan(none["precision"])
    known = found(faulty.truth, flagged, {LABEL: {rest[0], own[0]}}).iloc[0]
    assert (known["flagged"], known["found"]) == (4, 3)


def test_injected_label_errors_are_found_with_precision_and_recall(faulty):
    table = label_errors(faulty.material, out_of_fold(faulty.material, 3, min_clips=10))
    line = found(faulty.truth, {LABEL: set(table["clip"][table["issue"]])}).iloc[0]
    assert line["recall"] >= 0.75 and line["precision"] >= 0.6, line


def test_corpora_with_one_word_or_no_speakers_get_the_faults_that_they_can_have(material):
    def alone(**columns):
        clips = material.clips.assign(**columns)
        return Material(Sound(replace(material.sound.corpus, clips=clips), material.sound.recordings, []), workers=1)

    assert set(inject(alone(word="yes"), seed=1).truth["fault"]) == {COPY, SILENT}
    assert COPY not in set(inject(alone(speaker=""), seed=1).truth["fault"])


def test_the_page_has_a_line_a_fault(material, monkeypatch):
    detectors = {SILENT: silent_clips, LABEL: lambda m: {"a"}}
    monkeypatch.setattr(faults, "DETECTORS", detectors)
    part = faults_part(material, 0.05)
    table = part.tables["injected_faults"].set_index("fault")
    assert (
        table.loc[SILENT, ["precision", "recall"]].tolist() == [1, 1] and "silent: 4 of 4 (100.0 %)" in part.findings[0]
    )
    assert "all 80 clips" in part.body and LABEL not in table.index
