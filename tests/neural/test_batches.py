"""Batches of real ``Clips``: what augmentation gives a network is what the cache holds, but for what was varied."""

import numpy as np
import pytest
import torch

from kwsbench.clips import Clips
from kwsbench.corpora import load_corpus
from kwsbench.features import Frontend
from kwsbench.labels import label_split
from kwsbench.models import FitContext
from kwsbench.models.light_cnn import LightCNN
from kwsbench.neural.augment import Augmentation
from kwsbench.neural.batches import Batches
from kwsbench.recordings import read_recordings
from kwsbench.splits import make_splits

BARELY = Augmentation(shift_ms=0, noise_share=0, gain_db=1e-7)


@pytest.fixture(scope="module")
def task(tone_tree, tmp_path_factory):
    """A task of three keywords, unknown and silence, its recordings, and a cache."""
    corpus = load_corpus("speech_commands_v0.01", tone_tree.parent)
    cache = tmp_path_factory.mktemp("cache")
    recordings = read_recordings(corpus, cache, workers=1)
    split = make_splits(corpus, recordings.table["sha256"], scheme="speakers", folds=5, validation_share=0.2)[0]
    table = recordings.table
    noise = {str(p): (int(table.n_samples[f"_noise_/{p.name}"]), 16000) for p in corpus.noise}
    labelled = label_split(
        split, noise=noise, scheme="keywords", keywords=("yes", "no", "up"), unknown_share=0.5, silence_share=0.5
    )
    return labelled, recordings, cache


def sides(task, **frontend):
    labelled, recordings, cache = task
    settings = Frontend(**{**LightCNN.frontend, **frontend})
    train = Clips(labelled, "train", settings, recordings, cache)
    return train, *(
        Clips(labelled, side, settings, recordings, cache, statistics=train) for side in ("validation", "test")
    )


@pytest.mark.parametrize("normalise", ["none", "global", "utterance", "speaker"])
def test_nothing_varied_is_what_the_cache_holds(task, normalise):
    train, _, _ = sides(task, normalise=normalise)
    index = np.array([5, 0, 11])
    ready, targets = Batches(train, "features", "cpu").take(index)
    made, again = Batches(train, "features", "cpu", BARELY).take(index)
    torch.testing.assert_close(made, ready, rtol=1e-3, atol=1e-3)
    assert torch.equal(targets, again) and targets.tolist() == train.targets[index].tolist()


def test_waveforms_are_unit_scaled(task):
    train, _, _ = sides(task)
    waves, _ = Batches(train, "waveform", "cpu").take(np.arange(4))
    np.testing.assert_allclose(waves.numpy() * 32768, train.waveforms[:4])


def test_the_light_cnn_learns_from_varied_clips_and_scores_others(task):
    train, validation, test = sides(task)
    model = LightCNN(epochs=5, batch_size=16)
    model.warm_up(train, FitContext(seed=2))
    log = model.fit(train, validation, FitContext(seed=2))
    assert log.history[-1]["train_loss"] < 0.9 * log.history[0]["train_loss"]
    assert model.scores(test).shape == (len(test), 5)
