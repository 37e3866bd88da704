"""Models that spell answer words that they have no clips of."""

from dataclasses import replace

import numpy as np
import pytest

from kwsbench.models import MODELS, FitContext, model_class

SPELLING = [name for name in MODELS if getattr(model_class(name), "open_vocabulary", False)]


def test_there_are_some():
    assert {"ctc_rnn", "las"} <= set(SPELLING)


@pytest.mark.parametrize("name", SPELLING)
def test_a_label_without_clips_has_a_score(name, toy_clips):
    train, validation, test = (toy_clips(n, seed) for seed, n in enumerate((6, 2, 3)))
    model = model_class(name)(**model_class(name).toy())
    log = model.fit(train.take(train.targets != 1), validation.take(validation.targets != 1), FitContext(seed=1))
    scores = model.scores(test)
    assert scores.shape == (len(test), 4) and np.isfinite(scores).all() and np.isfinite(log.history[-1]["train_loss"])


def spoken(toy_clips, words, per_word, seed):
    """Clips in which every letter sounds by itself for a few frames, whatever stands around it."""
    sounds = dict(zip("abcd", 3 * np.eye(6), strict=False))
    rng = np.random.default_rng(seed)
    clips = toy_clips(per_word * len(words) // 4, kind="mfcc", ragged=False)
    targets = np.tile(np.arange(len(words)), per_word)[: len(clips)]
    features = 0.3 * rng.normal(size=clips.features.shape)
    for clip, target in zip(features, targets, strict=True):
        begin = rng.integers(0, 20 - 5 * len(words[target]) + 1)
        for i, letter in enumerate(words[target]):
            clip[begin + 5 * i : begin + 5 * i + 5] += sounds[letter]
    return replace(clips, features=features.astype(np.float32), targets=targets, labels=words)


def test_ctc_answers_a_word_that_it_was_only_told_how_to_spell(toy_clips):
    words = ("ab", "bc", "ca", "abc", "cab", "ba", "cb", "bca")
    train, validation, test = (spoken(toy_clips, words, n, seed) for seed, n in enumerate((16, 4, 16)))
    unseen = (words.index("bc"), words.index("bca"))
    heard = lambda clips: clips.take(~np.isin(clips.targets, unseen))  # noqa: E731
    kind = model_class("ctc_rnn")
    model = kind(**{**kind.toy(), "epochs": 12, "batch_size": 8, "width": 32, "learning_rate": 1e-2})
    model.fit(heard(train), heard(validation), FitContext(seed=1))
    right = model.scores(test).argmax(1) == test.targets
    assert right[~np.isin(test.targets, unseen)].mean() > 0.9
    assert all(right[test.targets == word].mean() > 0.9 for word in unseen)
