"""What is to be said: counts of the reference, unknown and silence that stay on their side, the official test set."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kwsbench import corpora
from kwsbench.corpora import Corpus
from kwsbench.errors import LeakError, UserError
from kwsbench.labels import COMMANDS, WORDS30, WORDS35, Task, label_split, with_training
from kwsbench.noise import COLORS
from kwsbench.proof import SIDES
from kwsbench.schemes import hash_side
from kwsbench.silence import noise_sides
from kwsbench.splits import Split, make_splits

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("KWSBENCH_DATA") or REPOSITORY.parent / "shared/data")
NOISE = {f"/data/_background_noise_/{name}.wav": (60 * 16000 + i, 16000) for i, name in enumerate("abcdef")}


def published(text: str) -> dict[str, int]:
    """ "word clips word clips …" → word: clips."""
    parts = text.split()
    return {word: int(n) for word, n in zip(parts[::2], parts[1::2], strict=True)}


# clips a word as published; v0.01's sum to 64,721, and with the six noise recordings to the 64,727 files of the corpus
V1 = published(
    "bed 1713 bird 1731 cat 1733 dog 1746 down 2359 eight 2352 five 2357 four 2372 go 2372 happy 1742 house 1750 "
    "left 2353 marvin 1746 nine 2364 no 2375 off 2357 on 2367 one 2370 right 2367 seven 2377 sheila 1734 six 2369 "
    "stop 2380 three 2356 tree 1733 two 2373 up 2375 wow 1745 yes 2377 zero 2376 "
)
V2 = published(
    "backward 1664 bed 2014 bird 2064 cat 2031 dog 2128 down 3917 eight 3787 five 4052 follow 1579 forward 1557 "
    "four 3728 go 3880 happy 2054 house 2113 learn 1575 left 3801 marvin 2100 nine 3934 no 3941 off 3745 on 3845 "
    "one 3890 right 3778 seven 3998 sheila 2022 six 3860 stop 3872 three 3727 tree 1759 two 3880 up 3723 visual "
    "1592 wow 2123 yes 4044 zero 4052 "
)


def corpus_of(names, sides, *, name="toy") -> Corpus:
    """A corpus of clips named ``<word>/<speaker>_nohash_<n>.wav``, each on its side; no file is there."""
    clips = pd.DataFrame({"clip": names, "side": sides})
    clips["path"] = "/data/" + clips["clip"]
    clips["word"] = [clip.split("/")[0] for clip in names]
    clips["speaker"] = [clip.split("/")[1].partition("_nohash_")[0] for clip in names]
    return Corpus(name, clips)


def split_of(counts: dict[str, tuple[int, int, int]]) -> Split:
    """A split with so many clips of each word in training, validation and test, by one speaker a side."""
    found = [
        (f"{word}/{side}er_nohash_{i}.wav", side)
        for word, numbers in counts.items()
        for side, n in zip(SIDES, numbers, strict=True)
        for i in range(n)
    ]
    corpus = corpus_of([clip for clip, _ in found], [side for _, side in found])
    return make_splits(corpus, scheme="official")[0]


def with_official(split: Split, rows) -> Split:
    """The split with an official test set, (label, word) each by a speaker of the test side, instead of its own."""
    test = pd.DataFrame(rows, columns=["official_label", "word"])
    test["clip"] = [f"official_test/{label}/{i:03d}.wav" for i, label in enumerate(test["official_label"])]
    test = test.assign(path="/data/" + test["clip"], side="test", speaker="tester")
    test.loc[test["official_label"] == "_silence_", "speaker"] = ""
    own = split.corpus.clips.assign(official_label="")
    corpus = replace(split.corpus, clips=pd.concat([own, test], ignore_index=True))
    return make_splits(corpus, scheme="official", test="official")[0]


SMALL = {"yes": (30, 12, 8), "no": (25, 9, 11), "bed": (20, 5, 6), "cat": (21, 4, 3), "dog": (3, 8, 9)}


@pytest.fixture(scope="module")
def small() -> Split:
    return split_of(SMALL)


def two(split: Split, **settings) -> Task:
    """Keywords yes and no, with noise recordings."""
    return label_split(split, **{"noise": NOISE, "scheme": "keywords", "keywords": ("yes", "no"), **settings})


def counts(task: Task) -> dict[str, tuple[int, ...]]:
    """Clips of each label in training, validation and test."""
    table = pd.crosstab(task.rows["label"], task.rows["side"]).reindex(columns=list(SIDES), fill_value=0)
    return {label: tuple(row) for label, row in zip(table.index, table.to_numpy().tolist(), strict=True)}


def sources(rows: pd.DataFrame) -> set[str]:
    return set(rows["path"][rows["label"] == "silence"])


# -- the reference's counts --------------------------------------------------------------------------------------------


def whole_corpus(version: str, published: dict[str, int]) -> tuple[Corpus, dict[str, int]]:
    """Validation and testing clips as listed, and so many training clips of speakers invented for it as there are."""
    lists = DATA / "lists" / f"v{version}"
    if not lists.is_dir():
        pytest.skip("needs the official lists: lists/v0.01 and lists/v0.02 below KWSBENCH_DATA")
    listed = {}
    for side, file in (("validation", "validation_list.txt"), ("test", "testing_list.txt")):
        listed |= dict.fromkeys((lists / file).read_text().split(), side)
    have = Counter(name.split("/")[0] for name in listed)
    assert set(have) == set(published)
    speakers = [name for name in (f"{i:08x}" for i in range(2000)) if hash_side(name) == "train"]
    names = [
        f"{word}/{speakers[i % len(speakers)]}_nohash_{i // len(speakers)}.wav"
        for word, n in published.items()
        for i in range(n - have[word])
    ]
    sides = ["train"] * len(names) + list(listed.values())
    return corpus_of([*names, *listed], sides, name=f"speech_commands_v{version}"), Counter(sides)


@pytest.mark.parametrize(
    ("version", "published", "words", "commands", "twelve"),
    [
        ("0.01", V1, (51088, 6798, 6835), (18538, 2577, 2567), (22246, 3093, 3081)),
        ("0.02", V2, (84843, 9981, 11005), (30769, 3703, 4074), (36923, 4445, 4890)),
    ],
)
def test_counts_of_the_whole_corpora_are_the_references(version, published, words, commands, twelve):
    corpus, sides = whole_corpus(version, published)
    assert tuple(sides[side] for side in SIDES) == words
    (split,) = make_splits(corpus, scheme="hash")
    (listed,) = make_splits(corpus, scheme="official")
    assert split.sides.equals(listed.sides)  # so the counts below are those of both schemes

    task = label_split(split, noise=NOISE, scheme="kws12")
    assert tuple(task.rows["side"].value_counts()[list(SIDES)]) == twelve
    found = counts(task)
    assert tuple(sum(found[word][i] for word in COMMANDS) for i in range(3)) == commands
    assert found["unknown"] == found["silence"] == tuple(-(-n // 10) for n in commands)

    every = label_split(split, noise=NOISE, scheme="words35" if version == "0.02" else "words30")
    assert tuple(every.rows["side"].value_counts()[list(SIDES)]) == words


@pytest.mark.parametrize(
    ("commands", "twelve"),
    [((18538, 2577, 2567), (22246, 3093, 3081)), ((30769, 3703, 4074), (36923, 4445, 4890))],
)
def test_counts_follow_from_the_number_of_keyword_clips(commands, twelve):
    task = label_split(split_of({"yes": commands, "bed": (4000, 500, 500)}), scheme="keywords", keywords=["yes"])
    assert tuple(task.rows["side"].value_counts()[list(SIDES)]) == twelve


@settings(max_examples=12, deadline=None)
@given(st.tuples(*[st.integers(1, 300)] * 3), st.integers(0, 100), st.integers(0, 250))
@example((100, 200, 50), 7, 14)  # 100 × 0.07 is a little more than 7 in binary
def test_shares_are_rounded_up_exactly(keyword_clips, unknown, silence):
    split = split_of({"yes": keyword_clips, "bed": (300, 300, 300)})
    task = label_split(
        split,
        noise=NOISE,
        scheme="keywords",
        keywords=("yes",),
        unknown_share=unknown / 100,
        silence_share=silence / 100,
    )
    wanted = {"yes": keyword_clips}
    for label, percent in (("unknown", unknown), ("silence", silence)):
        if percent:
            wanted[label] = tuple(-(-n * percent // 100) for n in keyword_clips)  # ceil in whole numbers
    assert counts(task) == wanted
    assert task.labels == tuple(wanted)


# -- keywords and words ------------------------------------------------------------------------------------------------


def test_presets():
    assert COMMANDS == ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
    assert set(WORDS30) == set(V1) and len(WORDS30) == 30
    assert set(WORDS35) == set(V2) and len(WORDS35) == 35
    split = split_of(dict.fromkeys(WORDS35, (4, 2, 2)))
    twelve = label_split(split, noise=NOISE, scheme="kws12")
    assert twelve.labels == twelve.targets == (*COMMANDS, "unknown", "silence")
    assert label_split(split, noise=NOISE, scheme="words35").labels == WORDS35
    thirty = label_split(split, noise=NOISE, scheme="words30")
    assert thirty.labels == WORDS30 and set(thirty.rows["word"]) == set(WORDS30)
    assert "5 other words, 40 clips, take no part" in thirty.notes


def test_all_words_are_labels_and_nothing_else_is(small):
    task = label_split(small, noise=NOISE, scheme="all")
    assert task.labels == task.targets == ("bed", "cat", "dog", "no", "yes")
    assert counts(task) == SMALL and (task.rows["label"] == task.rows["word"]).all()


def test_all_words_may_be_called_unknown_and_silence():
    task = label_split(split_of({"silence": (3, 2, 1), "unknown": (2, 2, 2)}), noise=NOISE, scheme="all")
    assert task.labels == ("silence", "unknown") and counts(task) == {"silence": (3, 2, 1), "unknown": (2, 2, 2)}


def test_labels_stand_in_the_order_they_are_named(small):
    task = two(small, keywords=("no", "yes"))
    assert task.labels == ("no", "yes", "unknown", "silence")
    names = np.array(task.labels)
    assert (names[task.rows["target"]] == task.rows["label"]).all()
    keyword = task.rows["label"].isin(["no", "yes"])
    assert (task.rows["word"] == task.rows["label"])[keyword].all()
    assert not task.rows["word"][task.rows["label"] == "unknown"].isin(["no", "yes"]).any()


@pytest.mark.parametrize(
    ("settings", "what", "todo"),
    [
        ({"keywords": ["yess", "no"]}, "the corpus has no yess", "did you mean yes for yess?"),
        ({"keywords": ["yes", "bad"]}, "the corpus has no bad", "did you mean bed for bad?"),
        ({"keywords": ["zzz"]}, "the corpus has no zzz", "its words: bed, cat, dog, no, yes"),
        ({"keywords": []}, "without a list", "name the words"),
        ({"keywords": ["yes", "no", "yes"]}, "keyword yes is named twice", "once"),
        ({"keywords": ["yes", "unknown"]}, "unknown cannot be a keyword", "already"),
        ({"scheme": "kws12"}, "kws12 takes no keywords", "scheme: keywords"),
        ({"scheme": "kws12", "keywords": ()}, "the corpus has no up, down, left", "keywords: [yes, no]"),
        ({"unknown_share": -0.1}, "unknown_share is -0.1", "0 or more"),
        ({"silence_share": float("nan")}, "silence_share is nan", "0 or more"),
        ({"silence_seconds": 0.0}, "silence_seconds is 0", "more than 0"),
    ],
)
def test_mistakes_say_what_to_do(small, settings, what, todo):
    with pytest.raises(UserError) as caught:
        two(small, **settings)
    assert what in caught.value.what and todo in caught.value.todo


@pytest.mark.parametrize("word", ["speaker", "label"])
def test_a_word_that_names_a_column_of_predictions_is_refused(word):
    with pytest.raises(UserError, match=f"cannot be called '{word}'"):
        label_split(split_of({word: (3, 2, 1), "yes": (2, 2, 2)}), noise=NOISE, scheme="all")


def test_a_keyword_that_the_training_speakers_left_do_not_say_is_named():
    names = [
        f"{word}/{speaker}_nohash_0.wav" for word, speaker in (("yes", "a"), ("no", "b"), ("yes", "c"), ("no", "d"))
    ]
    corpus = corpus_of([*names, "no/e_nohash_0.wav"], ["train", "train", "validation", "test", "train"])
    labels = {"scheme": "keywords", "keywords": ("yes", "no")}
    (split,) = make_splits(corpus, scheme="official", train_speakers=1)
    with pytest.raises(UserError, match="no training clips for yes") as caught:
        label_split(split, **labels)
    assert "more train_speakers" in caught.value.todo
    (split,) = make_splits(corpus, scheme="official", train_speakers=2)
    assert label_split(split, **labels).labels[:2] == ("yes", "no")


def test_keywords_without_training_clips_are_named_with_those_to_keep():
    split = split_of({"yes": (5, 2, 2), "on": (0, 2, 2), "off": (0, 0, 3), "go": (4, 1, 1)})
    with pytest.raises(UserError, match="no training clips for off, on") as caught:
        label_split(split, noise=NOISE, scheme="keywords", keywords=["off", "yes", "on", "go"])
    assert "keywords: [yes, go]" in caught.value.todo and "split official" in caught.value.where


# -- words that are never trained on -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"scheme": "all"}, {"scheme": "keywords", "keywords": ("yes", "no", "cat", "bed")}]
)
def test_unseen_words_are_labels_of_the_test_alone(small, settings):
    whole, task = (label_split(small, noise=NOISE, **settings, **more) for more in ({}, {"unseen": ("cat", "no")}))
    assert task.labels == whole.labels and task.targets == whole.targets and task.target_label == whole.target_label
    found = counts(task)
    assert found["cat"] == (0, 0, 3) and found["no"] == (0, 0, 11) and found["yes"] == SMALL["yes"]
    test = task.rows["side"] == "test"
    pd.testing.assert_frame_equal(
        task.rows[test].reset_index(drop=True), whole.rows[whole.rows["side"] == "test"].reset_index(drop=True)
    )
    named = [label for label in task.labels if label in ("cat", "no")]
    assert f"in the test alone, never trained on: {', '.join(named)}" in task.notes
    assert task.fingerprint != whole.fingerprint


def test_unseen_words_are_not_unknown_and_shares_are_of_the_words_that_are_heard(small):
    task = two(small, keywords=("yes", "no"), unseen=("no",))
    assert counts(task)["unknown"] == (3, 2, 2) and counts(task)["silence"] == (3, 2, 2)
    assert not (task.rows["word"][task.rows["label"] == "unknown"] == "no").any()
    assert two(small, keywords=("yes", "no"), unseen=()).fingerprint == two(small, keywords=("yes", "no")).fingerprint


def test_unseen_words_stay_so_where_a_model_trains_on_other_unknowns(small):
    task = two(small, unseen=("no",))
    mixed = with_training(task, two(small, unseen=("no",), unknown="words"))
    assert counts(mixed)["no"] == (0, 0, 11)
    assert [note for note in mixed.notes if "never trained on" in note] == ["in the test alone, never trained on: no"]


@pytest.mark.parametrize(
    ("settings", "what", "todo"),
    [
        ({"unseen": ["noo"]}, "unseen word noo is no label", "did you mean no?"),
        ({"unseen": ["bed"]}, "unseen word bed is no label", "Name some of yes, no"),
        ({"unseen": ["unknown"]}, "unseen word unknown is no label", "Name some of yes, no"),
        ({"unseen": ["no", "yes"]}, "every word is unseen", "leave some"),
        ({"scheme": "all", "keywords": (), "unseen": ["bat"]}, "unseen word bat is no label", "did you mean cat?"),
        ({"scheme": "kws12", "keywords": (), "unseen": ["bed"]}, "unseen word bed is no label", "Name some of yes"),
    ],
)
def test_unseen_words_have_to_be_some_of_the_labels(small, settings, what, todo):
    with pytest.raises(UserError) as caught:
        two(small, **settings)
    assert what in caught.value.what and todo in caught.value.todo


def test_a_word_without_training_clips_may_be_unseen():
    split = split_of({"yes": (5, 2, 2), "on": (0, 2, 2), "go": (4, 1, 1)})
    task = label_split(split, noise=NOISE, scheme="keywords", keywords=["yes", "on", "go"], unseen=["on"])
    assert counts(task)["on"] == (0, 0, 2)


# -- unknown -----------------------------------------------------------------------------------------------------------


def unknown_rows(task: Task, side: str) -> set[str]:
    rows = task.rows
    return set(rows["clip"][(rows["label"] == "unknown") & (rows["side"] == side)])


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 2))
def test_unknown_clips_stay_on_their_own_side_and_are_drawn_once(seed, share):
    split = split_of(SMALL)
    task = two(split, seed=seed, unknown_share=share)
    unknown = task.rows[task.rows["label"] == "unknown"]
    assert (split.sides[unknown["clip"]].to_numpy() == unknown["side"]).all()
    assert task.rows["clip"].is_unique and not unknown["word"].isin(["yes", "no"]).any()
    # a larger share adds clips to a smaller one's
    more = two(split, seed=seed, unknown_share=share + 0.2)
    assert all(unknown_rows(task, side) <= unknown_rows(more, side) for side in SIDES)


def test_unknown_is_drawn_evenly_and_by_the_seed(small):
    drawn = Counter(clip for seed in range(60) for clip in unknown_rows(two(small, seed=seed), "train"))
    # 44 clips, 6 of them a draw: each is drawn 60 × 6 / 44 times, give or take four deviations
    expected = 60 * 6 / 44
    assert len(drawn) == 44 and sum(drawn.values()) == 360
    assert max(abs(n - expected) for n in drawn.values()) < 4 * (expected * 38 / 44) ** 0.5


def test_too_few_other_words_are_all_taken_and_said():
    task = two(split_of({"yes": (100, 30, 30), "no": (100, 10, 10), "bed": (7, 4, 4)}))
    assert counts(task)["unknown"] == (7, 4, 4)
    assert "unknown, train: only 7 clips of other words, 20 were asked for" in task.notes
    nothing = two(split_of({"yes": (100, 30, 30), "no": (100, 10, 10)}))
    assert nothing.labels == ("yes", "no", "silence")


@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_a_corpus_says_nothing(random):
    split = split_of(SMALL)
    order = list(range(len(split.corpus.clips)))
    random.shuffle(order)
    corpus = replace(split.corpus, clips=split.corpus.clips.iloc[order].reset_index(drop=True))
    noise = dict(sorted(NOISE.items(), key=lambda _: random.random()))
    (again,) = make_splits(corpus, scheme="official")
    again = replace(again, sides=again.sides.iloc[order])
    for unknown in ("pooled", "words"):
        one, other = two(split, unknown=unknown), two(again, unknown=unknown, noise=noise)
        pd.testing.assert_frame_equal(one.rows, other.rows)
        assert one.fingerprint == other.fingerprint and one.noise == other.noise


@pytest.mark.parametrize("side", SIDES)
def test_a_word_that_comes_to_one_side_moves_nothing_on_the_others(small, side):
    at = SIDES.index(side)
    more = two(split_of({**SMALL, "zoo": tuple(40 if i == at else 0 for i in range(3))}))
    less = two(small)
    here = more.rows["side"] == side
    pd.testing.assert_frame_equal(
        more.rows[~here].reset_index(drop=True), less.rows[less.rows["side"] != side].reset_index(drop=True)
    )
    assert (more.rows["word"] == "zoo").any() and not (more.rows["word"][~here] == "zoo").any()


# -- every unknown word by itself --------------------------------------------------------------------------------------


def test_words_train_on_every_word_and_are_scored_as_unknown(small):
    pooled, words = two(small), two(small, unknown="words")
    assert words.labels == pooled.labels == ("yes", "no", "unknown", "silence")
    assert words.targets == ("yes", "no", "unknown:bed", "unknown:cat", "unknown:dog", "silence")
    assert words.target_label == (0, 1, 2, 2, 2, 3)
    train = words.rows[words.rows["side"] == "train"]
    aims = train.groupby("word")["target"].agg(["nunique", "first", "size"])
    assert (aims["nunique"] == 1).all()
    assert aims["first"].to_dict() == {"yes": 0, "no": 1, "bed": 2, "cat": 3, "dog": 4, "silence": 5}
    assert aims["size"].to_dict() == {"yes": 30, "no": 25, "bed": 20, "cat": 21, "dog": 3, "silence": 6}
    # what is chosen and scored on is the same
    one, other = (task.rows[task.rows["side"] != "train"].drop(columns="target") for task in (pooled, words))
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True))
    # and every row's target belongs to its label
    assert (np.array(words.labels)[np.array(words.target_label)[words.rows["target"]]] == words.rows["label"]).all()


def test_an_unknown_word_that_training_lacks_aims_at_unknown():
    task = two(split_of({**SMALL, "zoo": (0, 50, 50)}), unknown="words")
    assert "unknown:zoo" not in task.targets
    zoo = task.rows[task.rows["word"] == "zoo"]
    assert len(zoo) and {task.labels[task.target_label[target]] for target in zoo["target"]} == {"unknown"}


def test_no_unknown(small):
    task = two(small, unknown="none")
    assert task.labels == ("yes", "no", "silence") and not task.rows["word"].isin(["bed", "cat", "dog"]).any()
    assert "3 other words, 79 clips, take no part" in task.notes


# -- silence -----------------------------------------------------------------------------------------------------------


def silence_of(task: Task) -> pd.DataFrame:
    return task.rows[task.rows["label"] == "silence"]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 20))
def test_noise_recordings_are_kept_whole_to_one_side(seed, n):
    noise = {f"/data/{i:02d}.wav": (16000, 16000) for i in range(n)}
    sides = noise_sides(noise, seed)
    assert sorted(path for side in SIDES for path in sides[side]) == sorted(noise)
    assert len(sides["validation"]) == len(sides["test"]) == max(1, n // 6)
    elsewhere = noise_sides({path.replace("/data/", "/other/"): size for path, size in noise.items()}, seed)
    assert [Path(path).name for path in elsewhere["train"]] == [Path(path).name for path in sides["train"]]


def test_which_recordings_are_held_out_is_drawn():
    held_out = Counter(noise_sides(NOISE, seed)["test"] for seed in range(200))
    assert len(held_out) == 6 and min(held_out.values()) > 10


def test_recordings_in_folders_of_sides_stay_there():
    noise = {f"/n/{side}/{i}_{side}.flac": (16000, 16000) for side in SIDES for i in range(2)}
    for seed in range(5):
        assert all(
            {Path(path).parent.name for path in paths} == {side} for side, paths in noise_sides(noise, seed).items()
        )


def test_stretches_of_recordings(small):
    noise = {"/n/a.wav": (16000 * 60, 16000), "/n/b.wav": (8000 * 3, 8000), "/n/c.wav": (44100 + 5, 44100)}
    task = two(small, noise=noise, silence_share=20.0)
    rows = silence_of(task)
    assert rows["clip"].is_unique and rows["clip"].str.fullmatch(r"silence/(train|validation|test)/\d+").all()
    assert set(rows["word"]) == {"silence"} and set(rows["speaker"]) == {""} and not rows["peak"].any()
    used = {side: set(rows["path"][rows["side"] == side]) for side in SIDES}
    assert sorted(path for paths in used.values() for path in paths) == sorted(noise)  # each on one side, all in use
    assert task.noise == tuple(used["train"])
    for path, (samples, rate) in noise.items():
        own = rows[rows["path"] == path]
        assert (own["stop"] - own["start"] == rate).all()
        assert own["start"].min() >= 0 and own["stop"].max() <= samples
        assert own["start"].nunique() > min(4, samples - rate)  # the places are drawn
    assert rows["gain"].between(0.1, 1.0).all() and rows["gain"].nunique() > 100
    halves = silence_of(two(small, noise=noise, silence_seconds=0.5))
    assert (
        (halves["stop"] - halves["start"]) == halves["path"].map({p: rate // 2 for p, (_, rate) in noise.items()})
    ).all()


def test_a_recording_shorter_than_a_stretch_is_whole(small):
    noise = {f"/n/{i}.wav": (4000 + i, 16000) for i in range(3)}
    rows = silence_of(two(small, noise=noise))
    assert (rows["start"] == 0).all() and (
        rows["stop"] == rows["path"].map({p: n for p, (n, _) in noise.items()})
    ).all()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_recordings_give_generated_noise_and_a_note(small, n):
    noise = dict(list(NOISE.items())[:n]) | {"/n/unreadable.wav": (0, 0)}
    task = two(small, noise=noise)
    assert all(path.startswith("generated:") for path in sources(task.rows))
    assert f"silence is generated noise: {n} noise recordings are too few to hold out any" in task.notes
    assert task.noise == tuple(sorted(noise)[:n])  # no other side hears them
    assert counts(task)["silence"] == (6, 3, 2)


def test_generated_silence_has_five_colours_in_turn_and_no_noise_twice(small):
    rows = silence_of(two(small, silence="generated", silence_share=1.0))
    parts = rows["path"].str.split(":", expand=True)
    assert set(parts[0]) == {"generated"} and set(parts[1]) == set(COLORS)
    for _, own in parts.groupby(rows["side"]):
        assert own[1].value_counts().max() - own[1].value_counts().min() <= 1
    assert rows["path"].is_unique and (rows["start"] == 0).all() and (rows["stop"] == -1).all()
    assert not rows["peak"].any() and rows["gain"].nunique() > 50


def test_kernel_silence_is_half_recorded_half_generated_at_its_peak(small):
    rows = silence_of(two(small, silence="kernel", silence_share=0.4))
    recorded = rows["path"].isin(list(NOISE))
    assert recorded.groupby(rows["side"]).sum().to_dict() == {"train": 11, "validation": 4, "test": 4}
    assert (~recorded).groupby(rows["side"]).sum().to_dict() == {"train": 11, "validation": 5, "test": 4}
    assert rows["path"][~recorded].str.startswith("generated:").all()
    assert rows["peak"].all() and (rows["gain"] == 1.0).all()
    without = silence_of(two(small, silence="kernel", noise={}))
    assert without["peak"].all() and without["path"].str.startswith("generated:").all()


def test_digital_zeros_only_by_name(small):
    for silence in ("recordings", "generated", "kernel"):
        for noise in ({}, NOISE):
            assert "zeros" not in sources(two(small, silence=silence, noise=noise).rows)
    zeros = two(small, silence="zeros")
    assert sources(zeros.rows) == {"zeros"} and counts(zeros)["silence"] == (6, 3, 2)


def test_no_silence(small):
    task = two(small, silence="none")
    assert task.labels == ("yes", "no", "unknown") and not (task.rows["word"] == "silence").any()
    assert task.noise == noise_sides(NOISE, 0)["train"]


@pytest.mark.parametrize("silence", ["recordings", "generated", "kernel", "zeros", "none"])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_rows_have_one_form(small, silence, share):
    rows = two(small, silence=silence, silence_share=share, unknown_share=share).rows
    numbers = {"start": "int64", "stop": "int64", "gain": "float64", "peak": "bool", "target": "int64"}
    assert {name: str(rows[name].dtype) for name in numbers} == numbers
    assert not rows.isna().any().any()
    assert rows[["side", "clip"]].apply(tuple, axis=1).is_monotonic_increasing


# -- the official test set ---------------------------------------------------------------------------------------------

OFFICIAL = [("yes", "yes")] * 4 + [("no", "no")] * 3 + [("on", "on")] * 5 + [("off", "off")] * 2
OFFICIAL += [("_unknown_", "bed")] * 3 + [("_unknown_", "learn")] * 2 + [("_silence_", "silence")] * 6


def test_official_test_set_is_whole_but_for_keywords_that_are_not_kept(small):
    split = with_official(small, OFFICIAL)
    task = two(split)
    found = {label: numbers[2] for label, numbers in counts(task).items()}
    assert found == {"yes": 4, "no": 3, "unknown": 5, "silence": 6}
    assert "official test set: 18 of 25 clips, without off (2), on (5)" in task.notes
    assert "silence: noise recordings held out whole, 4 train, 1 validation" in task.notes
    test = task.rows[task.rows["side"] == "test"]
    assert test["clip"].str.startswith("official_test/").all()
    assert (test["start"] == 0).all() and (test["stop"] == -1).all() and (test["gain"] == 1.0).all()
    assert set(test["speaker"][test["label"] == "silence"]) == {""}
    # the other sides are as they are with the split's own test side
    own, other = (found.rows[found.rows["side"] != "test"].reset_index(drop=True) for found in (task, two(small)))
    pd.testing.assert_frame_equal(own, other)


def test_official_test_set_whole():
    split = with_official(split_of(dict.fromkeys(("yes", "no", "on", "off", "bed"), (5, 2, 2))), OFFICIAL)
    task = two(split, keywords=("yes", "no", "on", "off"))
    assert "official test set: whole, 25 clips" in task.notes
    assert (task.rows["side"] == "test").sum() == 25


def test_a_keyword_among_the_official_unknown_is_no_unknown(small):
    task = two(with_official(small, OFFICIAL), keywords=("yes", "bed"))
    assert {label: n[2] for label, n in counts(task).items()} == {"yes": 4, "bed": 3, "unknown": 2, "silence": 6}
    assert "official test set: 15 of 25 clips, without no (3), off (2), on (5)" in task.notes
    every = label_split(with_official(small, OFFICIAL), noise=NOISE, scheme="all")
    assert every.labels == ("bed", "cat", "dog", "no", "yes")
    assert {label: n[2] for label, n in counts(every).items() if n[2]} == {"bed": 3, "no": 3, "yes": 4}
    assert "10 of 25 clips, without off (2), on (5), silence (6), unknown (2)" in " ".join(every.notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "of which training has heard 4 of 6 as silence"),
        ({"silence": "kernel"}, "of which training has heard 4 of 6 as silence"),
        ({"silence": "generated"}, "of which 4 of 6 may be mixed into training clips, none is its silence"),
        ({"noise": {}}, "which are not here"),
    ],
)
def test_a_note_says_where_the_official_silence_comes_from(small, settings, said):
    task = two(with_official(small, OFFICIAL), **settings)
    (note,) = [note for note in task.notes if "was cut from the corpus's own noise recordings" in note]
    assert said in note and "accuracy without silence stands beside" in note


def test_the_official_test_set_without_its_unknown_and_silence_says_so(small):
    task = two(with_official(small, OFFICIAL), unknown="none", silence="none")
    assert task.labels == ("yes", "no")
    assert "7 of 25 clips, without off (2), on (5), silence (6), unknown (5)" in " ".join(task.notes)


def test_the_official_test_set_of_the_real_corpus():
    if not all((DATA / name).is_dir() for name in ("speech_commands_v0.01", "speech_commands_test_set_v0.02")):
        pytest.skip("needs speech_commands_v0.01 and speech_commands_test_set_v0.02 below KWSBENCH_DATA")
    corpus = corpora.add_official_test(corpora.load_corpus("speech_commands_v0.01", DATA), DATA)
    (split,) = make_splits(corpus, scheme="hash", test="official")
    eight = [word for word in COMMANDS if word not in ("on", "off")]
    task = label_split(split, noise=NOISE, scheme="keywords", keywords=eight)
    test = task.rows[task.rows["side"] == "test"]
    assert len(test) == 4092 and set(test["speaker"]) >= {""} and test["speaker"].nunique() == 236 + 1
    assert "official test set: 4,092 of 4,890 clips, without off (402), on (396)" in task.notes


# -- another training side ---------------------------------------------------------------------------------------------


def test_one_models_training_side_leaves_what_is_scored_alone(small):
    task = two(small)
    other = two(small, unknown="words", silence="kernel", silence_share=2.0, unknown_share=0.5)
    mixed = with_training(task, other)
    kept, trained = mixed.rows["side"] != "train", other.rows["side"] == "train"
    columns = task.rows.columns.drop("target")
    pd.testing.assert_frame_equal(
        mixed.rows[kept][columns].reset_index(drop=True),
        task.rows[task.rows["side"] != "train"][columns].reset_index(drop=True),
    )
    pd.testing.assert_frame_equal(mixed.rows[~kept].reset_index(drop=True), other.rows[trained].reset_index(drop=True))
    assert (mixed.labels, mixed.targets, mixed.target_label) == (task.labels, other.targets, other.target_label)
    owner = np.array(mixed.labels)[np.array(mixed.target_label)[mixed.rows["target"]]]
    assert (owner == mixed.rows["label"]).all()
    assert mixed.fingerprint not in (task.fingerprint, other.fingerprint)
    assert with_training(task, task).fingerprint == task.fingerprint


def test_a_training_side_without_a_label_is_said_and_with_a_strange_one_refused(small):
    task = two(small)
    deaf = with_training(task, two(small, silence="none"))
    assert deaf.labels == task.labels and "silence: no clip in training" in deaf.notes
    assert "silence: no clip in training" not in with_training(deaf, task).notes
    with pytest.raises(UserError, match="trained on silence, which is not scored"):
        with_training(two(small, silence="none"), task)


def test_a_training_side_that_hears_what_is_held_out_is_a_leak(small):
    task = two(small, seed=0, silence_share=3.0)
    seed = next(seed for seed in range(1, 99) if noise_sides(NOISE, seed)["test"] != noise_sides(NOISE, 0)["test"])
    for silence in ("recordings", "generated"):  # by itself, or mixed into words
        with pytest.raises(LeakError, match="noise recordings on two sides: .*wav"):
            with_training(task, two(small, seed=seed, silence=silence))


# -- the task as a thing -----------------------------------------------------------------------------------------------


def test_fingerprint_is_of_what_a_model_sees(small):
    task = two(small)
    moved = replace(small.corpus, clips=small.corpus.clips.assign(path="/else/" + small.corpus.clips["clip"]))
    noise = {path.replace("/data/", "/else/"): size for path, size in NOISE.items()}
    assert two(make_splits(moved, scheme="official")[0], noise=noise).fingerprint == task.fingerprint
    changes = [{"seed": 1}, {"unknown": "words"}, {"unknown_share": 0.2}, {"silence": "generated"}]
    changes += [{"silence": "zeros"}, {"silence_share": 0.2}, {"silence_seconds": 0.5}]
    changes += [{"keywords": ("no", "yes")}, {"scheme": "all", "keywords": ()}]
    prints = [two(small, **change).fingerprint for change in changes]
    assert len({task.fingerprint, *prints}) == len(changes) + 1
    for column, value in (("label", "no"), ("side", "test"), ("gain", 0.123), ("stop", 7), ("speaker", "x")):
        rows = task.rows.copy()
        rows.loc[rows.index[rows["side"] == "train"][0], column] = value
        assert replace(task, rows=rows).fingerprint != task.fingerprint, column
    assert replace(task, noise=()).fingerprint != task.fingerprint


def test_unheard_words_are_unknown_in_the_test_alone(small):
    plain, task = two(small, unknown_share=9.0), two(small, unknown_share=9.0, unheard=("bed",))
    by_side = lambda made: made.rows[made.rows["word"] == "bed"].groupby("side").size().to_dict()  # noqa: E731
    assert by_side(plain) == dict(zip(("train", "validation", "test"), SMALL["bed"], strict=True))
    assert by_side(task) == {"test": SMALL["bed"][2]}
    assert set(task.rows["label"][task.rows["word"] == "bed"]) == {"unknown"}
    assert any("no model was trained on, said on test: bed" in note for note in task.notes)
    mixed = with_training(task, two(small, unknown="words", unheard=("bed",)))
    assert not [target for target in mixed.targets if "bed" in target] and by_side(mixed) == by_side(task)


@pytest.mark.parametrize("sides", [("validation",), ("validation", "test")])
def test_unheard_words_may_be_on_validation(small, sides):
    how = {"unknown_share": 9.0, "unheard": ("bed",), "unheard_sides": sides}
    task = two(small, **how)
    counts = dict(zip(("train", "validation", "test"), SMALL["bed"], strict=True))
    here = task.rows[task.rows["word"] == "bed"]
    assert here.groupby("side").size().to_dict() == {side: counts[side] for side in sides}
    assert any(f"said on {' and '.join(sides)}: bed" in note for note in task.notes)
    by_word = with_training(task, two(small, **how, unknown="words_and_other"))
    new = by_word.rows[by_word.rows["word"] == "bed"]
    assert {by_word.targets[target] for target in new["target"]} == {"unknown"}


def test_unheard_words_are_somewhere(small):
    with pytest.raises(UserError, match="unheard words on no side"):
        two(small, unheard=("bed",), unheard_sides=())


@pytest.mark.parametrize(
    ("words", "what", "todo"),
    [
        (["bad"], "unheard word bad is not in the corpus", "did you mean bed?"),
        (["yes"], "unheard word yes is a label", "name some of bed"),
    ],
)
def test_unheard_words_are_in_the_corpus_and_no_labels(small, words, what, todo):
    with pytest.raises(UserError) as caught:
        two(small, unheard=words)
    assert what in caught.value.what and todo in caught.value.todo


def test_unknown_words_of_their_own_and_one_target_for_all_others():
    split = split_of({"yes": (30, 2, 2), "bed": (12, 2, 2), "cat": (9, 1, 2), "dog": (0, 0, 3), "go": (30, 2, 2)})
    how = {"scheme": "keywords", "keywords": ("yes", "go"), "silence": "none", "unknown_share": 9.0}
    task = label_split(split, noise=NOISE, unknown="words_and_other", **how)
    assert task.targets == ("yes", "go", "unknown", "unknown:bed") and task.target_label == (0, 1, 2, 2)
    aims = task.rows.groupby("word")["target"].agg(lambda targets: sorted(set(targets))).to_dict()
    assert aims == {"yes": [0], "go": [1], "bed": [3], "cat": [2], "dog": [2]}
    mixed = with_training(label_split(split, noise=NOISE, **how), task)
    assert mixed.targets == task.targets and mixed.rows["target"].tolist() == task.rows["target"].tolist()
