"""The page with players: recordings found again from the records, and only where they are asked for."""

import shutil

import numpy as np
import pytest
import soundfile

from kwsbench.errors import UserError
from kwsbench.playback import Playback
from kwsbench.sound import Places
from kwsbench.store import Store


@pytest.fixture
def study(bench):
    """A model that never answers the first label; its hardest clips are half of the test."""
    done = bench.run("run", bench.recipe('toy: {model: "kws_toys:Toy"}\nmajority: {}'))
    assert done.returncode == 0, done.stderr
    return bench


def test_players_are_there_where_they_are_asked_for_and_nowhere_else(study, browser, repository):
    folder = study.folder / "results" / "study"
    before = (folder / "report.html").read_text()
    assert "<audio" not in before and "data:audio" not in before
    done = study.run("report", "results/study", "--audio")
    assert done.returncode == 0, done.stderr
    assert "report_audio.html" in done.stdout and (folder / "report.html").read_text() == before
    assert "*_audio.html" in (repository / ".gitignore").read_text().splitlines()

    opened, said = browser.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((folder / "report_audio.html").as_uri())
    n = len((folder / "hardest.csv").read_text().splitlines()) - 1
    cards = opened.locator(".card.clip")
    assert 0 < n == cards.count() == opened.locator("audio").count() == opened.locator(".card.clip svg").count()
    assert opened.get_by_text("licence: CC BY 4.0").count() >= 1
    seconds = opened.locator("audio").first.evaluate(
        "player => new Promise(done => { player.onloadedmetadata = () => done(player.duration);"
        " player.onerror = () => done(-1); player.preload = 'auto'; player.load() })"
    )
    assert said == [] and seconds == pytest.approx(1, abs=0.02)
    opened.close()


def test_without_the_recordings_it_ends_with_two_and_the_rest_is_written(study, tmp_path):
    folder = study.folder / "results" / "study"
    (folder / "table.csv").unlink()
    empty = tmp_path / "nothing here"
    empty.mkdir()
    done = study.run("report", "results/study", "--audio", "--data", empty)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "speech_commands_v0.01 is not there" in done.stderr and "--data" in done.stderr
    assert (folder / "table.csv").exists() and not (folder / "report_audio.html").exists()


def test_clips_and_silence_sound_as_the_models_heard_them(study, tone_tree):
    store = Store(study.folder / "results" / "study")
    record = store.in_order()[0]
    hear = Playback(Places(study.data, study.folder / "cache"))
    clips = store.predictions(record["cell"]).set_index("clip")["label"]
    word = clips.index[clips == "yes"][0]
    samples, rate = hear(record, word)
    assert rate == 16000 and np.array_equal(samples, soundfile.read(tone_tree / word, dtype="int16")[0])

    silence, rate = hear(record, clips.index[clips == "silence"][0])
    noises = [soundfile.read(path, dtype="int16")[0] for path in (tone_tree / "_background_noise_").iterdir()]
    assert len(silence) == rate == 16000
    # a stretch of one of the recordings, at a lower level
    assert max(np.abs(np.correlate(noise / 3000, silence / silence.std(), "valid")).max() for noise in noises) > 15000


def test_what_is_generated_has_no_recording(bench):
    labels = {"scheme": "keywords", "keywords": ["yes", "no", "up"], "silence": "generated"}
    assert bench.run("run", bench.recipe("majority: {}", labels=labels), "--audio").returncode == 0
    store = Store(bench.folder / "results" / "study")
    record = store.in_order()[0]
    clips = store.predictions(record["cell"]).set_index("clip")["label"]
    hear = Playback(Places(bench.data, bench.folder / "cache"))
    assert hear(record, clips.index[clips == "silence"][0]) is None
    page = (store.folder / "report_audio.html").read_text()
    assert page.count("generated: there is no recording of it") == page.count(">silence/test/") // 2 > 0


def test_other_recordings_than_those_of_the_study_are_not_played(study, tmp_path, tone_tree):
    other = tmp_path / "other" / tone_tree.name
    shutil.copytree(tone_tree, other)
    shutil.rmtree(other / "yes")
    record = Store(study.folder / "results" / "study").in_order()[0]
    hear = Playback(Places(other.parent, tmp_path / "cache"))
    with pytest.raises(UserError):
        hear(record, "silence/test/00000")
    (other / "cat" / "00001000_nohash_0.wav").unlink()
    shutil.copytree(tone_tree / "yes", other / "yes")
    with pytest.raises(UserError, match="other recordings than those of the study"):
        Playback(Places(other.parent, tmp_path / "cache"))(record, "silence/test/00000")
