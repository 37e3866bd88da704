"""What a figure was measured on: versions, processor, memory, accelerator, revision."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from kwsbench.errors import UserError

PACKAGES = (
    *("kwsbench", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "hmmlearn", "torch", "numba"),
    *("safetensors", "soundfile", "espeakng-loader", "webrtcvad-wheels"),
)

DEVICES = ("auto", "cpu", "cuda")


def cores() -> int:
    """CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes() -> int:
    """Processes that ``torchrun`` has started together; 1 outside of it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def find_device(wanted: str = "auto") -> str:
    """ "cpu" or "cuda"; "auto" is "cuda" where torch sees a GPU.

    Raises
    ------
    UserError : another name, or a GPU is asked for that torch does not see.
    """
    if wanted not in DEVICES:
        raise UserError(f"no device {wanted}", "--device", f"give one of {', '.join(DEVICES)}")
    if wanted == "cpu":
        return wanted
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise UserError(f"torch {torch.__version__} sees no GPU", "--device cuda", "give auto or cpu")
    return "cpu"


def describe_machine(device: str) -> dict[str, Any]:
    """Versions of what takes part, processor, cores, memory, GPU, git revision and whether it was changed since."""
    import psutil

    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "os": platform.platform(),
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "device": device,
    }
    if device.startswith("cuda"):
        import torch

        found["gpu"] = torch.cuda.get_device_name()
        found["cuda"] = torch.version.cuda
    return found | _revision()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _revision() -> dict[str, Any]:
    """The git commit the code was run from; nothing where it is no checkout."""
    root = Path(sys.modules["kwsbench"].__file__ or "").resolve().parent.parent
    if not (root / ".git").exists():
        return {}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=10)
        # results are outputs: having some that are not committed yet does not change what computed them
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results"],
            cwd=root, capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if commit.returncode:
        return {}
    return {"git_commit": commit.stdout.strip(), "git_dirty": bool(changed.stdout.strip())}
