"""Normalisation that more than one network has."""

from torch import nn


class ShiftNorm2d(nn.BatchNorm2d):
    """Batch normalisation that learns a shift and no scale, TensorFlow-Slim's default: (n, channels, h, w)."""

    def __init__(self, channels: int, epsilon: float = 1e-3, momentum: float = 0.1) -> None:
        super().__init__(channels, epsilon, momentum)
        self.weight.requires_grad_(False)
