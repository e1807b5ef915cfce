"""Train the two networks of ``sametask demo`` and write them as ONNX files into the package.

Run it with ``python examples/train_demo_networks.py`` (half a minute); the same seeds give the same files.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from sametask.experiments.demo import ANGLES, LINKS, hand, inputs, path

LOW, HIGH = np.transpose(ANGLES)
REACH = sum(LINKS)
STEPS = 1000
DOCUMENTATION = "Joint angles (shoulder, elbow) in radians to the hand (x, y) of a two-joint arm, links 1.0 and 0.8"


def main() -> None:
    torch.set_num_threads(1)  # the same bits everywhere
    for which, widths, activation, seed in (
        ("first", [48, 48], "Tanh", 1),
        ("second", [32, 32, 32], "Softplus", 2),
    ):
        net = trained(widths, activation, seed)
        model = as_onnx(net, activation, name=which)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path(which))
        unseen = inputs(seed=1000 + seed, n=5000)
        with torch.no_grad():
            error = net(torch.tensor(scaled(unseen))).numpy() * REACH - hand(unseen)
        relative = np.sqrt((error**2).mean(axis=0)) / np.ptp(hand(unseen), axis=0)
        size = path(which).stat().st_size / 1000
        print(f"{which}: RMS error {relative.max():.3%} of the range, {size:.0f} kB")


def scaled(angles: np.ndarray) -> np.ndarray:
    """Angles as the network sees them while it is trained: -1 … 1."""
    return (2 * angles - LOW - HIGH) / (HIGH - LOW)


def trained(widths: list[int], activation: str, seed: int) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    layers: list[torch.nn.Module] = []
    for before, after in pairwise([2, *widths]):
        layers += [torch.nn.Linear(before, after), getattr(torch.nn, activation)()]
    net = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 2)).double()
    angles = inputs(seed=seed, n=1000)
    x, y = torch.tensor(scaled(angles)), torch.tensor(hand(angles) / REACH)
    adam = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    for _ in range(STEPS):
        loss(net, x, y, adam)
        adam.step()
        schedule.step()
    lbfgs = torch.optim.LBFGS(
        net.parameters(), max_iter=STEPS, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )
    lbfgs.step(lambda: loss(net, x, y, lbfgs))
    return net


def loss(net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, optimiser: torch.optim.Optimizer) -> float:
    """The mean squared error, with its gradient left on the network."""
    optimiser.zero_grad()
    error = torch.nn.functional.mse_loss(net(x), y)
    error.backward()
    return error.item()


def as_onnx(net: torch.nn.Sequential, activation: str, name: str) -> onnx.ModelProto:
    """The network as plain Gemm and activation nodes, the scaling of inputs and outputs in the weights."""
    linear = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    weights = [layer.weight.detach().numpy() for layer in linear]
    biases = [layer.bias.detach().numpy() for layer in linear]
    biases[0] = biases[0] - weights[0] @ ((LOW + HIGH) / (HIGH - LOW))
    weights[0] = weights[0] * 2 / (HIGH - LOW)
    weights[-1], biases[-1] = weights[-1] * REACH, biases[-1] * REACH
    nodes, constants, before = [], [], "angles"
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        last = i == len(weights)
        sums = "output" if last else f"sum{i}"
        nodes.append(helper.make_node("Gemm", [before, f"weight{i}", f"bias{i}"], [sums], name=f"gemm{i}", transB=1))
        if not last:
            before = f"hidden{i}"
            nodes.append(helper.make_node(activation, [sums], [before], name=f"{activation.lower()}{i}"))
        constants += [
            numpy_helper.from_array(weight.astype(np.float32), f"weight{i}"),
            numpy_helper.from_array(bias.astype(np.float32), f"bias{i}"),
        ]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("angles", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 2])],
        constants,
        doc_string=DOCUMENTATION,
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="sametask")


if __name__ == "__main__":
    main()
