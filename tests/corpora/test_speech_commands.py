"""Speech Commands in each layout it is found in."""

import pytest

from kwsbench.corpora import add_official_test, load_corpus
from kwsbench.errors import UserError

OWN = ["yes/aa_nohash_0.wav", "yes/aa_nohash_1.wav", "no/bb_nohash_0.wav", "_background_noise_/hum.wav"]


def below(folder: str, names=OWN) -> list[str]:
    return [f"{folder}/{name}" for name in names]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("speech_commands_v0.01", "0.01"),
        ("speech_commands_v0.02", "0.02"),
        ("train/audio", "0.01"),
        ("speech_commands_v0.01/train/audio", "0.01"),
        ("tensorflow-speech-recognition-challenge/train/audio", "0.01"),
    ],
)
def test_each_layout(tree, name, version):
    root = tree([*below(name), f"{name}/yes/notes.txt", f"{name}/yes/._aa_nohash_0.wav", f"{name}/.git/x.wav"])
    corpus = load_corpus(f"speech_commands_v{version}", root)
    assert list(corpus.clips["clip"]) == ["no/bb_nohash_0.wav", "yes/aa_nohash_0.wav", "yes/aa_nohash_1.wav"]
    assert list(corpus.clips["word"]) == ["no", "yes", "yes"]
    assert list(corpus.clips["speaker"]) == ["bb", "aa", "aa"]
    assert list(corpus.clips["path"]) == [str(root / name / clip) for clip in corpus.clips["clip"]]
    assert corpus.noise == (root / name / "_background_noise_/hum.wav",)
    assert "side" not in corpus.clips
    assert load_corpus("speech_commands", root).name == corpus.name
    assert not corpus.synthetic and corpus.licence == "CC BY 4.0"


@pytest.mark.parametrize("suffix", ["wav", "flac", "opus", "ogg", "WAV"])
def test_each_coding(tree, suffix):
    root = tree([f"speech_commands_v0.01/yes/aa_nohash_0.{suffix}"])
    corpus = load_corpus("speech_commands_v0.01", root)
    assert list(corpus.clips["speaker"]) == ["aa"]
    assert bool(corpus.notes) == (suffix == "opus")


@pytest.mark.parametrize("place", ["speech_commands_v0.01", "lists/v0.01"])
def test_the_official_lists_name_the_sides_whatever_the_coding(tree, place):
    root = tree([name.replace(".wav", ".opus") for name in below("speech_commands_v0.01")])
    (root / place).mkdir(parents=True, exist_ok=True)
    (root / place / "validation_list.txt").write_text("no/bb_nohash_0.wav\n")
    (root / place / "testing_list.txt").write_text("yes/aa_nohash_1.wav\nyes/not_there_nohash_0.wav\n")
    clips = load_corpus("speech_commands_v0.01", root).clips.set_index("clip")
    assert clips["side"].to_dict() == {
        "no/bb_nohash_0.opus": "validation",
        "yes/aa_nohash_0.opus": "train",
        "yes/aa_nohash_1.opus": "test",
    }


def test_kaggles_lists_lie_beside_the_audio(tree):
    root = tree(below("train/audio"))
    (root / "train/validation_list.txt").write_text("no/bb_nohash_0.wav\n")
    (root / "train/testing_list.txt").write_text("")
    assert list(load_corpus("speech_commands_v0.01", root).clips["side"]) == ["validation", "train", "train"]


def test_the_newer_version_goes_first(tree):
    root = tree([*below("speech_commands_v0.01"), *below("speech_commands_v0.02")])
    assert load_corpus("speech_commands", root).name == "speech_commands_v0.02"


def test_the_official_test_set_with_its_original_names(tree):
    test = "speech_commands_test_set_v0.02"
    root = tree(
        [
            *below("speech_commands_v0.02"),
            f"{test}/yes/cc_nohash_0.wav",
            f"{test}/_silence_/7.wav",
            f"{test}/_unknown_/bed_dd_nohash_3.wav.wav",
            f"{test}/_unknown_/tree_ee_nohash_0.wav.flac",
        ]
    )
    corpus = add_official_test(load_corpus("speech_commands_v0.02", root), root)
    clips = corpus.clips[corpus.clips["official_label"] != ""].set_index("clip")
    columns = ["word", "speaker", "side", "official_label"]
    assert clips[columns].to_numpy().tolist() == [
        ["silence", "", "test", "_silence_"],
        ["bed", "dd", "test", "_unknown_"],
        ["tree", "ee", "test", "_unknown_"],
        ["yes", "cc", "test", "yes"],
    ]
    assert len(corpus.clips) == 3 + 4


def test_absent(tmp_path):
    with pytest.raises(UserError) as caught:
        load_corpus("speech_commands_v0.02", tmp_path)
    assert "kwsbench data fetch speech_commands_v0.02" in str(caught.value)
    assert str(tmp_path / "speech_commands_v0.02") in str(caught.value)


def test_the_test_set_is_absent_or_of_no_meaning(tree):
    root = tree([*below("speech_commands_v0.01"), "fsdd/recordings/0_ann_0.wav"])
    with pytest.raises(UserError, match=r"kwsbench data fetch speech_commands_test_set_v0\.01"):
        add_official_test(load_corpus("speech_commands_v0.01", root), root)
    with pytest.raises(UserError, match="has no official test set"):
        add_official_test(load_corpus("fsdd", root), root)
