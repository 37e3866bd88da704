"""A teacher hears what its pupil hears, without masks, and the pupil takes after it."""

import numpy as np
import pytest
import torch
from torch import nn

from kwsbench.neural.augment import Augmentation
from kwsbench.neural.batches import Batches
from kwsbench.neural.schedule import Schedule
from kwsbench.neural.teaching import Teaching
from kwsbench.neural.train import Training


class Heard(nn.Module):
    """Answers with what it is given."""

    def forward(self, inputs):
        assert not self.training
        return inputs


def test_it_hears_the_same_clips(side):
    clips, index = side(30, noise=2), np.array([4, 1, 29])
    varied = {"shift_ms": 20.0, "noise_share": 0.8, "gain_db": 6.0, "speed": 0.1, "filter_db": 6.0}
    pupil, _ = Batches(clips, "waveform", "cpu", Augmentation(**varied), seed=3).take(index, 2)
    teaching = Teaching(Heard(), Batches(clips, "waveform", "cpu", Augmentation(**varied), seed=3))
    assert torch.equal(teaching(index, 2), pupil) and not torch.equal(teaching(index, 1), pupil)
    masked, _ = Batches(clips, "features", "cpu", Augmentation(**varied, time_masks=2, time_mask=6), seed=3).take(
        index, 2
    )
    whole = Teaching(Heard(), Batches(clips, "features", "cpu", Augmentation(**varied), seed=3))(index, 2)
    same = masked == whole
    assert 0.2 < same.float().mean() < 1  # masks draw after all else, so what they leave is the same


def test_its_logits_have_no_gradient_and_are_single_precision(side):
    clips = side(12)
    net = nn.Sequential(nn.Flatten(), nn.Linear(40, 3))
    found = Teaching(net, Batches(clips, "features", "cpu"), "bfloat16")(np.arange(5), 0)
    assert found.dtype == torch.float32 and not found.requires_grad and found.shape == (5, 3)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_pupil_takes_after_its_teacher(side, share):
    """Of the teacher alone it learns answers that no label says: here all labels in turn, one further."""
    train, validation = side(90), side(30, 1)
    wrong = nn.Module()
    wrong.forward = lambda inputs: 8.0 * torch.nn.functional.one_hot(inputs[:, 0].long(), 3).float()
    answers = Batches(train, "features", "cpu")
    answers.take = lambda index, epoch: (torch.from_numpy((train.targets[index] + 1) % 3)[:, None], None)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(40, 3))
    schedule = Schedule(epochs=20, batch_size=10, learning_rate=0.05, validate_every=180, teacher_share=share)
    sides = Batches(train, "features", "cpu"), Batches(validation, "features", "cpu")
    training = Training(module, *sides, schedule, seed=0, teacher=Teaching(wrong, answers))
    training.run()
    logits = module(torch.from_numpy(train.features).float())
    told = (torch.from_numpy(train.targets) + 1) % 3 if share else torch.from_numpy(train.targets)
    assert (logits.argmax(1) == told).float().mean() > 0.95
