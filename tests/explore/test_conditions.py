"""Noise of a known level, filters of a known edge, clusters and leaks of a known truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal as dsp

from kwsbench.corpora import Corpus
from kwsbench.explore.conditions import (
    MEASURES,
    NO_SOUND,
    condition_clusters,
    condition_measures,
    condition_of_speakers,
    limited,
    measure_condition,
    predictable,
)
from kwsbench.explore.material import Material
from kwsbench.recordings import Recordings
from kwsbench.sound import Places, Sound, read_sound


def measured(wave, rate=16000):
    return dict(zip(MEASURES, measure_condition(np.asarray(wave, np.float32), rate), strict=True))


def white(level, n=16000, seed=0):
    return level * np.random.default_rng(seed).standard_normal(n)


def material_of(words, speakers, seed=1) -> Material:
    """A corpus that nobody ever recorded: what is asked of it is in a table of conditions."""
    names = [f"{i}.wav" for i in range(len(words))]
    clips = pd.DataFrame({"clip": names, "path": names, "word": words, "speaker": speakers})
    return Material(Sound(Corpus("made up", clips), Recordings(pd.DataFrame(), None), []), seed=seed, workers=1)


def conditions_of(material, noise, rng):
    n = len(material.clips)
    values = {name: rng.standard_normal(n) for name in MEASURES} | {"noise_dbfs": noise, "lead_dbfs": noise}
    return pd.DataFrame(values, index=pd.Index(material.clips["clip"], name="clip")) + 0.0


def test_the_noise_floor_is_the_level_of_the_noise_whatever_is_said_over_it():
    noise = white(0.01)
    word = np.zeros(16000)
    word[6000:10000] = 0.5 * np.sin(2 * np.pi * 500 * np.arange(4000) / 16000)
    found = measured(noise + word)
    # the quietest fifth of the frames lies a little below the mean, and 50 Hz of 8 kHz are left out
    assert found["noise_dbfs"] == pytest.approx(-40, abs=0.8)
    assert found["lead_dbfs"] == pytest.approx(-40, abs=0.6)
    assert found["noise_low_db"] == pytest.approx(0, abs=1.5) and found["noise_high_db"] == pytest.approx(0, abs=1)


def test_dc_and_rumble_are_no_noise():
    rumble = 0.1 + 0.003 * np.sin(2 * np.pi * 8 * np.arange(16000) / 16000)
    assert measured(white(0.001) + rumble)["noise_dbfs"] == pytest.approx(-60, abs=2.5)


def test_frames_of_digital_silence_are_left_out_of_the_noise():
    noise = white(0.01)
    noise[:8000] = 0
    assert measured(noise)["noise_dbfs"] == pytest.approx(-40, abs=1.5), "one frame is half silent"


def test_a_clip_without_sound_has_no_condition():
    found = measured(np.zeros(16000))
    assert found["noise_dbfs"] == -100 and np.isnan([found[name] for name in MEASURES[1:]]).all()


def test_the_lead_in_needs_time_before_the_word():
    loud = white(0.3)
    assert np.isnan(measured(np.concatenate([white(0.001, 1600), loud]))["lead_dbfs"])
    assert measured(np.concatenate([white(0.001, 8000), loud]))["lead_dbfs"] == pytest.approx(-60, abs=0.6)
    assert np.isnan(measured(loud)["lead_dbfs"]), "nothing tells whether it is background or speech"


@pytest.mark.parametrize("rate", [8000, 16000, 11025, 44100, 400])
@pytest.mark.parametrize("n", [1, 10, 300])
def test_short_clips_of_any_rate_have_a_condition(rate, n):
    found = measured(white(0.1, n), rate)
    assert 0 < found["bandwidth_hz"] <= rate / 2 or np.isnan(found["bandwidth_hz"])


@pytest.mark.parametrize("edge", [2000, 3500, 4000, 6000])
def test_the_bandwidth_is_where_a_filter_cuts(edge):
    sos = dsp.ellip(10, 0.1, 90, edge, output="sos", fs=16000)
    found = measured(dsp.sosfilt(sos, white(0.1)))
    assert found["bandwidth_hz"] == pytest.approx(edge, abs=510)
    assert found["edge_db"] > 30
    assert measured(white(0.1))["bandwidth_hz"] == 8000 and measured(white(0.1))["edge_db"] == 0
    frame = pd.DataFrame([found, measured(white(0.1))])
    assert limited(frame).tolist() == [edge <= 4000, False]


def test_a_whistle_above_the_band_does_not_widen_it():
    sos = dsp.ellip(10, 0.1, 90, 3500, output="sos", fs=16000)
    whistle = 0.02 * np.sin(2 * np.pi * 7125 * np.arange(16000) / 16000)
    assert measured(dsp.sosfilt(sos, white(0.1)) + whistle)["bandwidth_hz"] <= 4000


def test_clusters_find_the_conditions_that_were_mixed():
    rng = np.random.default_rng(2)
    truth = rng.choice(3, 900, p=[0.5, 0.3, 0.2])
    material = material_of(["yes"] * 900, [f"s{t}" for t in truth])
    centre = np.array([[-80, 8000], [-50, 7000], [-30, 4000]])[truth]
    conditions = conditions_of(material, centre[:, 0] + 2 * rng.standard_normal(900), rng)
    conditions["bandwidth_hz"] = centre[:, 1]
    conditions.iloc[0, :] = [-100, *[np.nan] * (len(MEASURES) - 1)]
    found = condition_clusters(material, conditions)
    assert found.bic.idxmin() == 3 and found.of.iloc[0] == NO_SOUND
    assert (found.of.iloc[1:].to_numpy() == truth[1:]).all(), "the largest is first"
    assert found.table.loc[0, "clips"] == (truth[1:] == 0).sum() and found.table["speakers"].tolist() == [1] * 4


def test_few_or_equal_clips_are_one_cluster():
    material = material_of(["yes"] * 3, [""] * 3)
    conditions = conditions_of(material, np.full(3, -50.0), np.random.default_rng(0))
    found = condition_clusters(material, conditions)
    assert found.of.eq(0).all() and found.bic.empty and found.table["speakers"].tolist() == [0]


def spoken(n_speakers, words, rng):
    """Each speaker says each word seven times."""
    speaker = np.repeat([f"s{i:02d}" for i in range(n_speakers)], 7 * len(words))
    return np.tile(np.repeat(words, 7), n_speakers), speaker


def test_a_room_that_goes_with_the_word_is_a_leak_and_one_that_goes_with_the_speaker_is_none():
    rng = np.random.default_rng(3)
    word, speaker = spoken(20, ["yes", "no", "up"], rng)
    material = material_of(word, speaker)
    room = pd.Series(speaker).map({s: 10 * rng.standard_normal() for s in sorted(set(speaker))}).to_numpy()
    noise = -60 + room + 0.1 * rng.standard_normal(len(word))
    clean = predictable(material, conditions_of(material, noise, rng)).set_index(["what", "by"])
    lead = clean.loc[("word", "the lead-in")]
    assert lead["chance"] == pytest.approx(1 / 3) and lead["low"] < 1 / 3
    assert clean.loc["speaker"].iloc[0]["low"] > 2 * clean.loc["speaker"].iloc[0]["chance"]
    leaked = np.where(word == "yes", -30, -60) + rng.standard_normal(len(word))
    found = predictable(material, conditions_of(material, leaked, rng)).set_index(["what", "by"])
    # "yes" is always told, the other two are guessed
    assert found.loc[("word", "the lead-in"), "accuracy"] == pytest.approx(2 / 3, abs=0.06)
    assert found.loc[("word", "the lead-in"), "low"] > 0.55


def test_sides_that_were_recorded_otherwise_are_told_for_new_speakers():
    rng = np.random.default_rng(4)
    word, speaker = spoken(20, ["yes", "no"], rng)
    material = material_of(word, speaker)
    side = pd.Series(np.where(speaker < "s10", "train", "test"), material.clips["clip"])
    alike = predictable(material, conditions_of(material, rng.normal(-60, 5, len(word)), rng), side)
    row = alike[alike["what"] == "side"].iloc[0]
    assert row["low"] < 0.5 and row["classes"] == 2
    shifted = rng.normal(np.where(side == "train", -60, -50), 5)
    row = predictable(material, conditions_of(material, shifted, rng), side).set_index("what").loc["side"]
    assert row["low"] > 0.55


def test_what_cannot_be_asked_says_why():
    rng = np.random.default_rng(5)
    material = material_of(["yes"] * 40, [""] * 40)
    found = predictable(material, conditions_of(material, rng.normal(-60, 5, 40), rng))
    assert found["accuracy"].isna().all() and found["why_not"].str.contains("fewer than two").all()
    assert "20 clips of 5 speakers" in found["why_not"].iloc[0] and "speakers" in found["why_not"].iloc[2]


def test_few_lead_ins_answer_nothing():
    rng = np.random.default_rng(6)
    word, speaker = spoken(10, ["yes", "no"], rng)
    material = material_of(word, speaker)
    conditions = conditions_of(material, rng.normal(-60, 5, len(word)), rng)
    conditions.loc[conditions.index[:133], "lead_dbfs"] = np.nan
    assert "of 5.0% of the clips alone" in predictable(material, conditions)["why_not"].iloc[0]


def test_speakers_are_known_by_their_widest_clips():
    material = material_of(["yes"] * 8, ["a"] * 4 + ["b"] * 3 + ["c"])
    conditions = conditions_of(material, np.full(8, -50.0), np.random.default_rng(0))
    conditions["bandwidth_hz"] = [4000, 4000, 4000, 4000, 3000, 8000, 8000, 8000]
    conditions["edge_db"] = [30, 30, 5, 5, 0, 0, 0, 0]
    found = condition_of_speakers(material, conditions)
    assert found.index.tolist() == ["a", "b"] and found.loc["a", "limited"] == 0.5
    assert found["widest_hz"].tolist() == [4000, 8000]


def test_a_pass_over_real_files_has_a_row_a_clip(tone_tree, tmp_path):
    material = Material(read_sound("speech_commands_v0.01", Places(tone_tree.parent, tmp_path)), workers=1)
    found = condition_measures(material)
    assert found.index.tolist() == material.clips["clip"].tolist() and found.columns.tolist() == list(MEASURES)
    # made of chirps in white noise of −40 dBFS
    assert found["noise_dbfs"].median() == pytest.approx(-40, abs=1.5)
