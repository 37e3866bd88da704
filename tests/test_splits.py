"""Who is on which side is what the protocols say, and no split with a leak is ever handed out."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.corpora import Corpus, load_corpus
from kwsbench.errors import LeakError, UserError
from kwsbench.proof import SIDES, assert_disjoint
from kwsbench.schemes import hash_side
from kwsbench.splits import make_splits

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("KWSBENCH_DATA") or REPOSITORY.parent / "shared/data")


def corpus_of(rows, name="toy", **columns) -> Corpus:
    """A corpus of (word, speaker, take) rows; no file is there."""
    clips = [f"{word}/{speaker}_nohash_{take}.wav" for word, speaker, take in rows]
    table = pd.DataFrame({"clip": clips, "path": [f"/data/{clip}" for clip in clips]})
    table["word"] = [row[0] for row in rows]
    table["speaker"] = [row[1] for row in rows]
    return Corpus(name, table.assign(**columns))


def grid(words=("yes", "no"), speakers=tuple("abcdefghij"), takes=2) -> list[tuple[str, str, int]]:
    return [(word, speaker, take) for word in words for speaker in speakers for take in range(takes)]


def shuffled(corpus: Corpus, seed: int = 1) -> Corpus:
    return replace(corpus, clips=corpus.clips.sample(frac=1, random_state=seed, ignore_index=True))


def with_official(corpus: Corpus, rows) -> Corpus:
    """The corpus and clips of an official test set: (label, word, speaker) rows."""
    test = pd.DataFrame(rows, columns=["official_label", "word", "speaker"])
    test["clip"] = [f"official_test/{label}/{i}.wav" for i, label in enumerate(test["official_label"])]
    test["path"] = "/data/" + test["clip"]
    own = corpus.clips.assign(official_label="", side=corpus.clips.get("side", ""))
    return replace(corpus, clips=pd.concat([own, test.assign(side="test")], ignore_index=True))


def speakers_of(split) -> dict[str, set[str]]:
    speaker = split.corpus.clips.set_index("clip")["speaker"]
    return {side: set(speaker[split.sides.index[split.sides == side]]) - {""} for side in SIDES}


# -- the hash ----------------------------------------------------------------------------------------------------------


def exact_side(speaker: str) -> str:
    """The rule in whole numbers: the last 27 bits of the SHA-1, against a tenth and two tenths of 2^27 − 1."""
    last = int.from_bytes(hashlib.sha1(speaker.encode()).digest()[-4:], "big") & (2**27 - 1)
    if last * 10 < 2**27 - 1:
        return "validation"
    return "test" if last * 10 < 2 * (2**27 - 1) else "train"


def test_hash_gives_the_sides_of_both_official_lists():
    lists = DATA / "lists"
    if not lists.is_dir():
        pytest.skip("needs the official lists: lists/v0.01 and lists/v0.02 below KWSBENCH_DATA")
    checked, wrong = 0, []
    for version, sizes in {"v0.01": (6798, 6835), "v0.02": (9981, 11005)}.items():
        for side, file, size in zip(("validation", "test"), ("validation", "testing"), sizes, strict=True):
            names = (lists / version / f"{file}_list.txt").read_text().split()
            assert len(set(names)) == len(names) == size
            wrong += [name for name in names if hash_side(name) != side]
            checked += len(names)
    assert checked == 34_619 and not wrong


# from testing_list.txt and validation_list.txt of v0.01
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("bed/0c40e715_nohash_0.wav", "test"),
        ("bed/0ea0e2f4_nohash_1.wav", "test"),
        ("bed/026290a7_nohash_0.wav", "validation"),
        ("bed/060cd039_nohash_0.wav", "validation"),
    ],
)
def test_hash_of_names_from_the_official_lists(name, side):
    assert hash_side(name) == side


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="/_"), min_size=1), st.integers(0, 99))
def test_hash_is_the_rule_in_whole_numbers_and_of_the_speaker_alone(speaker, take):
    side = exact_side(speaker)
    assert hash_side(speaker) == side
    assert hash_side(f"bed/{speaker}_nohash_{take}.wav") == side
    assert hash_side(f"a/b/{speaker}_nohash_0.opus") == side


def test_hash_puts_a_tenth_and_a_tenth_aside():
    sides = pd.Series([hash_side(f"{i:08x}") for i in range(20_000)]).value_counts(normalize=True)
    deviation = (0.1 * 0.9 / 20_000) ** 0.5
    assert abs(sides["validation"] - 0.1) < 4 * deviation and abs(sides["test"] - 0.1) < 4 * deviation


def test_hash_split_of_a_corpus_is_that_of_its_names():
    corpus = corpus_of(grid(speakers=[f"{i:08x}" for i in range(60)]))
    (split,) = make_splits(corpus, scheme="hash")
    assert split.name == "hash" and len(split.sides) == len(corpus.clips)
    assert split.sides.to_dict() == {clip: hash_side(clip) for clip in corpus.clips["clip"]}


# -- lists and published folds -----------------------------------------------------------------------------------------


def test_official_takes_the_lists_as_they_are():
    rows = grid()
    side = ["test" if speaker == "a" else "validation" if speaker in "bc" else "train" for _, speaker, _ in rows]
    corpus = corpus_of(rows, side=side)
    (split,) = make_splits(corpus, scheme="official")
    assert split.name == "official"
    assert split.sides.to_dict() == dict(zip(corpus.clips["clip"], side, strict=True))


def test_official_without_lists_says_what_to_provide():
    for corpus in (corpus_of(grid()), corpus_of(grid(), side="")):
        with pytest.raises(UserError, match="without lists of sides") as caught:
            make_splits(corpus, scheme="official")
        assert "validation_list.txt" in caught.value.todo


def test_official_with_a_clip_on_no_side_names_it():
    side = ["train", "devel", *["train", "validation", "test"] * 12, "train", ""]
    corpus = corpus_of(grid(), side=side)
    with pytest.raises(UserError, match=r"2 clips have no side \(the first: .*, "):
        make_splits(corpus, scheme="official")


def test_published_folds_test_in_turn_and_the_one_before_validates():
    # AudioMNIST's digit splits are so: each validates with the test set of the one before
    rows = grid(speakers=[f"{i:02d}" for i in range(1, 11)])
    fold = [(int(speaker) - 1) // 2 for _, speaker, _ in rows]
    splits = make_splits(corpus_of(rows, fold=fold), scheme="published")
    assert [split.name for split in splits] == [f"published/{i}-of-5" for i in range(1, 6)]
    for i, split in enumerate(splits):
        sides = speakers_of(split)
        assert sides["test"] == {f"{2 * i + k:02d}" for k in (1, 2)}
        assert sides["validation"] == {f"{2 * ((i - 1) % 5) + k:02d}" for k in (1, 2)}
        assert len(sides["train"]) == 6


def test_two_published_folds_draw_who_validates():
    rows = grid()
    splits = make_splits(corpus_of(rows, fold=[int(speaker > "e") for _, speaker, _ in rows]), scheme="published")
    assert speakers_of(splits[0])["test"] == set("abcde") and speakers_of(splits[1])["test"] == set("fghij")
    assert all(len(speakers_of(split)["validation"]) == 1 for split in splits)


def test_published_folds_that_share_a_speaker_are_a_leak():
    rows = grid()
    fold = [int(speaker > "e") if (speaker, take) != ("b", 1) else 1 for _, speaker, take in rows]
    with pytest.raises(LeakError, match=r"1 speaker is on two sides: b: "):
        make_splits(corpus_of(rows, fold=fold), scheme="published")


def test_published_needs_folds():
    with pytest.raises(UserError, match="no published folds"):
        make_splits(corpus_of(grid()), scheme="published")
    with pytest.raises(UserError, match="has no fold"):
        make_splits(corpus_of(grid(), fold=[None, *[0.0, 1.0, 2.0] * 13]), scheme="published")


# -- folds of speakers -------------------------------------------------------------------------------------------------

counts = st.lists(
    st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any), min_size=4, max_size=10
)  # clips of three words by each speaker


@settings(max_examples=15, deadline=None)
@given(counts, st.data())
def test_folds_of_speakers_partition_them(counts, data):
    rows = [
        (f"w{word}", f"s{speaker}", take)
        for speaker, own in enumerate(counts)
        for word, n in enumerate(own)
        for take in range(n)
    ]
    corpus = corpus_of(rows)
    folds = data.draw(st.integers(3, len(counts)))
    splits = make_splits(corpus, scheme="speakers", folds=folds, seed=3)
    assert [split.name for split in splits] == [f"speakers/{i}-of-{folds}" for i in range(1, folds + 1)]
    tested = [speaker for split in splits for speaker in speakers_of(split)["test"]]
    assert sorted(tested) == sorted({speaker for _, speaker, _ in rows})
    for split in splits:
        sides = speakers_of(split)
        assert len(split.sides) == len(rows) and all(sides.values())
        assert sum(len(own) for own in sides.values()) == len(set().union(*sides.values()))
    again = make_splits(shuffled(corpus), scheme="speakers", folds=folds, seed=3)
    assert [split.fingerprint for split in again] == [split.fingerprint for split in splits]


def test_folds_of_speakers_are_balanced_by_word():
    rng = np.random.default_rng(0)
    loud = rng.zipf(1.7, 80).clip(1, 30)  # a few speakers say much
    rows = [
        (f"w{word}", f"s{i}", take)
        for i, n in enumerate(loud)
        for word in range(6)
        for take in range(rng.poisson(n * (word + 1) / 3))
    ]
    corpus = corpus_of(rows)
    folds = make_splits(corpus, scheme="speakers", folds=4, seed=0)
    words = corpus.clips.set_index("clip")["word"]

    def unevenness(fold_of: dict[str, int]) -> float:
        table = pd.crosstab(corpus.clips["speaker"].map(fold_of), corpus.clips["word"])
        return float((((table - table.mean()) / table.mean()) ** 2).to_numpy().mean())

    member = {speaker: i for i, split in enumerate(folds) for speaker in speakers_of(split)["test"]}
    random = [unevenness({f"s{i}": int(rng.integers(4)) for i in range(80)}) for _ in range(50)]
    assert unevenness(member) < min(random) and unevenness(member) < np.mean(random) / 10
    for split in folds:
        assert set(words[split.sides.index[split.sides == "validation"]]) == set(words)


def test_a_word_of_as_many_speakers_as_folds_is_tested_in_every_fold():
    rows = grid(words=("yes",), speakers=[f"s{i:02d}" for i in range(30)])
    rows += [("rare", f"s{i:02d}", 0) for i in (3, 4, 11, 19, 27)]
    for split in make_splits(corpus_of(rows), scheme="speakers", folds=5, seed=1):
        rare = split.sides[split.sides.index.str.startswith("rare/")]
        assert (rare == "test").sum() == 1


def test_seeds_change_who_is_in_which_fold_and_who_validates():
    corpus = corpus_of(grid())
    for scheme in ("speakers", "leave_one_speaker_out"):
        first = [split.fingerprint for split in make_splits(corpus, scheme=scheme, seed=0)]
        assert first == [split.fingerprint for split in make_splits(corpus, scheme=scheme, seed=0)]
        assert first != [split.fingerprint for split in make_splits(corpus, scheme=scheme, seed=1)]


def test_more_or_fewer_folds_than_speakers_allow():
    for folds, what, todo in ((1, "folds is 1", "2 or more"), (11, "11 folds of 10 speakers", "from 2 to 10")):
        with pytest.raises(UserError, match=what) as caught:
            make_splits(corpus_of(grid()), scheme="speakers", folds=folds)
        assert todo in caught.value.todo


def test_who_says_most_does_not_always_validate():
    corpus = corpus_of([*grid(), *(("yes", "a", take) for take in range(2, 90))])
    validating = set()
    for seed in range(10):
        (*_, last) = make_splits(corpus, scheme="leave_one_speaker_out", seed=seed)
        validating |= speakers_of(last)["validation"]
    assert len(validating - {"a"}) > 2


@pytest.mark.parametrize(("share", "n"), [(0.1, 1), (0.25, 2), (0.5, 4)])
def test_leave_one_out_has_every_speaker_test_once_and_others_validate(share, n):
    corpus = corpus_of(grid(speakers=tuple("abcdefghi")))
    splits = make_splits(corpus, scheme="leave_one_speaker_out", validation_share=share)
    assert [split.name for split in splits] == [f"leave_one_speaker_out/{name}" for name in "abcdefghi"]
    for split, name in zip(splits, "abcdefghi", strict=True):
        sides = speakers_of(split)
        assert sides["test"] == {name}
        assert len(sides["validation"]) == n and len(sides["train"]) == 8 - n


def test_too_few_speakers_for_three_sides():
    with pytest.raises(UserError, match="leaves 1 speakers to train and to validate"):
        make_splits(corpus_of(grid(speakers="ab")), scheme="leave_one_speaker_out")
    everybody_trains = [name for name in (f"{i:08x}" for i in range(50)) if exact_side(name) == "train"]
    with pytest.raises(UserError, match="split hash leaves no clips for validation, test"):
        make_splits(corpus_of(grid(speakers=everybody_trains)), scheme="hash")


@pytest.mark.parametrize("share", [0.0, -0.1, 0.6])
def test_validation_share_must_leave_somebody_to_train(share):
    with pytest.raises(UserError, match="validation_share"):
        make_splits(corpus_of(grid()), scheme="speakers", validation_share=share)


# -- the official test set ---------------------------------------------------------------------------------------------

NAMES = [f"{i:08x}" for i in range(60)]
TESTS = [name for name in NAMES if exact_side(name) == "test"]
TRAINS = [name for name in NAMES if exact_side(name) == "train"]


def test_official_test_set_stands_in_for_the_test_side():
    corpus = corpus_of(grid(speakers=NAMES))
    (plain,) = make_splits(corpus, scheme="hash")
    rows = [("yes", "yes", TESTS[0]), ("_unknown_", "bed", TESTS[1]), ("_silence_", "silence", "")]
    (split,) = make_splits(with_official(corpus, rows), scheme="hash", test="official")
    assert split.name == "hash+official_test"
    assert set(split.sides.index[split.sides == "test"]) == {
        f"official_test/{label}/{i}.wav" for i, (label, _, _) in enumerate(rows)
    }
    kept = plain.sides[plain.sides != "test"]
    assert split.sides[split.sides != "test"].to_dict() == kept.to_dict()


def test_a_training_speaker_in_the_official_test_set_stops_the_run():
    corpus = with_official(corpus_of(grid(speakers=NAMES)), [("yes", "yes", TESTS[0]), ("no", "no", TRAINS[0])])
    with pytest.raises(LeakError, match=f"1 speaker is on two sides: {TRAINS[0]}: .*official_test/no/1.wav"):
        make_splits(corpus, scheme="hash", test="official")


def test_official_test_set_that_is_not_there():
    with pytest.raises(UserError, match="official test set was not read"):
        make_splits(corpus_of(grid(speakers=NAMES)), scheme="hash", test="official")


def test_only_silence_may_be_nobodys():
    corpus = with_official(corpus_of(grid(speakers=NAMES)), [("_silence_", "silence", ""), ("yes", "yes", "")])
    with pytest.raises(UserError, match=r"1 of 242 clips have no speaker \(the first: official_test/yes/1.wav\)"):
        make_splits(corpus, scheme="hash", test="official")


# -- leaks -------------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SIDES), st.sampled_from(["", "a", "b", "c", "d"]), st.integers(0, 9))))
def test_a_leak_is_found_if_and_only_if_there_is_one(rows):
    clips = [f"clip{i}" for i in range(len(rows))]
    sides = pd.Series([side for side, _, _ in rows], clips, dtype=str)
    speakers = pd.Series([speaker for _, speaker, _ in rows], clips, dtype=str)
    hashes = pd.Series([f"sha{content}" for _, _, content in rows], clips, dtype=str)
    pairs = [(one, other) for one in rows for other in rows if one[0] != other[0]]
    leaked = {one[1] for one, other in pairs if one[1] == other[1] != ""}
    copied = any(one[2] == other[2] for one, other in pairs)
    # the order of speakers and hashes says nothing
    speakers, hashes = speakers.sample(frac=1, random_state=0), hashes.sample(frac=1, random_state=1)
    if leaked:
        with pytest.raises(LeakError) as caught:
            assert_disjoint(sides, speakers, None)
        named = {part.split(":")[0] for part in caught.value.what.split("sides: ")[1].split("; ")}
        assert named == leaked
    else:
        assert_disjoint(sides, speakers, None)
    nobody = pd.Series("", clips)
    if copied:
        with pytest.raises(LeakError, match="on two sides: the same samples: clip"):
            assert_disjoint(sides, nobody, hashes)
    else:
        assert_disjoint(sides, nobody, hashes)


def test_a_leak_names_ten_speakers_and_counts_the_rest():
    clips = [f"{side}{i:02d}" for side in ("train", "test") for i in range(25)]
    sides = pd.Series(["train"] * 25 + ["test"] * 25, clips)
    speakers = pd.Series([f"s{i:02d}" for i in range(25)] * 2, clips)
    with pytest.raises(
        LeakError, match=r"25 speakers are on two sides: s00: train00 \(train\), test00 \(test\)"
    ) as one:
        assert_disjoint(sides, speakers, None)
    assert "s09" in one.value.what and "s10" not in one.value.what and one.value.what.endswith("and 15 more")


def test_what_is_not_known_is_not_proved():
    sides = pd.Series({"a": "train", "b": "test"})
    with pytest.raises(ValueError, match="no speaker is known of clip 'b'"):
        assert_disjoint(sides, pd.Series({"a": "x"}), None)
    for hashes in ({"a": "1"}, {"a": "1", "b": ""}):
        with pytest.raises(ValueError, match="no content hash is known of clip 'b'"):
            assert_disjoint(sides, pd.Series({"a": "x", "b": "y"}), pd.Series(hashes))


def test_every_split_of_every_scheme_is_proved_by_content():
    rows = grid()
    side = [{"a": "test", "b": "validation"}.get(speaker, "train") for _, speaker, _ in rows]
    corpus = corpus_of(rows, side=side, fold=[ord(speaker) % 3 for _, speaker, _ in rows])
    hashes = pd.Series([f"sha{i}" for i in range(len(rows))], corpus.clips["clip"])
    one = "no/a_nohash_0.wav"
    for other in ("yes/b_nohash_1.wav", "yes/c_nohash_0.wav"):
        same = hashes.copy()
        same[other] = hashes[one]
        for scheme in ("official", "speakers", "leave_one_speaker_out", "published"):
            assert make_splits(corpus, hashes, scheme=scheme, folds=10)
            with pytest.raises(LeakError, match="1 recording is on two sides: the same samples: ") as caught:
                make_splits(corpus, same, scheme=scheme, folds=10)
            assert one in caught.value.what and other in caught.value.what


def test_recordings_under_two_names_of_one_speaker_are_reported():
    corpus = corpus_of(grid())
    hashes = pd.Series([f"sha{i:02d}" for i in range(40)], corpus.clips["clip"])
    hashes[["yes/a_nohash_1.wav", "no/a_nohash_0.wav"]] = hashes["yes/a_nohash_0.wav"]
    hashes["_noise_/tap.wav"] = "sha99"  # noise recordings are no clips
    for split in make_splits(corpus, hashes, scheme="leave_one_speaker_out"):
        found = split.duplicates
        assert found.columns.tolist() == ["sha256", "clip", "word", "speaker", "side"]
        assert found["clip"].tolist() == ["no/a_nohash_0.wav", "yes/a_nohash_0.wav", "yes/a_nohash_1.wav"]
        assert found["word"].tolist() == ["no", "yes", "yes"] and set(found["speaker"]) == {"a"}
        assert found["sha256"].nunique() == 1 and set(found["side"]) == {split.sides["no/a_nohash_0.wav"]}
    (other, *_) = make_splits(corpus, None, scheme="speakers")
    assert other.duplicates.empty and other.duplicates.columns.tolist() == found.columns.tolist()


def test_a_corpus_without_speakers_says_what_to_provide():
    rows = [(word, "" if take else speaker, f"{speaker}{take}") for word, speaker, take in grid()]
    for scheme in ("hash", "speakers", "leave_one_speaker_out", "official", "published"):
        with pytest.raises(UserError, match=r"20 of 40 clips have no speaker \(the first: yes/_nohash_a1.wav\)") as one:
            make_splits(corpus_of(rows, fold=0, side="train"), scheme=scheme)
        assert "speaker column" in one.value.todo


# -- the split as a thing ----------------------------------------------------------------------------------------------


def test_fingerprint_is_of_who_is_on_which_side():
    corpus = corpus_of(grid(speakers=NAMES))
    (split,) = make_splits(corpus)
    moved = replace(corpus, clips=corpus.clips.assign(path="/elsewhere/" + corpus.clips["clip"]))
    (again,) = make_splits(shuffled(moved))
    assert again.fingerprint == split.fingerprint and again.sides.index.is_monotonic_increasing
    turned = split.sides.copy()
    turned.iloc[0] = "train" if turned.iloc[0] != "train" else "test"
    assert replace(split, sides=turned).fingerprint != split.fingerprint
    assert make_splits(corpus.without([corpus.clips["clip"][0]]))[0].fingerprint != split.fingerprint
    assert replace(split, name="other").fingerprint != split.fingerprint


def test_growing_a_corpus_moves_no_clip_of_the_hash_split():
    small = corpus_of(grid(speakers=NAMES[:40]))
    (before,), (after,) = (make_splits(corpus) for corpus in (small, corpus_of(grid(speakers=NAMES))))
    assert after.sides[before.sides.index].to_dict() == before.sides.to_dict()


def test_noise_recordings_are_no_clips(tone_tree):
    corpus = load_corpus("speech_commands_v0.01", tone_tree.parent)
    assert len(corpus.noise) == 3
    for split in make_splits(corpus, scheme="speakers"):
        assert len(split.sides) == 80 and not split.sides.index.str.contains("_background_noise_").any()


def test_lists_that_share_speakers_are_refused_unless_their_scheme_says_so():
    corpus = corpus_of(grid(takes=3), side=["test", "validation", "train"] * 20)
    with pytest.raises(LeakError, match="10 speakers are on two sides"):
        make_splits(corpus, scheme="official")
    (split,) = make_splits(corpus, scheme="leaky_official")
    assert split.name == "leaky_official" and split.sides.to_dict() == dict(corpus.clips[["clip", "side"]].values)
    same = pd.Series("of all", index=corpus.clips["clip"])
    with pytest.raises(LeakError, match="1 recording is on two sides"):  # what is the same stays apart even so
        make_splits(corpus, same, scheme="leaky_official")


# -- a training side that is cut down ----------------------------------------------------------------------------------


def talkers() -> Corpus:
    """Forty speakers of whom most say few of six words, in one to three takes."""
    rng = np.random.default_rng(3)
    words = ("yes", "no", "up", "down", "left", "right")
    rows = [
        (word, f"{speaker:08x}", take)
        for speaker in range(40)
        for word in rng.permutation(words)[: 6 if speaker % 8 == 0 else 2]
        for take in range(rng.integers(1, 4))
    ]
    return corpus_of(rows)


def training(split) -> pd.DataFrame:
    clips = split.corpus.clips.set_index("clip")
    return clips.loc[split.sides.index[split.sides == "train"]]


@pytest.mark.parametrize("scheme", ["hash", "speakers", "leaky_random"])
@pytest.mark.parametrize(("setting", "sizes"), [("train_speakers", (1, 2, 5, 10)), ("train_clips", (1, 3, 5, 20))])
def test_smaller_training_sides_are_parts_of_larger_ones_and_nothing_else_moves(scheme, setting, sizes):
    corpus = talkers()
    more = {"scheme": scheme, "folds": 3, "like": "speakers" if scheme == "leaky_random" else None, "seed": 4}
    whole = make_splits(corpus, **more)
    inner = [set() for _ in whole]
    for size in sizes:
        cut = make_splits(corpus, **more, **{setting: size})
        assert [split.name for split in cut] == [split.name for split in whole]
        for i, (split, full) in enumerate(zip(cut, whole, strict=True)):
            clips = training(split)
            assert inner[i] <= set(clips.index) <= set(training(full).index)
            inner[i] = set(clips.index)
            others = [found.sides[found.sides != "train"] for found in (split, full)]
            pd.testing.assert_series_equal(*others)
            if setting == "train_speakers":
                assert split.n_train_speakers == size
                own = training(full)
                assert set(clips.index) == set(own.index[own["speaker"].isin(clips["speaker"])])
            else:
                expected = training(full)["word"].value_counts().clip(upper=size)
                assert clips["word"].value_counts().to_dict() == expected.to_dict()


def test_the_first_speakers_say_all_words_and_who_they_are_is_drawn():
    corpus = talkers()
    for seed in range(5):
        (one,) = make_splits(corpus, scheme="hash", train_speakers=1, seed=seed)
        assert set(training(one)["word"]) == set(corpus.clips["word"])
    order = [set(training(make_splits(shuffled(corpus, i), train_speakers=6)[0])["speaker"]) for i in (1, 2)]
    assert order[0] == order[1]
    drawn = {frozenset(training(make_splits(corpus, train_speakers=6, seed=i)[0])["speaker"]) for i in range(4)}
    assert len(drawn) > 1


def test_words_of_few_are_heard_as_soon_as_they_can_be():
    # nobody says all: a, b and c together do, d to j say what a says
    rows = [("yes", s, 0) for s in "adefghij"] + [("no", s, 0) for s in "bdefghij"] + [("up", "c", 0)]
    rows += [(word, f"held{i}", 0) for word in ("yes", "no", "up") for i in range(2)]
    side = ["train"] * 17 + ["validation", "test"] * 3
    corpus = corpus_of(rows, side=side)
    (two,) = make_splits(corpus, scheme="official", train_speakers=2, seed=1)
    assert set(training(two)["word"]) == {"yes", "no", "up"} and "c" in set(training(two)["speaker"])


def test_speakers_and_clips_are_cut_together_and_whatever_the_test_is():
    corpus = with_official(talkers(), [("yes", "yes", "zoe"), ("_silence_", "", "")])
    (split,) = make_splits(corpus, test="official", train_speakers=3, train_clips=2)
    clips = training(split)
    assert clips["speaker"].nunique() <= 3 and clips["word"].value_counts().max() == 2
    assert (split.sides == "test").sum() == 2


def test_a_training_side_cannot_be_cut_to_nothing_or_to_more_than_there_is():
    with pytest.raises(UserError, match="train_speakers is 0"):
        make_splits(talkers(), train_speakers=0)
    with pytest.raises(UserError, match="train_clips is -1"):
        make_splits(talkers(), train_clips=-1)
    with pytest.raises(UserError, match=r"train_speakers is 1,000 of \d+ on the training side") as caught:
        make_splits(talkers(), train_speakers=1000)
    assert "or all" in caught.value.todo and "split hash" in str(caught.value)


# -- a split that leaks on purpose -------------------------------------------------------------------------------------


@pytest.mark.parametrize("like", ["official", "hash", "speakers", "leave_one_speaker_out", "published"])
def test_a_random_split_has_the_sizes_of_the_other_word_by_word_and_shares_speakers(like):
    corpus = talkers()
    number = corpus.clips["speaker"].map(lambda speaker: int(speaker, 16))
    sides = number.map(lambda i: SIDES[max(i % 5 - 2, 0)])
    corpus = replace(corpus, clips=corpus.clips.assign(side=sides, fold=number % 4))
    apart, mixed = (
        make_splits(corpus, folds=3, **s) for s in ({"scheme": like}, {"scheme": "leaky_random", "like": like})
    )
    assert [split.name for split in mixed] == [f"leaky_random/{split.name}" for split in apart]
    word = corpus.clips.set_index("clip")["word"]
    for one, other in zip(apart, mixed, strict=True):
        counts = [pd.crosstab(word[split.sides.index], split.sides) for split in (one, other)]
        pd.testing.assert_frame_equal(*counts)
        speakers = speakers_of(other)
        assert speakers["train"] & speakers["test"] and not (one.sides == other.sides).all()
    if len(mixed) > 1:  # every clip is tested as often as in the other
        times = [sum((split.sides == "test").astype(int) for split in made) for made in (apart, mixed)]
        assert (times[1] == 1).all() and (times[0] == 1).all()


def test_a_random_split_keeps_the_same_recordings_together_and_is_drawn():
    corpus = talkers()
    clips = corpus.clips
    take = clips["clip"].str.extract(r"_(\d)\.wav")[0]
    # all takes of a word by a speaker are one recording
    hashes = pd.Series((clips["word"] + clips["speaker"]).to_numpy(), clips["clip"])
    assert set(take) == {"0", "1", "2"}
    found = [make_splits(corpus, hashes, scheme="leaky_random", like="hash", seed=seed)[0] for seed in (0, 0, 1)]
    assert found[0].fingerprint == found[1].fingerprint != found[2].fingerprint
    (apart,) = make_splits(corpus, hashes, scheme="hash")
    for split in found:
        assert split.sides.groupby(hashes[split.sides.index]).nunique().max() == 1
        assert split.sides.value_counts().to_dict() == apart.sides.value_counts().to_dict()
        assert len(split.duplicates)


def test_a_random_split_says_what_it_is_like():
    with pytest.raises(UserError, match="sizes of another scheme"):
        make_splits(talkers(), scheme="leaky_random")
    with pytest.raises(UserError, match="scheme hash is like no other"):
        make_splits(talkers(), scheme="hash", like="hash")
    with pytest.raises(UserError, match="test side of its own"):
        make_splits(talkers(), scheme="leaky_random", like="hash", test="official")
