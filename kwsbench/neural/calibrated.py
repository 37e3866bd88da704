"""A network whose posteriors are those of how often labels are said where it is used, not of its training clips."""

import torch
from torch import Tensor, nn


class Calibrated(nn.Module):
    """Inputs → the module's log posteriors, times a scale and with what each target's label counts more or less.

    Parameters
    ----------
    module : inputs → logits (n, n_targets).
    n_targets : of its output. Until its buffers ``scale`` and ``offsets`` (n_targets,) are set, it says what the module
        says.
    """

    scale: Tensor
    offsets: Tensor

    def __init__(self, module: nn.Module, n_targets: int) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("offsets", torch.zeros(n_targets))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.scale * self.module(inputs).float().log_softmax(1) + self.offsets
