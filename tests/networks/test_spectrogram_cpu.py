"""The light CNN's convolutions in passes, against its layers as torch has them, in float64 and with the same draws."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.networks import spectrogram_cnn
from kwsbench.networks.spectrogram_cnn import SpectrogramCNN
from kwsbench.networks.spectrogram_cpu import stack
from kwsbench.neural.int8 import EightBits


def drawn(frames: int, dims: int, width: int = 1) -> SpectrogramCNN:
    """A network with no parameter at its start value."""
    torch.manual_seed(0)
    module = SpectrogramCNN(4, frames, dims, width)
    for p in module.parameters():
        p.data.add_(0.1 * torch.randn_like(p))
    return module


def near(ours: Tensor, theirs: Tensor, tolerance: float = 1e-4) -> None:
    """Equal up to a share of the largest value."""
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max().clamp(min=1e-3)


def taught(module: SpectrogramCNN, frames: Tensor) -> Tensor:
    """What is behind the convolutions, after the way back from a number made of it; draws are always the same."""
    torch.manual_seed(1)
    out = module._passes(frames) if frames.dtype == torch.float32 else module._layers(frames)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
    return out.detach()


def alike(module: SpectrogramCNN, frames: Tensor) -> None:
    """Outputs, gradients and running moments of passes and of layers."""
    literal = copy.deepcopy(module).double()
    near(taught(module, frames), taught(literal, frames.double()))
    wanted = dict(literal.named_parameters())
    for name, p in module.named_parameters():
        if name.startswith(("conv", "norm_input")):
            assert p.grad.stride() == p.stride()  # the optimizer's way is short
            near(p.grad, wanted[name].grad)
    near(module.norm_input.running_mean, literal.norm_input.running_mean)
    near(module.norm_input.running_var, literal.norm_input.running_var)


# as in the benchmark; the least; lengths that pools do not divide; more than one group of clips; one clip
@pytest.mark.parametrize(("n", "frames", "dims"), [(6, 99, 81), (3, 26, 26), (2, 41, 30), (9, 27, 37), (1, 30, 98)])
@pytest.mark.parametrize("training", [True, False])
def test_passes_are_the_layers(n, frames, dims, training):
    alike(drawn(frames, dims).train(training), 2 * torch.randn(n, frames, dims) - 1)


@pytest.mark.parametrize("width", [2, 5])
def test_wider_passes_are_the_wider_layers(width):
    alike(drawn(41, 30, width).train(), 2 * torch.randn(6, 41, 30) - 1)
    alike(drawn(26, 26, width).eval(), 2 * torch.randn(3, 26, 26) - 1)


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_any_share_is_dropped(p):
    module = drawn(30, 30)
    module.dropout.p = p
    alike(module, torch.randn(3, 30, 30))


def test_of_equals_the_first_gets_the_gradient():
    module = drawn(32, 32).eval()  # small whole numbers: sums are exact, and many are equal
    for p in module.parameters():
        p.data = torch.randint(-1, 2, p.shape).float()
    module.norm_input.running_var.fill_(1 - spectrogram_cnn.EPSILON)
    frames = torch.randint(0, 2, (4, 32, 32)).float()
    alike(module, frames)


def test_a_step_of_training_and_scores_are_the_same(monkeypatch):
    found = []
    for passes in (True, False):
        monkeypatch.setattr(spectrogram_cnn, "_in_passes", lambda *_, passes=passes: passes)
        module, frames = drawn(40, 33), torch.randn(12, 40, 33)
        optimizer = torch.optim.SGD(module.parameters(), 0.01)
        F.cross_entropy(module(frames), torch.arange(12) % 4).backward()
        optimizer.step()
        with torch.inference_mode():
            found.append([*module.state_dict().values(), module.eval()(frames)])
    for ours, theirs in zip(*found, strict=True):
        near(ours.float(), theirs.float(), 1e-3)


def test_threads_change_nothing():
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            module = drawn(30, 28)
            out = taught(module, torch.randn(11, 30, 28, generator=torch.Generator().manual_seed(0)))
            gradients = [p.grad for name, p in module.named_parameters() if name.startswith("conv")]
            with torch.inference_mode():
                found.append([out, module.eval()._passes(torch.ones(7, 30, 28)), *gradients])
    finally:
        torch.set_num_threads(before)
    for one, three in zip(*found, strict=True):
        assert torch.equal(one, three)


def test_what_is_no_number_stays_so():
    module = drawn(26, 26)
    module.conv4.weight.data[3] = float("nan")
    assert module(torch.randn(2, 26, 26)).isnan().all()


def test_passes_are_for_float32_on_a_cpu_which_nobody_watches(monkeypatch):
    calls = []

    def spy(x: Tensor, *others: object) -> Tensor:
        calls.append(x.dtype)
        return run(x, *others)

    run = stack.run
    monkeypatch.setattr(stack, "run", spy)
    frames, module = torch.randn(2, 26, 26), drawn(26, 26)
    module(frames)
    assert len(calls) == 1
    copy.deepcopy(module).double()(frames.double())
    module(frames.clone().requires_grad_())
    with pytest.raises(RuntimeError):
        module(frames[:, :10, :10])
    with torch.autocast("cpu", torch.bfloat16):
        module(frames)
    with FlopCounterMode(display=False) as counter:
        module(frames)
    with EightBits() as watching, torch.inference_mode():
        module(frames)
    assert len(calls) == 1
    assert counter.get_total_flops() and len(watching.ranges) == 8
