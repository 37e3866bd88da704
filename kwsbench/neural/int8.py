"""What a network would answer in eight bits: products of whole numbers, simulated in float32.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018,
arXiv 1712.05877, after training: weights of each output channel are symmetric about zero in [−127, 127]; what comes
into a convolution or a linear layer has one range, from the least and the largest value that calibration clips bring.
Everything else stays as it is, as do the matrices of recurrent layers, which torch hides in one operation.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from kwsbench.neural.batches import Batches
from kwsbench.neural.step import score

PRODUCTS = (F.linear, torch.conv1d, torch.conv2d)
CALIBRATION_CLIPS = 512
TINY = 1e-12


class EightBits(TorchFunctionMode):
    """Inside it, products see rounded numbers; with ``watching`` they see their own, and ranges are taken down.

    Attributes
    ----------
    ranges : least and largest input of each product, in the order of a forward pass.
    weights : numbers and channels of each weight, by where it lies.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[tuple[float, float]] = []
        self.weights: dict[int, tuple[int, int]] = {}
        self.watching, self.place = True, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in PRODUCTS or len(args) < 2:
            return func(*args, **(kwargs or {}))
        x, weight, *others = args
        if self.watching:
            low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)  # zero is a whole number: padding is exact
            if self.place < len(self.ranges):
                low, high = min(low, self.ranges[self.place][0]), max(high, self.ranges[self.place][1])
                self.ranges[self.place] = low, high
            else:
                self.ranges.append((low, high))
                # in the first pass alone: a weight that is computed in each lies elsewhere in the next
                self.weights[weight.data_ptr()] = weight.numel(), weight.shape[0]
        else:
            x, weight = rounded_inputs(x, *self.ranges[self.place]), rounded_weights(weight)
        self.place += 1
        return func(x, weight, *others, **(kwargs or {}))


class Restarted(nn.Module):
    """A module whose every forward pass begins at the first product."""

    def __init__(self, module: nn.Module, mode: EightBits) -> None:
        super().__init__()
        self.module, self.mode = module, mode

    def forward(self, inputs: Tensor) -> Tensor:
        self.mode.place = 0
        return self.module(inputs)


def rounded_inputs(x: Tensor, low: float, high: float) -> Tensor:
    """What is left of x in 256 steps from ``low`` to ``high``, of which one is zero."""
    scale = max((high - low) / 255, TINY)
    zero = min(max(round(-low / scale), 0), 255)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255)


def rounded_weights(weight: Tensor) -> Tensor:
    """What is left of a weight (out, …) in 255 steps a channel."""
    scale = weight.flatten(1).abs().amax(1).clamp(min=TINY) / 127
    zeros = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -127, 127)


def int8_scores(module: nn.Module, calibration: Batches, clips: Batches, batch_size: int) -> tuple[Tensor, int]:
    """Log posteriors float32 (n, n_labels) in eight bits, and the bytes of what was learned.

    A weight that is multiplied in whole numbers takes a byte, its channel's scale four; all other learned numbers four.
    """
    mode = EightBits()
    watched = Restarted(module, mode)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(calibration))[:CALIBRATION_CLIPS]
    was_training = module.training
    watched.eval()
    with torch.inference_mode(), mode:
        for begin in range(0, len(chosen), batch_size):
            watched(calibration.take(chosen[begin : begin + batch_size])[0])
    mode.watching = False
    with mode:
        found = score(watched, clips, batch_size)
    module.train(was_training)
    whole = sum(numbers for numbers, _ in mode.weights.values())
    learned = sum(p.numel() for p in module.parameters() if p.requires_grad)
    scales = sum(channels for _, channels in mode.weights.values())
    return found, whole + 4 * (max(learned - whole, 0) + scales)
