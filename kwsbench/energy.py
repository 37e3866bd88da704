"""How many joules go by? The counters that a machine exposes: RAPL for its processors, NVML for its GPUs.

RAPL counts whole packages of cores (Linux: ``/sys/class/powercap``, the same tree for Intel and AMD; often readable by
root alone), NVML whole GPUs. Whatever else runs on them is counted in.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
LOOK_EVERY_S = 60.0  # a package's counter wraps around after some ten minutes to hours


class Rapl:
    """Joules of all processor packages since it was made.

    Raises
    ------
    OSError : there is no package, or one that may not be read.
    """

    source = "RAPL package"

    def __init__(self, root: Path = POWERCAP) -> None:
        # cores and graphics are parts of a package; psys, the platform, counts packages again
        zones = [zone for zone in root.glob("intel-rapl:*") if _text(zone / "name").startswith("package")]
        if not zones:
            raise FileNotFoundError(f"no processor package in {root}")
        self._files = [zone / "energy_uj" for zone in zones]
        self._ranges = [int(_text(zone / "max_energy_range_uj")) for zone in zones]
        self._last = self._counters()
        self._total_uj = 0

    def joules(self) -> float:
        now = self._counters()
        for before, after, whole in zip(self._last, now, self._ranges, strict=True):
            self._total_uj += after - before if after >= before else after + whole - before
        self._last = now
        return self._total_uj / 1e6

    def _counters(self) -> list[int]:
        return [int(_text(file)) for file in self._files]


class Nvml:
    """Joules of the GPUs that processes of this run use, one a process of this machine.

    Raises
    ------
    ImportError : nvidia-ml-py is not installed. OSError : NVML finds no driver, or a GPU that does not count.
    """

    source = "NVML"

    def __init__(self) -> None:
        import pynvml
        import torch

        self._nvml = pynvml
        used = range(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        # by UUID: CUDA numbers only the GPUs that it may see
        names = [f"GPU-{torch.cuda.get_device_properties(i).uuid}" for i in used]
        try:
            pynvml.nvmlInit()
            self._handles = [pynvml.nvmlDeviceGetHandleByUUID(name) for name in names]
        except pynvml.NVMLError as e:
            raise OSError(f"NVML: {e}") from e
        self._begun = self._count()

    def joules(self) -> float:
        return (self._count() - self._begun) / 1000

    def _count(self) -> int:
        """Millijoules since the driver was loaded."""
        try:
            return sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles)
        except self._nvml.NVMLError as e:
            raise OSError(f"NVML: {e}") from e


class Energy:
    """Joules since it was made, by all counters together; looks at them now and then, for they wrap around."""

    def __init__(self, counters: list[Rapl | Nvml], look_every_s: float = LOOK_EVERY_S) -> None:
        self.source = " and ".join(counter.source for counter in counters)
        self._counters, self._lock, self._ended = counters, threading.Lock(), threading.Event()
        threading.Thread(target=self._look, args=(look_every_s,), daemon=True).start()

    def joules(self) -> float | None:
        """None: a counter that was there can no longer be read."""
        try:
            with self._lock:
                return sum(counter.joules() for counter in self._counters)
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        self._ended.set()

    def _look(self, every_s: float) -> None:
        while not self._ended.wait(every_s):
            self.joules()


def energy_of(device: str, root: Path = POWERCAP) -> Energy | None:
    """The counters for work on a device, as far as the machine exposes them; None: it does not.

    On a GPU that does not count there is no energy at all: the processors' alone would flatter it.

    Parameters
    ----------
    device : "cpu" or "cuda". root : of the powercap tree.
    """
    counters: list[Rapl | Nvml] = []
    try:
        if device.startswith("cuda"):
            counters.append(Nvml())
    except (ImportError, OSError):
        return None
    with contextlib.suppress(OSError, ValueError):
        counters.insert(0, Rapl(root))
    return Energy(counters) if counters else None


def _text(file: Path) -> str:
    return file.read_text().strip()
