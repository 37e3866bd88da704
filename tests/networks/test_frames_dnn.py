"""The network that tells states from spliced frames."""

import numpy as np
import torch

from kwsbench.networks.frames_dnn import FramesDNN, Spliced


def test_neighbours_are_of_the_same_clip_and_its_ends_are_repeated():
    frames = np.arange(7, dtype=np.float32)[:, None] * np.array([1, 10], np.float32)
    spliced = Spliced(frames, np.array([3, 0, 4]), 2, "cpu")
    found = spliced.take(torch.tensor([0, 2, 3, 5]))
    assert found[..., 0].tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 2, 2], [3, 3, 3, 4, 5], [3, 4, 5, 6, 6]]
    assert torch.equal(found[..., 1], 10 * found[..., 0])


def test_parameters_by_hand_and_frames_in_any_units():
    mean, scale = np.array([3.0, -1.0]), np.array([0.5, 2.0])
    net = FramesDNN(3, 2, 7, 2, 5, 0.0, mean, scale).eval()
    assert sum(p.numel() for p in net.parameters()) == (3 * 2 * 5 + 2 * 5) + (5 * 5 + 2 * 5) + (5 * 7 + 7)
    plain = FramesDNN(3, 2, 7, 2, 5, 0.0, np.zeros(2), np.ones(2)).eval()
    plain.layers.load_state_dict(net.layers.state_dict())
    x = torch.randn(4, 3, 2)
    torch.testing.assert_close(net((x / torch.tensor(scale) + torch.tensor(mean)).float()), plain(x))


def test_without_hidden_layers_it_is_a_softmax_of_frames():
    net = FramesDNN(1, 2, 3, 0, 5, 0.0, np.zeros(2), np.ones(2))
    x = torch.randn(4, 1, 2)
    torch.testing.assert_close(net(x), x[:, 0] @ net.layers[0].weight.T + net.layers[0].bias)
