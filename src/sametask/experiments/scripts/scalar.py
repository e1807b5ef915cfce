"""Functions of one input. Read as a notebook; run with ``sametask reproduce scalar``."""
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false, reportPossiblyUnboundVariable=false

# %% [markdown]
# # Scalar functions
#
# Two networks have each learned a function of one and the same input, *x*. Neither knows the other's function, its
# weights or its samples. Can what one of them says be computed from what the other says?
#
# If both functions are monotonic it can: each output tells *x*, so each tells the other's output. If they turn back, an
# output belongs to several *x*, and no map of outputs to outputs exists. The networks still know *x* inside: by
# Whitney's theorem 2 · 1 + 1 = 3 neurons of an inner layer are enough, and from these the other's output follows.
# (Bertalan, Dietrich & Kevrekidis, [arXiv:2007.05646](https://arxiv.org/abs/2007.05646), begin with these.)

# %%
import numpy as np
import torch

import sametask as st
from sametask.experiments.drawing import FIRST, PALE, SECOND, SOFT, THIRD, agreement, axes, label, relative_error
from sametask.experiments.notebook import Table, show
from sametask.experiments.training import fit, perceptron
from sametask.experiments.verdicts import ambiguity, transformation_of

# %% tags=["parameters"]
quick = False
seed = 0

# %% [markdown]
# ## Monotonic functions: output to output
#
# A tanh network learns one monotonic function on −1 … 1, a softplus network another, from other samples and another
# seed.

# %%
steps, n = (200, 150) if quick else (1000, 400)


def samples(number: int, count: int = n) -> np.ndarray:
    return np.random.default_rng([seed, number]).uniform(-1, 1, (count, 1))


def learned(function, hidden: list[int], activation: str, number: int) -> torch.nn.Module:
    net = perceptron([1, *hidden, 1], activation, seed=10 * seed + number)
    x = samples(number)
    print(f"network {2 - number % 2} has learned its function to {fit(net, x, function(x), steps):.1e} of its spread")
    return net


def outputs(net: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return net(torch.as_tensor(x)).numpy()


rising = [lambda x: np.exp(1.2 * x) / 2, lambda x: x + 0.25 * np.sin(3 * x)]
nets = [learned(rising[0], [16, 16], "Tanh", 1), learned(rising[1], [24, 24], "Softplus", 2)]

# %% [markdown]
# Each is probed at samples of its own; only two inputs (anchors) are shared, to tell left from right. All that the
# comparison sees are the outputs at these samples, and how steeply they change with a small step of the input.

# %%
anchors = np.array([[-0.6], [0.7]])
seen = [np.vstack([anchors, samples(number)]) for number in (3, 4)]
probes = [
    st.probe(st.from_torch(net, name=f"network {k}"), x) for k, (net, x) in enumerate(zip(nets, seen, strict=True), 1)
]
monotonic = st.compare(*probes)
print(monotonic)

# %%
x = np.linspace(-0.99, 0.99, 1000)[:, None]  # unseen
true = [outputs(net, x) for net in nets]
forward = transformation_of(monotonic).forward(true[0])
backward = transformation_of(monotonic).backward(true[1])
unanchored = st.compare(*probes, anchors=None)
print(f"without anchors: {unanchored.decision.value}, {ambiguity(unanchored)}")

table = Table("Monotonic functions, one output each, independent samples")
table.add("samples of each", n)
table.add("verdict", monotonic.decision.value)
table.add("forward error", 100 * relative_error(forward.value, true[1]), "% of spread", at_most=5 if quick else 0.5)
table.add("backward error", 100 * relative_error(backward.value, true[0]), "% of spread", at_most=5 if quick else 0.5)
print(table)

# %%
figure, (functions, there, back, errors) = axes(4, height=2.6, width=11)
for k, colour in enumerate((FIRST, SECOND)):
    functions.plot(x, true[k], color=colour, label=f"network {k + 1}", ls=("-", "--")[k])
label(functions, "What each says", "input x", "output", legend=True)
for ax, source, estimate, target, names in (
    (there, true[0], forward, true[1], ("output of network 1", "output of network 2")),
    (back, true[1], backward, true[0], ("output of network 2", "output of network 1")),
):
    ax.plot(source, target, color=PALE, lw=5, label="truth")
    ax.plot(source, estimate.value, color=THIRD, label="transformation")
    label(ax, "Forward" if ax is there else "Backward", *names, legend=True)
for estimate, target, colour, name in (
    (forward, true[1], FIRST, "forward"),
    (backward, true[0], SECOND, "backward"),
):
    errors.semilogy(x, np.abs(estimate.value - target) + 1e-12, color=colour, lw=1, label=f"{name}, error")
    errors.semilogy(x, estimate.uncertainty, color=colour, ls=":", label=f"{name}, uncertainty")
label(errors, "Errors", "input x", "output units")
errors.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2, frameon=False, fontsize=7.5)
show(
    figure, "Two monotonic functions, and the transformation between the two outputs, which neither network was shown."
)

# %% [markdown]
# ## Functions that turn back: outputs fold

# %%
turning = [lambda x: np.sin(3 * x + 0.5), lambda x: x**2 - 0.4 * x]
nets = [learned(turning[0], [16, 16], "Tanh", 5), learned(turning[1], [24, 24], "Softplus", 6)]
same = samples(7)
folded = st.compare(*(st.probe(st.from_torch(net, name=f"output {k}"), same) for k, net in enumerate(nets, 1)))
print(f"{folded.decision.value} ({folded.confidence:.2f})")
for finding in folded.diagnosis:
    print(f"- {finding}")

# %% [markdown]
# Both probes saw the same inputs here, so the verdict tests directly whether one output is a function of the other, in
# either direction: neither is. The findings say why, and what to do: take more neurons.
#
# ## Three neurons inside
#
# Three neurons of the last hidden layer of network 1, drawn at random, against three of network 2 and its output.
# Samples are independent again, two are shared.

# %%
seen = [np.vstack([anchors, samples(number)]) for number in (8, 9)]
layers = [["hidden2"], ["hidden2", "output"]]
probes = []
for net, x_seen, kept, number in zip(nets, seen, layers, (1, 2), strict=True):
    whole = st.probe(st.from_torch(net, layers=kept, name=f"network {number}"), x_seen)
    hidden = [k for k, neuron in enumerate(whole.neurons) if neuron.startswith("hidden2")]
    three = np.random.default_rng([seed, number]).choice(hidden, 3, replace=False).tolist()
    probes.append(whole.select([*three, *range(len(hidden), len(whole.neurons))]))
inner = st.compare(*probes)
print(inner)


# %%
def neurons(which: int, x: np.ndarray) -> np.ndarray:
    names = probes[which].neurons
    network = st.from_torch(nets[which], layers=layers[which])
    every = network.neuron_names(network(x[:2]).shape[1])
    return network(x)[:, [every.index(name) for name in names]]


x = np.linspace(-1.6, 1.6, 1601)[:, None]
trained = np.abs(x[:, 0]) <= 0.99
there = transformation_of(inner).forward(neurons(0, x))
truth = neurons(1, x)
back_again = transformation_of(inner).backward(truth)

figures = Table("Functions that turn back")
figures.add("outputs alone", folded.decision.value)
figures.add("samples whose output folds, network 1", 100 * folded.folds[0].share, "%")
figures.add("samples whose output folds, network 2", 100 * folded.folds[1].share, "%")
figures.add("three neurons each", inner.decision.value)
figures.add(
    "output of network 2 from neurons of network 1",
    100 * relative_error(there.value[trained, 3:], truth[trained, 3:]),
    "% of spread",
    at_most=5 if quick else 0.5,
)
figures.add(
    "neurons of network 1 from network 2",
    100 * relative_error(back_again.value[trained], neurons(0, x)[trained]),
    "% of spread",
    at_most=5 if quick else 0.5,
)
figures.add("inside the support, −1 … 1", 100 * there.inside[trained].mean(), "%", at_least=95)
figures.add("inside the support, beyond", 100 * there.inside[~trained].mean(), "%", at_most=10)
print(figures)

# %%
figure, (functions, curve, cloud, predicted) = axes(4, height=2.8, width=11)
spoken = [outputs(net, x)[:, 0] for net in nets]
for k, colour in enumerate((FIRST, SECOND)):
    functions.plot(x[trained], spoken[k][trained], color=colour, label=f"network {k + 1}", ls=("-", "--")[k])
label(functions, "What each says", "input x", "output", legend=True)
curve.scatter(spoken[0][trained], spoken[1][trained], c=x[trained, 0], cmap="viridis", s=4)
label(curve, "Outputs alone: no function", "output of network 1", "output of network 2")
points = neurons(0, x)[trained]
painted = cloud.scatter(points[:, 0], points[:, 1], c=x[trained, 0], cmap="viridis", s=4)
figure.colorbar(painted, ax=cloud, label="input x")
label(cloud, "Inside network 1", *(f"activation of {name}" for name in probes[0].neurons[:2]))
agreement(predicted, truth[trained, 3], there.value[trained, 3], there.inside[trained])
label(predicted, "Output of network 2", "true", "predicted from network 1")
show(
    figure,
    "Where functions turn back, one output of network 1 stands for two inputs, and for two outputs of network 2. The "
    "curve of activations inside does not cross itself, and from three neurons the other's output follows (crosses: "
    "outside the support).",
)

# %% [markdown]
# ## Outside the training interval
#
# Both networks were trained, and probed, on −1 … 1. Beyond, each goes its own way, and nothing says that these ways
# have anything to do with one another. The transformation extrapolates there: nearly all answers are marked as outside,
# and their uncertainty grows with the distance; but how far off they are nobody can know from samples within.

# %%
figure, (wide, off) = axes(2, height=3.2, width=11)
wide.axvspan(-1, 1, color="#eef1f4", zorder=0)
wide.plot(x, truth[:, 3], color=PALE, lw=5, label="what network 2 says")
wide.plot(x, turning[1](x), color=SOFT, ls=":", label="the function it was to learn")
estimate = there.value[:, 3]
band = there.uncertainty
wide.fill_between(x[:, 0], estimate - band, estimate + band, color=THIRD, alpha=0.2, lw=0, label="± uncertainty")
wide.plot(x, np.where(there.inside, estimate, np.nan), color=THIRD, label="predicted, inside the support")
wide.plot(x, np.where(there.inside, np.nan, estimate), color=SECOND, ls="--", label="predicted, outside")
low, high = truth[:, 3].min(), truth[:, 3].max()
wide.set_ylim(low - 0.5 * (high - low), high + 0.5 * (high - low))
label(wide, "Output of network 2, from three neurons of network 1", "input x", "output", legend=True)
missed = np.linalg.norm(there.value - truth, axis=1)
off.axvspan(-1, 1, color="#eef1f4", zorder=0)
off.semilogy(x, missed + 1e-12, color=FIRST, label="error")
off.semilogy(x, there.uncertainty, color=SECOND, ls=":", label="uncertainty")
label(off, "Error and uncertainty, all neurons", "input x", "activation units", legend=True)
show(figure, "Beyond the training interval (white) the transformation extrapolates, and says so nearly everywhere.")

# %%
print(f"verdict on the outputs that rise: {monotonic.decision.value} ({monotonic.confidence:.2f})")
print(f"verdict on the outputs that turn back: {folded.decision.value} ({folded.confidence:.2f})")
print(f"verdict on three neurons of each: {inner.decision.value} ({inner.confidence:.2f})")
