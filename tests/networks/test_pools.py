"""The pool branches in few passes against torch's own pools, normalisation and convolutions in float64."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kwsbench.networks.pools import PoolBranches

EPS = 1e-5


def literal(x: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, mean=None, variance=None) -> Tensor:
    """A branch after the other, (n, t, c) → (n, t, 4w)."""
    signal = x.transpose(1, 2)
    pooled = [
        F.max_pool1d(signal, 3, 1, 1),
        F.max_pool1d(signal, 5, 1, 2),
        F.avg_pool1d(signal, 3, 1, 1, count_include_pad=False),
        F.avg_pool1d(signal, 5, 1, 2, count_include_pad=False),
    ]
    branches = []
    for i, pool in enumerate(pooled):
        known = (None, None) if mean is None else (mean[i], variance[i])
        normal = F.batch_norm(pool, *known, gamma[i], beta[i], training=mean is None, eps=EPS)
        branches.append(F.conv1d(normal, weight[i][:, :, None], bias[i]))
    return torch.cat(branches, 1).transpose(1, 2)


def drawn(n: int, t: int, c: int, width: int = 16) -> list[Tensor]:
    torch.manual_seed(n * t * c)
    shapes = [(n, t, c), (4, width, c), (4, width), (4, c), (4, c)]
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


def doubled(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.detach().double().requires_grad_() for tensor in tensors]


def near(ours: Tensor, theirs: Tensor, tolerance: float = 1e-4) -> None:
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max().clamp(min=1e-3)


# odd lengths, fewer steps than a pool is wide, one channel, more channels than a thread takes at a time
@pytest.mark.parametrize("shape", [(3, 41, 24), (2, 4, 3), (4, 3, 1), (5, 2, 2), (2, 130, 300)])
def test_outputs_statistics_and_gradients_in_training(shape):
    ours = drawn(*shape)
    theirs = doubled(ours)
    out, mean, variance = PoolBranches.apply(*ours, None, None, EPS)
    expected = literal(*theirs)
    near(out, expected)
    pool = F.max_pool1d(theirs[0].transpose(1, 2), 5, 1, 2)
    near(mean[1], pool.mean((0, 2)))
    near(variance[1], pool.var((0, 2), unbiased=False))
    direction = torch.randn_like(out)
    gradients = torch.autograd.grad((out * direction).sum(), ours)
    for found, wanted in zip(gradients, torch.autograd.grad((expected * direction).sum(), theirs), strict=True):
        near(found, wanted, 5e-4)


def test_with_known_statistics():
    ours = drawn(2, 17, 5)
    theirs = doubled(ours)
    mean, variance = torch.randn(4, 5), torch.rand(4, 5) + 0.5
    out, _, _ = PoolBranches.apply(*ours, mean, variance, EPS)
    expected = literal(*theirs, mean.double(), variance.double())
    near(out, expected)
    direction = torch.randn_like(out)
    gradients = torch.autograd.grad((out * direction).sum(), ours)
    for found, wanted in zip(gradients, torch.autograd.grad((expected * direction).sum(), theirs), strict=True):
        near(found, wanted)


def test_of_equal_values_the_first_gets_the_gradient():
    x, weight, bias, gamma, beta = drawn(2, 30, 4)
    x = (x.detach() > 0).float().requires_grad_()  # nothing but ties
    ours = [x, weight, bias, gamma, beta]
    theirs = doubled(ours)
    out, _, _ = PoolBranches.apply(*ours, None, None, EPS)
    direction = torch.randn_like(out)
    (found,) = torch.autograd.grad((out * direction).sum(), x)
    (wanted,) = torch.autograd.grad((literal(*theirs) * direction).sum(), theirs[0])
    near(found, wanted)


def test_the_number_of_threads_changes_nothing():
    args = drawn(3, 50, 40)
    results = []
    before = torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        out, mean, _ = PoolBranches.apply(*args, None, None, EPS)
        results.append((mean, torch.autograd.grad(out.square().sum(), args[0])[0]))
    torch.set_num_threads(before)
    torch.testing.assert_close(results[0], results[1])


def test_the_first_pass_leaves_torch_its_threads():
    """In a process of its own: what starts threads starts them once."""
    program = (
        "import torch; from kwsbench.networks.pools import PoolBranches as P; torch.set_num_threads(1);"
        "o = torch.ones; P.apply(o(1, 9, 8), o(4, 2, 8), o(4, 2), o(4, 8), o(4, 8), None, None, 1e-5);"
        "print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
