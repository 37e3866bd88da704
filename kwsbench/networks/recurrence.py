"""Multiply-adds of fused recurrent layers, which torch's counter of operations does not know: one product a weight.

Importing this is enough. ``nn.GRU`` on a CPU is made of products that are counted anyway.
"""

from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry, register_flop_formula


def _mkldnn(inputs: Any, input_weight: Any, hidden_weight: Any, *args: Any, **others: Any) -> int:
    """One direction of an LSTM on a CPU: shapes (…, dims), (4 · units, dims), (4 · units, units)."""
    return 2 * prod(inputs[:-1]) * (prod(input_weight) + prod(hidden_weight))


def _cudnn(inputs: Any, weights: Any, *args: Any, **others: Any) -> int:
    """All layers and directions on a GPU: shapes (…, dims) and those of all weights and biases."""
    return 2 * prod(inputs[:-1]) * sum(prod(weight) for weight in weights if len(weight) > 1)


for _operation, _formula in ((torch.ops.aten.mkldnn_rnn_layer, _mkldnn), (torch.ops.aten._cudnn_rnn, _cudnn)):
    if _operation not in flop_registry:
        register_flop_formula(_operation)(_formula)
