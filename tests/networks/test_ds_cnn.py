"""DS-CNN against the memory and operations that its paper states, and against TensorFlow's padding."""

import pytest
import torch
from torch.nn import functional as F

from kwsbench.networks.ds_cnn import DSCNN, SameConv2d
from kwsbench.networks.norms import ShiftNorm2d

PUBLISHED = {"s": (38.6, 5.4), "m": (189.2, 19.8), "l": (497.6, 56.9)}  # KB in 8 bits, million operations
CHANNELS, BLOCKS = {"s": 64, "m": 172, "l": 276}, {"s": 4, "m": 4, "l": 5}


def params_by_hand(size: str) -> int:
    """Weights, and a number a channel for each convolution's shift."""
    c = CHANNELS[size]
    block = (9 * c + c) + (c * c + c)
    return (10 * 4 * c + c) + BLOCKS[size] * block + (c * 12 + 12)


def positions(size: str) -> tuple[int, int]:
    """Outputs a channel of the first convolution and of the others: 49 × 10 frames and cepstra."""
    return (25 * 5, 25 * 5) if size == "s" else (25 * 10, 13 * 5)


def macs_by_hand(size: str) -> int:
    c, (first, later) = CHANNELS[size], positions(size)
    return first * 40 * c + BLOCKS[size] * later * (9 * c + c * c) + 12 * c


@pytest.mark.parametrize(("size", "params"), [("s", 22_604), ("m", 135_032), ("l", 410_700)])
def test_parameters_and_published_memory(size, params):
    assert sum(p.numel() for p in DSCNN(12, size).parameters() if p.requires_grad) == params == params_by_hand(size)
    first, later = positions(size)
    activations = CHANNELS[size] * (first + later)  # what goes into the first depthwise convolution, and comes out
    assert round((params + activations) / 1000, 1) == PUBLISHED[size][0]


def test_parameters_that_mlperf_tiny_counts():
    """Keras counts a bias, a scale and two running statistics more for each channel that is normalised."""
    net = DSCNN(12, "s")
    normalised = sum(layer.num_features for layer in net.modules() if isinstance(layer, ShiftNorm2d))
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) + 4 * normalised == 24_908


@pytest.mark.parametrize("size", ["s", "m", "l"])
def test_multiply_adds_and_published_operations(size):
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        DSCNN(12, size).eval()(torch.zeros(1, 49, 10))
    macs = macs_by_hand(size)
    assert counter.get_total_flops() == 2 * macs
    first, later = positions(size)
    shifts = CHANNELS[size] * (first + 2 * BLOCKS[size] * later)  # one addition an output
    assert round((2 * macs + shifts) / 1e6, 1) == PUBLISHED[size][1]


@pytest.mark.parametrize(("size", "left"), [("s", (25, 5)), ("m", (13, 5)), ("l", (13, 5))])
def test_what_is_averaged_at_the_end(size, left):
    net = DSCNN(12, size)
    x = net.layers(torch.randn(2, 1, 49, 10))
    assert x.shape == (2, CHANNELS[size], *left) and (x >= 0).all()


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [
        ((49, 10), (10, 4), (2, 2), (1, 1, 4, 5)),  # left, right, top, bottom
        ((49, 10), (10, 4), (2, 1), (1, 2, 4, 5)),
        ((25, 10), (3, 3), (2, 2), (0, 1, 1, 1)),
        ((25, 5), (3, 3), (1, 1), (1, 1, 1, 1)),
        ((3, 1), (1, 1), (2, 2), (0, 0, 0, 0)),
    ],
)
def test_padding_is_tensorflows(size, kernel, stride, pads):
    torch.manual_seed(0)
    conv = SameConv2d(2, 3, kernel, stride, bias=False)
    x = torch.randn(2, 2, *size)
    torch.testing.assert_close(conv(x), F.conv2d(F.pad(x, pads), conv.weight, None, stride))


@pytest.mark.parametrize("shape", [(98, 40), (20, 6), (1, 1)])
def test_any_number_of_frames_and_dims(shape):
    torch.manual_seed(0)
    net = DSCNN(4, "m")
    net(torch.randn(3, *shape)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)


def test_the_scale_of_normalisation_stays():
    net = DSCNN(12)
    scales = [p for name, p in net.named_parameters() if not p.requires_grad]
    assert len(scales) == 9 and all((p == 1).all() for p in scales)
