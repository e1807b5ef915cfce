"""Networks whose derivatives are silently wrong are refused, and those whose derivatives are right are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import sametask as st
from assertions import raises_one_line

X = np.random.default_rng(0).uniform(0.2, 1, (120, 2)).astype(np.float32)


class Behind(nn.Module):
    """A function of six sums of the inputs."""

    def __init__(self, function) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.sums = nn.Linear(2, 6)
        self.function = function

    def forward(self, x):
        return self.function(self.sums(x))


def _in_inference_mode(z):
    with torch.inference_mode():
        lost = torch.tanh(z)
    return z + lost


class _Square(torch.autograd.Function):
    """Its rule for forward mode is wrong."""

    @staticmethod
    def forward(x):
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def jvp(ctx, *grad_inputs):
        return 0 * grad_inputs[0]


WRONG = {
    "bessel": lambda z: z + 3 * torch.special.bessel_j0(2 * z),
    "airy": lambda z: z + 4 * torch.special.airy_ai(z),
    "modified bessel": lambda z: z + torch.special.modified_bessel_i0(z * 2),
    "detach": lambda z: z + 3 * torch.tanh(z.detach() * 2),
    "data": lambda z: z + 3 * torch.tanh(z.data * 2),
    "numpy": lambda z: z + 3 * torch.from_numpy(np.tanh(2 * z.detach().numpy())),
    "straight-through": lambda z: z + (torch.round(2 * z) - 2 * z).detach(),
    "inference mode": _in_inference_mode,
    "own rule": lambda z: z + 3 * _Square.apply(z),
}
RIGHT = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": nn.functional.gelu,
    "abs": torch.abs,
    "leaky": nn.functional.leaky_relu,
    "hardtanh": nn.functional.hardtanh,
    "softmax": lambda z: torch.softmax(5 * z, 1),
    "layer norm": lambda z: nn.functional.layer_norm(z, (6,)),
    "fast": lambda z: torch.sin(300 * z),
    "steep": lambda z: torch.sigmoid(30 * z - 10),
    "tiny": lambda z: 1e-8 * z,
    "far": lambda z: z + 1e4,
    "dead": lambda z: torch.relu(z - 100) + 0.1 * z[:, :1],
}


@pytest.mark.parametrize("name", WRONG)
def test_derivatives_that_are_lost_on_one_path_are_refused(name) -> None:
    network = st.from_torch(Behind(WRONG[name]))
    with raises_one_line("neighbourhood", "off what differences show", "st.CentralDifference()"):
        st.probe(network, X)
    assert st.probe(network, X, st.CentralDifference()).kind == "difference"


@pytest.mark.parametrize("name", RIGHT)
def test_right_derivatives_are_taken(name) -> None:
    assert st.probe(st.from_torch(Behind(RIGHT[name])), X).kind == "jacobian"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_right_derivatives_are_taken_at_any_precision(dtype) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 5)).to(dtype)
    assert st.probe(st.from_torch(network), X).kind == "jacobian"


def test_a_jacobian_of_the_user_s_own_is_looked_at_too() -> None:
    def values(x):
        return np.hstack([x, x**2])

    def jacobian(x):
        return np.stack([np.concatenate([np.eye(2), 2 * np.diag(row)]) for row in x])

    assert st.probe(st.from_callable(values, jacobian=jacobian), X.astype(float)).kind == "jacobian"
    with raises_one_line("neighbourhood", "off what differences show"):
        st.probe(st.from_callable(values, jacobian=lambda x: 3 * jacobian(x)), X.astype(float))


def test_tangents_of_inputs_that_are_no_coordinates() -> None:
    torch.manual_seed(0)
    network = st.from_torch(nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh()))
    pictures = np.random.default_rng(0).normal(size=(100, 4, 4)).astype(np.float32)
    tangents = np.linalg.qr(np.random.default_rng(1).normal(size=(100, 16, 2)))[0].swapaxes(1, 2).reshape(100, 2, 4, 4)
    assert st.probe(network, pictures, st.Jacobian(tangents)).dimension == 2
