"""Code that is compiled for this machine's CPU, of use to whatever room has passes of its own, where numba is.

| file | answers |
|---|---|
| ``compiled.py`` | how are passes compiled, kept and run side by side? |
| ``vectors.py`` | sixteen numbers at a time; products of small matrices |
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

COMPILES = find_spec("numba") is not None
"""Whether this machine has what compiles; where it has not, everything runs as torch has it."""


def takes_passes(*tensors: "Tensor") -> bool:
    """Whether compiled passes may stand for torch's operations on these: float32 on a CPU, and nobody watches.

    Who counts operations, changes them (another precision, eight bits, one process of several that take the moments of
    all their clips) or compiles them has to see torch's own.
    """
    import torch
    from torch.utils._python_dispatch import is_in_torch_dispatch_mode

    if not COMPILES or any(tensor.device.type != "cpu" or tensor.dtype != torch.float32 for tensor in tensors):
        return False
    if torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return False
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return False
    return not (is_in_torch_dispatch_mode() or torch._C._len_torch_function_stack())
