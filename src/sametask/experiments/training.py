"""Small networks for the experiments, trained from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sametask import _check
from sametask._types import Array, Float


def perceptron(widths: Sequence[int], activation: str, seed: int) -> Any:
    """A ``torch.nn.Sequential`` in double precision, its weights drawn from the seed.

    Layers are ``sum1``, ``hidden1``, ``sum2``, ``hidden2`` … and ``output``.

    Args:
        widths: of inputs, hidden layers and outputs.
        activation: of ``torch.nn``, as ``"Tanh"``.
        seed: of the weights.

    Example:
        >>> [name for name, _ in perceptron([1, 16, 1], "Tanh", seed=0).named_children()]
        ['sum1', 'hidden1', 'output']
    """
    torch = _check.require("torch", "reproduce")
    torch.manual_seed(seed)
    net = torch.nn.Sequential()
    for k, (before, after) in enumerate(pairwise(widths[:-1]), start=1):
        net.add_module(f"sum{k}", torch.nn.Linear(before, after))
        net.add_module(f"hidden{k}", getattr(torch.nn, activation)())
    net.add_module("output", torch.nn.Linear(widths[-2], widths[-1]))
    return net.double()


def fit(net: Any, x: Float[Array, "n i"], y: Float[Array, "n o"], steps: int = 1000) -> float:
    """Train on all samples at once by least squares: ``steps`` of Adam, then as many of L-BFGS.

    Returns:
        The root mean square error, relative to the spread of ``y``.
    """
    torch = _check.require("torch", "reproduce")
    inputs, targets = torch.as_tensor(x).double(), torch.as_tensor(y).double()

    def loss(optimiser: Any) -> float:
        optimiser.zero_grad()
        error = torch.nn.functional.mse_loss(net(inputs), targets)
        error.backward()
        return error.item()

    adam = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        loss(adam)
        adam.step()
        schedule.step()
    lbfgs = torch.optim.LBFGS(
        net.parameters(), max_iter=steps, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )
    lbfgs.step(lambda: loss(lbfgs))
    with torch.no_grad():
        missed = (net(inputs) - targets).square().mean().sqrt()
    return float(missed / (targets - targets.mean(0)).square().mean().sqrt())
