"""A training on disk: one safetensors file, replaced as a whole, no pickle."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def write(path: Path, key: str, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Keep tensors and JSON-able ``state`` of the training ``key``; a kill leaves this file or the former."""
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        {"key": key, "state": json.dumps(state)},
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read(path: Path, key: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What ``write`` kept, or None where there is nothing of this very training."""
    from safetensors import safe_open

    if not path.exists():
        return None
    with safe_open(path, "pt") as file:
        about = file.metadata()
        if about["key"] != key:
            return None
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(about["state"])  # noqa: SIM118


def flatten(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights, buffers and the optimizer's memory of every weight, named."""
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        memory = optimizer.state.get(parameter, {})
        tensors |= {f"optimizer.{name}/{what}": value for what, value in memory.items() if value is not None}
    return tensors


def restore(module: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The reverse of ``flatten``, into a module and an optimizer made as those were."""
    module.load_state_dict({name[7:]: tensor for name, tensor in tensors.items() if name.startswith("module.")})
    parameters = dict(module.named_parameters())
    for name, tensor in tensors.items():
        if not name.startswith("optimizer."):
            continue
        owner, _, what = name.removeprefix("optimizer.").rpartition("/")
        parameter = parameters[owner]
        if what == "step":
            memory = tensor.to(parameter.device if optimizer.defaults["fused"] else "cpu")
        else:  # laid out in memory as its weight, so that the next step is the same arithmetic
            memory = torch.empty_like(parameter).detach().copy_(tensor)
        optimizer.state[parameter][what] = memory
