"""Batch normalisation as scale and shift of each channel, and its way back, from sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kwsbench.native.compiled import compiled
from kwsbench.native.vectors import LANES

Array = np.ndarray


@compiled
def _fold(parts: Any, out: Any) -> None:
    groups, rows, times, channels = parts.shape
    for group in range(groups):
        for row in range(rows):
            for time in range(times):
                for k in range(channels):
                    out[row, k] += parts[group, row, time, k]


def fold(parts: Array, channels: int) -> Array:
    """Sums (groups, k, period) of float32 → (k, channels) of float64, group by group."""
    groups, rows, period = parts.shape
    out = np.zeros((rows, channels))
    _fold(parts.reshape(groups, rows, period // channels, channels), out)
    return out


def tiled(values: Array) -> Array:
    """(…, channels) → flat, each row as often as it takes to fill whole vectors."""
    channels = values.shape[-1]
    rows = values.reshape(-1, 1, channels)
    out = np.empty((len(rows), lcm(channels, LANES) // channels, channels), np.float32)
    out[:] = rows
    return out.ravel()


@dataclass(frozen=True)
class Norm:
    """Normalisation of k parts of a signal; all arrays are (k, channels) of float64, ``counts`` (k, 1)."""

    layers: Sequence[nn.Module]
    counts: Array
    mean: Array
    deviation: Array
    weight: Array
    bias: Array
    trains: bool

    @property
    def scale_and_shift(self) -> Array:
        """(k, 2, channels)."""
        scale = self.weight / self.deviation
        return np.stack([scale, self.bias - self.mean * scale], 1)

    def back(self, sums: Array) -> tuple[Array, Array, Array]:
        """Factors (k, 3, channels) of g, z and 1 in the gradient of z, and the gradients of weight and bias.

        sums : (k, 2, channels), of the gradient g of what is normalised and of g · z.
        """
        bias = sums[:, 0]
        weight = (sums[:, 1] - self.mean * bias) / self.deviation
        scale = self.weight / self.deviation
        share = scale / self.counts if self.trains else np.zeros_like(scale)
        slope = -share * weight / self.deviation
        return np.stack([scale, slope, -share * bias - slope * self.mean], 1), weight, bias


def normalisation(layers: Sequence[Any], sums: Array, counts: Sequence[int], trains: bool) -> Norm:
    """With the moments of the batch, which go into the running ones, where it ``trains``; else with the running ones.

    sums : (k, 2, channels), of the signal and of its squares.
    """
    weight, bias = (_stacked([getattr(layer, name) for layer in layers]) for name in ("weight", "bias"))
    sizes = np.array(counts, float)[:, None]
    if trains:
        mean = sums[:, 0] / sizes
        variance = np.maximum(sums[:, 1] / sizes - mean * mean, 0)
        _keep_running(layers, mean, variance * sizes / (sizes - 1))
    else:
        mean, variance = (_stacked([getattr(layer, f"running_{name}") for layer in layers]) for name in ("mean", "var"))
    return Norm(layers, sizes, mean, np.sqrt(variance + layers[0].eps), weight, bias, trains)


@torch.no_grad()
def _keep_running(layers: Sequence[Any], mean: Array, variance: Array) -> None:
    for layer, own_mean, own_variance in zip(layers, mean, variance, strict=True):
        layer.running_mean.lerp_(torch.from_numpy(own_mean.astype(np.float32)), layer.momentum)
        layer.running_var.lerp_(torch.from_numpy(own_variance.astype(np.float32)), layer.momentum)
        layer.num_batches_tracked += 1


def _stacked(values: Sequence[Tensor]) -> Array:
    return np.stack([value.detach().numpy() for value in values]).astype(np.float64)
