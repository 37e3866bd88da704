"""Joules by the counters of a machine, here a made-up one."""

import sys
import threading
import types

import pytest

from kwsbench.energy import Energy, Nvml, Rapl, energy_of


class Powercap:
    """A powercap tree of two packages, with cores of one and the platform beside them."""

    def __init__(self, root):
        self.root = root
        zones = {"0": "package-0", "0:0": "core", "1": "package-1", "2": "psys"}
        for zone, name in zones.items():
            folder = root / f"intel-rapl:{zone}"
            folder.mkdir(parents=True)
            (folder / "name").write_text(f"{name}\n")
            (folder / "max_energy_range_uj").write_text("1000000\n")
            self.set(zone, 900_000)

    def set(self, zone, microjoules):
        (self.root / f"intel-rapl:{zone}" / "energy_uj").write_text(f"{microjoules}\n")


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path / "powercap")


def test_packages_add_up_and_their_parts_do_not(powercap):
    rapl = Rapl(powercap.root)
    assert rapl.joules() == 0
    powercap.set("0", 950_000)
    powercap.set("1", 920_000)
    powercap.set("0:0", 999_999)
    powercap.set("2", 999_999)
    assert rapl.joules() == pytest.approx(0.07) == rapl.joules()


def test_a_counter_that_wraps_around_goes_on(powercap):
    rapl = Rapl(powercap.root)
    powercap.set("0", 100_000)
    assert rapl.joules() == pytest.approx(0.2)
    powercap.set("0", 50_000)
    assert rapl.joules() == pytest.approx(1.15)


def test_counters_are_looked_at_now_and_then_so_that_no_wrap_is_missed(powercap):
    rapl, looks, seen = Rapl(powercap.root), [], threading.Event()

    def joules():
        looks.append(Rapl.joules(rapl))
        powercap.set("0", 400_000 if len(looks) % 2 else 900_000)  # half a range on each time
        if len(looks) == 5:
            seen.set()
        return looks[-1]

    rapl.joules = joules
    energy = Energy([rapl], look_every_s=0.01)
    assert seen.wait(60)
    energy.close()
    assert looks[:5] == pytest.approx([0, 0.5, 1, 1.5, 2])


@pytest.mark.parametrize("file", ["energy_uj", "max_energy_range_uj"])
def test_what_may_not_be_read_is_no_energy(powercap, file):
    (powercap.root / "intel-rapl:1" / file).unlink()
    (powercap.root / "intel-rapl:1" / file).mkdir()  # even root cannot read it
    assert energy_of("cpu", powercap.root) is None


def test_a_machine_without_counters_has_no_energy(tmp_path):
    assert energy_of("cpu", tmp_path) is None and energy_of("cpu", tmp_path / "absent") is None
    (tmp_path / "intel-rapl:0").mkdir()
    (tmp_path / "intel-rapl:0" / "name").write_text("psys")
    assert energy_of("cpu", tmp_path) is None


def test_a_counter_that_vanishes_gives_none(powercap):
    energy = energy_of("cpu", powercap.root)
    assert energy.joules() == 0 and energy.source == "RAPL package"
    (powercap.root / "intel-rapl:0" / "energy_uj").unlink()
    assert energy.joules() is None
    energy.close()


@pytest.fixture
def gpu(monkeypatch):
    """One GPU that counts, by its UUID."""
    torch = pytest.importorskip("torch")
    nvml = types.ModuleType("pynvml")
    nvml.NVMLError = type("NVMLError", (Exception,), {})
    nvml.counter = {b"GPU-12ab": 5000}
    nvml.nvmlInit = lambda: None
    nvml.nvmlDeviceGetHandleByUUID = lambda name: name.encode()
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: nvml.counter[handle]
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: types.SimpleNamespace(uuid="12ab"))
    return nvml


def test_a_gpu_counts_millijoules_and_the_processors_count_beside_it(gpu, powercap):
    alone, both = Nvml(), energy_of("cuda", powercap.root)
    gpu.counter[b"GPU-12ab"] += 2500
    powercap.set("1", 950_000)
    assert alone.joules() == pytest.approx(2.5)
    assert both.joules() == pytest.approx(2.55) and both.source == "RAPL package and NVML"
    both.close()


def test_a_gpu_without_a_counter_leaves_no_energy_at_all(gpu, powercap, monkeypatch):
    def refuse(*_):
        raise gpu.NVMLError("Not Supported")

    gpu.nvmlDeviceGetTotalEnergyConsumption = refuse
    assert energy_of("cuda", powercap.root) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy_of("cuda", powercap.root) is None
    assert energy_of("cpu", powercap.root) is not None
