"""Functions of two inputs, and a vector field in unknown coordinates. Run with ``sametask reproduce plane``."""
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false

# %% [markdown]
# # Two inputs
#
# As in [one dimension](scalar.md): two networks have each learned something about the same inputs, now two numbers.
# First different functions on a square; then one and the same dynamical system, which the second network knows only
# through an unknown change of variables. Samples are independent, and what one network says is computed from what the
# other says.

# %%
import numpy as np
import torch
from scipy.integrate import solve_ivp

import sametask as st
from sametask.experiments import nerve
from sametask.experiments.drawing import ALONG, FIRST, INK, PALE, SECOND, SOFT, THIRD, axes, label, relative_error
from sametask.experiments.notebook import Table, show
from sametask.experiments.training import fit, perceptron
from sametask.experiments.verdicts import ambiguity, transformation_of

# %% tags=["parameters"]
quick = False
seed = 0

# %% [markdown]
# ## Scalar functions of two inputs
#
# A tanh network learns one function on the square −1 … 1, a SiLU network another.

# %%
steps, n = (300, 250) if quick else (800, 1000)


def square(number: int) -> np.ndarray:
    return np.random.default_rng([seed, number]).uniform(-1, 1, (n, 2))


def learned(x: np.ndarray, y: np.ndarray, activation: str, number: int) -> torch.nn.Module:
    net = perceptron([2, 24, 24, y.shape[1]], activation, seed=100 * seed + number)
    print(f"network {number} has learned its function to {fit(net, x, y, steps):.1e} of its spread")
    return net


def waves(x: np.ndarray) -> np.ndarray:
    return np.sin(2 * x[:, :1]) + np.cos(1.5 * x[:, 1:] + 0.5)


def hill(x: np.ndarray) -> np.ndarray:
    return np.exp(-((x[:, :1] - 0.3) ** 2) - (x[:, 1:] + 0.2) ** 2)


nets = [learned(square(1), waves(square(1)), "Tanh", 1), learned(square(2), hill(square(2)), "SiLU", 2)]
same = square(3)
single = st.compare(*(st.probe(st.from_torch(net, name=f"output {k}"), same) for k, net in enumerate(nets, 1)))
print(f"{single.decision.value} ({single.confidence:.2f})")
for finding in single.diagnosis:
    print(f"- {finding}")

# %% [markdown]
# One number cannot tell two: along a line of equal output a network says always the same, and the other's output
# changes. Both probes saw the same inputs here, so this is tested directly, in either direction. (The advice counts
# dimensions of what it is shown, which is one; the inputs have two.)
#
# ## Five neurons inside
#
# By Whitney's theorem 2 · 2 + 1 = 5 neurons of an inner layer are enough. Five of each network's first hidden layer are
# drawn at random. Samples are independent, but for four that both networks saw: a square has eight symmetries, and only
# shared samples can tell them apart.

# %%
shared = np.array([[-0.7, -0.5], [0.6, -0.8], [0.8, 0.5], [-0.3, 0.7]])
seen = [np.vstack([shared, square(number)]) for number in (4, 5)]


def five(number: int) -> list[int]:
    return sorted(np.random.default_rng([seed, number]).choice(24, 5, replace=False).tolist())


chosen = [[*five(6), 24], [*five(7), 24]]  # number 24 is the output
whole = [st.from_torch(net, layers=["hidden1", "output"], name=f"network {k}") for k, net in enumerate(nets, 1)]
probes = [st.probe(net, x, neurons=each) for net, x, each in zip(whole, seen, chosen, strict=True)]
inner = st.compare(*(probe.select(range(5)) for probe in probes))
print(inner)

# %% [markdown]
# The transformation leads from five neurons to five. What these say about the output of their own network is read off
# by `st.reconstruct`, from that network's probe alone.

# %%
side = 25 if quick else 43
ends = np.linspace(-0.98, 0.98, side)
unseen = np.stack(np.meshgrid(ends, ends), axis=2).reshape(-1, 2)
said = [net(unseen)[:, each] for net, each in zip(whole, chosen, strict=True)]
readers = [st.reconstruct(probe, range(5)) for probe in probes]
between = transformation_of(inner)
carried = between.forward(said[0][:, :5]), between.backward(said[1][:, :5])
predicted = [readers[1](carried[0].value).neurons.value, readers[0](carried[1].value).neurons.value]

scalars = Table("Different scalar functions of two inputs")
scalars.add("samples of each", f"{n:,}")
scalars.add("outputs alone", single.decision.value)
scalars.add("five neurons each", inner.decision.value)
for way, target in (("1 → 2", 1), ("2 → 1", 0)):
    five_off = relative_error(carried[1 - target].value, said[target][:, :5])
    output_off = relative_error(predicted[1 - target], said[target][:, 5:])
    scalars.add(f"five neurons, {way}", 100 * five_off, "% of spread", at_most=3.0 if quick else 0.1)
    scalars.add(f"output, {way}", 100 * output_off, "% of spread", at_most=3.0 if quick else 0.1)
print(scalars)

# %%
figure, panels = axes(4, 2, height=2.4, width=11.0)
for row, (target, ax) in enumerate(zip((1, 0), panels, strict=True)):
    truth, guess = (values.reshape(side, side) for values in (said[target][:, 5], predicted[row][:, 0]))
    scale = {"cmap": ALONG, "vmin": truth.min(), "vmax": truth.max()}
    for panel, values, title in (
        (ax[0], said[1 - target][:, 5].reshape(side, side), f"Network {2 - target} says"),
        (ax[1], truth, f"Network {target + 1} says"),
        (ax[2], guess, f"… predicted from {2 - target}"),
        (ax[3], np.log10(np.abs(guess - truth) / truth.std() + 1e-9), "Error"),
    ):
        colours = scale if panel in ax[1:3] else {"cmap": "magma" if panel is ax[3] else ALONG}
        painted = panel.pcolormesh(ends, ends, values, rasterized=True, **colours)
        unit = "log₁₀ (error / spread)" if panel is ax[3] else "output"
        figure.colorbar(painted, ax=panel, fraction=0.05, pad=0.04, label=unit)
        panel.set_aspect("equal")
        label(panel, title, "input x", "input y")
show(
    figure,
    "From left to right: the source's output over the square; the target's; the same predicted from five "
    "neurons of the source; its error. Above network 1 → 2, below 2 → 1.",
)

# %%
figure, (crossing, inside) = axes(2, height=3.2, width=9.0)
for ax, pair, names in (
    (crossing, (said[0][:, 5], said[1][:, 5]), ("output of network 1", "output of network 2")),
    (inside, said[0][:, :2].T, [f"activation of {name}" for name in probes[0].neurons[:2]]),
):
    painted = ax.scatter(*pair, c=unseen[:, 0], cmap=ALONG, s=3)
    figure.colorbar(painted, ax=ax, label="input x")
    label(ax, "Outputs: no function either way" if ax is crossing else "Two of five neurons of network 1", *names)
show(
    figure,
    "To one output of network 1 belongs a whole range of outputs of network 2, and the other way round. The "
    "activations inside are a surface, of which two neurons show a projection.",
)

# %% [markdown]
# ## Vector functions: output to output
#
# Two outputs can be enough, where they do not fold. Two networks learn different maps of the square into the plane;
# their outputs alone are compared, again with the four samples shared.


# %%
def bent(x: np.ndarray) -> np.ndarray:
    return np.stack([x[:, 0] + 0.4 * x[:, 1] ** 2, x[:, 1] - 0.3 * np.sin(2 * x[:, 0])], axis=1)


def fan(x: np.ndarray) -> np.ndarray:
    return np.exp(0.6 * x[:, :1]) * np.stack([np.cos(x[:, 1]), np.sin(x[:, 1])], axis=1)


nets = [learned(square(8), bent(square(8)), "Tanh", 3), learned(square(9), fan(square(9)), "SiLU", 4)]
outputs = [st.from_torch(net, name=f"network {k}") for k, net in enumerate(nets, 3)]
vector = st.compare(*(st.probe(net, np.vstack([shared, square(k)])) for k, net in enumerate(outputs, 10)))
print(f"{vector.decision.value} ({vector.confidence:.2f})")
said = [net(unseen) for net in outputs]
between = transformation_of(vector)
carried = between.forward(said[0]).value, between.backward(said[1]).value

vectors = Table("Different vector functions, outputs alone")
vectors.add("verdict", vector.decision.value)
vectors.add("3 → 4", 100 * relative_error(carried[0], said[1]), "% of spread", at_most=3.0 if quick else 0.05)
vectors.add("4 → 3", 100 * relative_error(carried[1], said[0]), "% of spread", at_most=3.0 if quick else 0.05)
print(vectors)


# %%
def mesh(ax, points: np.ndarray, every: int, **look) -> None:
    """Images of the lines of a square grid, given row by row."""
    lines = points.reshape(round(len(points) ** 0.5), -1, 2)
    name = look.pop("label", None)
    for line in (*lines[::every], *lines[:, ::every].swapaxes(0, 1)):
        ax.plot(*line.T, label=name, **look)
        name = None


figure, panels = axes(2, height=3.8, width=8.0)
for ax, truth, guess, title in (
    (panels[0], said[1], carried[0], "Network 4, predicted from 3"),
    (panels[1], said[0], carried[1], "Network 3, predicted from 4"),
):
    mesh(ax, truth, 6, color=PALE, lw=5, label="what it says")
    mesh(ax, guess, 6, color=FIRST, lw=1, label="predicted")
    ax.set_aspect("equal")
    label(ax, title, "first output", "second output")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
show(figure, "A grid on the square as one network shows it, and as it is predicted from the other's outputs.")

# %% [markdown]
# ## A vector field in unknown coordinates
#
# FitzHugh and Nagumo's model of a nerve cell has a fast variable v, a slow one w, and a limit cycle:
#
# v′ = v − v³ / 3 − w + I, w′ = ε (v + a − b w), with a = 0.7, b = ε = 0.5 and I = 1.
#
# Network 1 learns this field from states (v, w). Network 2 never sees v or w: its instrument shows z = h(v, w), with a
# smooth h that neither network knows, and it learns how z moves, z′ = Dh · (v′, w′).
#
# Each is probed at states of its own, network 2 as instrument and network together. All that the two share is what a
# small step of the state means. States fill a region without symmetry around the limit cycle. (All quantities of the
# model are without dimension.)


# %%
def h(x: np.ndarray) -> np.ndarray:
    v, w = x.T
    return np.stack([v + 0.6 * np.sin(w), w - 0.4 * np.sin(0.7 * v)], axis=1)


def moved(x: np.ndarray) -> np.ndarray:
    """How z moves: Dh times the field."""
    (v, w), (dv, dw) = x.T, nerve.field(x).T
    return np.stack([dv + 0.6 * np.cos(w) * dw, dw - 0.28 * np.cos(0.7 * v) * dv], axis=1)


def states(number: int, count: int) -> np.ndarray:
    return nerve.states(np.random.default_rng([seed, number]), count)


n = 500 if quick else 2000
x = states(20, n), states(21, n)
nets = [learned(x[0], nerve.field(x[0]), "Tanh", 1), learned(h(x[1]), moved(x[1]), "SiLU", 2)]


# %%
def integrated(net: st.Network, begin: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(starts, times, 2) trajectories of a network's field."""
    flow = solve_ivp(lambda _, y: net(y.reshape(-1, 2)).ravel(), times[[0, -1]], begin.ravel(), t_eval=times, rtol=1e-7)
    return flow.y.T.reshape(len(times), -1, 2).swapaxes(0, 1)


spoken = [st.from_torch(net) for net in nets]
late = np.linspace(0, 80, 1601)
start = np.array([[1.0, 1.0]])
cycles = [integrated(net, begin, late)[0, -400:] for net, begin in zip(spoken, (start, h(start)), strict=True)]
print(f"the limit cycle of network 1 lies within the region of its states: {nerve.within(cycles[0]).all()}")

coarse = np.stack(np.meshgrid(np.linspace(-2.2, 2.2, 15), np.linspace(-0.5, 2.6, 12)), axis=2).reshape(-1, 2)
coarse = coarse[nerve.within(coarse)]
figure, panels = axes(2, height=3.8, width=9.0)
for ax, net, learned_from, places, cycle, names in zip(
    panels, spoken, (x[0], h(x[1])), (coarse, h(coarse)), cycles, (("v", "w"), ("z₁", "z₂")), strict=True
):
    ax.plot(*learned_from.T, "o", ms=2, mew=0, color=PALE, label="states learned from")
    arrows = net(places)
    arrows = arrows / (0.6 + np.linalg.norm(arrows, axis=1, keepdims=True))
    ax.quiver(*places.T, *arrows.T, color=INK, angles="xy", scale=18, width=0.005)
    ax.plot(*cycle.T, color=SECOND, lw=2, label="limit cycle")
    label(ax, "Network 1" if net is spoken[0] else "Network 2", *names)
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
show(
    figure,
    "The fields as the networks have learned them, and the limit cycle of each: one flow in two systems of "
    "coordinates. Both have arrows at the same states; short ones are slow.",
)

# %% [markdown]
# ### Outputs to outputs
#
# For b < 1 the field is injective: the determinant of its Jacobian, ε (1 − b + b v²), does not vanish. So the velocity
# alone tells the state, and this h is mild enough to leave it so. Six states are shared, or none (`anchors=None`).

# %%
known = states(22, 6)
seen = [np.vstack([known, states(number, n)]) for number in (23, 24)]
fields = [spoken[0], st.from_callable(lambda x: spoken[1](h(x)))]
step = st.CentralDifference(1e-4)


def compared(pair: list[st.Network], what: str, **ways) -> dict[str, st.Verdict]:
    probes = [st.probe(net, x, step) for net, x in zip(pair, seen, strict=True)]
    verdicts = {how: st.compare(*probes, anchors=anchors) for how, anchors in ways.items()}
    for how, verdict in verdicts.items():
        print(f"{what}, {how}: {verdict.decision.value} ({verdict.confidence:.2f}), {ambiguity(verdict)}")
    return verdicts


both = {"anchored": "ids", "unanchored": None}
by_outputs = compared(fields, "outputs", **({"anchored": "ids"} if quick else both))

# %% [markdown]
# ### Neurons to neurons
#
# The same for five neurons of each first hidden layer: those that `st.whitney` picks, as they tell the others best.
# Five at random do as well where they respond to all directions; where they hardly respond to one, spectra are told
# poorly, and the verdict can be *undecided* although the match is right.

# %%
hidden = [st.from_torch(net, layers=["hidden1"]) for net in nets]
layer = [st.probe(hidden[0], x[0][:300]), st.probe(hidden[1], h(x[1])[:300])]
chosen = [list(st.whitney(probe, [5], draws=1).neurons) for probe in layer]
neurons = [
    st.from_callable(lambda x: hidden[0](x)[:, chosen[0]]),
    st.from_callable(lambda x: hidden[1](h(x))[:, chosen[1]]),
]
by_neurons = compared(neurons, "neurons", **both)

# %%
figure, panels = axes(2, height=3.4, width=9.0)
for ax, chart, k in zip(panels, by_neurons["anchored"].charts, (1, 2), strict=True):
    painted = ax.scatter(*chart.coordinates[:, :2].T, c=chart.probe.inputs[:, 0], cmap=ALONG, s=5)
    figure.colorbar(painted, ax=ax, label="v")
    label(ax, f"Chart of network {k}", "first coordinate", "second coordinate")
show(
    figure,
    "Diffusion charts, each from five neurons, coloured by the same quantity. Neither (v, w) nor z has a part in them: "
    "up to signs, and to how well each is known, they are one picture, from different samples.",
)

# %%
check = states(27, 600 if quick else 4000)  # unseen
figures = Table("A vector field in unknown coordinates")
figures.add("samples of each", f"{n:,}")
for what, verdicts, pair in (("outputs", by_outputs, fields), ("neurons", by_neurons, neurons)):
    for how, verdict in verdicts.items():
        figures.add(f"{what}, {how}", verdict.decision.value)
        most = {"anchored": 3.0 if quick else 0.5, "unanchored": 10.0 if quick else 3.0}[how]
        transformation = transformation_of(verdict)
        for way, source, target in (("1 → 2", 0, 1), ("2 → 1", 1, 0)):
            carry = (transformation.forward, transformation.backward)[source]
            estimate, truth = carry(pair[source](check)), pair[target](check)
            error = 100 * relative_error(estimate.value, truth)
            figures.add(f"{what}, {how}, {way}", error, "% of spread", at_most=most)
print(figures)

# %% [markdown]
# Without anchors nothing but the outline of the samples says where a flat manifold lies on another, so errors are many
# times those with six shared states. And two outputs answer to the same step more unevenly than five neurons do: their
# errors are larger.
#
# ### The change of variables
#
# The transformation carries five neurons of network 1 to five neurons of network 2; what those say of network 2's own
# input, z, its own probe knows. Together they lead from (v, w) to z: they tell h, which neither network was shown.

# %%
shown = st.from_callable(lambda x: np.hstack([neurons[1](x), h(x)]))
reader = st.reconstruct(st.probe(shown, seen[1], step), range(5))
ways = {how: transformation_of(verdict) for how, verdict in by_neurons.items()}


def told(x: np.ndarray, how: str) -> np.ndarray:
    """z, from what network 1's neurons say at states x."""
    return reader(ways[how].forward(neurons[0](x)).value).neurons.value


change = Table("The change of variables, found")
for how, most in (("anchored", 3.0 if quick else 0.5), ("unanchored", 10.0 if quick else 3.0)):
    change.add(
        f"z from network 1, {how}", 100 * relative_error(told(check, how), h(check)), "% of spread", at_most=most
    )
print(change)

# %%
lines = np.stack(np.meshgrid(np.linspace(-2.3, 2.1, 45), np.linspace(-0.6, 2.8, 45), indexing="ij"), axis=2).reshape(
    -1, 2
)
blank = np.where(nerve.within(lines)[:, None], 1.0, np.nan)
figure, panels = axes(2, 2, height=3.2, width=9.0)
panels = panels.ravel()
mesh(panels[0], lines * blank, 4, color=SOFT, lw=1)
panels[0].plot(*cycles[0].T, color=SECOND, lw=2)
mesh(panels[1], h(lines) * blank, 4, color=PALE, lw=5, label="h, the truth")
mesh(panels[1], told(lines, "anchored") * blank, 4, color=FIRST, lw=1, label="found")
panels[1].plot(*cycles[1].T, color=SECOND, lw=2, label="limit cycle")
label(panels[0], "A grid of (v, w)", "v", "w")
label(panels[1], "… carried to network 2", "z₁", "z₂")
for ax, how in zip(panels[2:], ways, strict=True):
    missed = np.linalg.norm(told(check, how) - h(check), axis=1) / np.sqrt(h(check).var(axis=0).sum())
    painted = ax.scatter(*check.T, c=np.log10(100 * missed + 1e-9), cmap="magma", s=3, vmin=-4, vmax=1)
    figure.colorbar(painted, ax=ax, label="log₁₀ of % of spread")
    label(ax, f"Error of z, {how}", "v", "w")
figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
show(
    figure,
    "The unknown change of variables, as the transformation between neurons tells it (six anchors), over the true one; "
    "and its error at states that neither network has seen, with six anchors and without any.",
)

# %% [markdown]
# ### Trajectories
#
# Network 1's field is integrated from four states, two within the limit cycle and two outside, and carried over point
# by point. Network 2 integrates its own field from the same four, as its instrument shows them.

# %%
time = np.linspace(0, 30, 151 if quick else 301)
begin = np.array([[-0.3, 0.8], [0.6, 1.2], [2.0, 1.0], [-2.0, 0.4]])
paths = integrated(spoken[0], begin, time)
true = integrated(spoken[1], h(begin), time)
carried = {how: np.stack([told(path, how) for path in paths]) for how in ways}
carried["h itself"] = np.stack([h(path) for path in paths])

trajectories = Table("Trajectories of network 1, carried to network 2")
for how, most in (("anchored", 5.0 if quick else 2.0), ("unanchored", 15.0 if quick else 2.0), ("h itself", None)):
    error = relative_error(carried[how].reshape(-1, 2), true.reshape(-1, 2))
    trajectories.add(how, 100 * error, "% of spread", at_most=most)
print(trajectories)

# %% [markdown]
# The last line is no achievement of any transformation: it is how far the two learned fields, each a little wrong,
# drift apart over this time.

# %%
figure, (plane, course, drift) = axes(3, height=3.8, width=11.0)
for k, colour in enumerate((FIRST, SECOND, THIRD, INK)):
    once = k == 0
    plane.plot(*true[k].T, color=PALE, lw=5, label="network 2" if once else None, zorder=0)
    plane.plot(*carried["anchored"][k].T, color=colour, lw=1, label="network 1, carried" if once else None)
    plane.plot(*true[k, 0], "os^D"[k], color=colour, ms=6, label="starts" if once else None)
for k, (name, colour, line) in enumerate((("z₁", FIRST, "-"), ("z₂", SECOND, "--"))):
    course.plot(time, true[0, :, k], color=PALE, lw=5, label="network 2" if k == 0 else None)
    course.plot(time, carried["anchored"][0, :, k], color=colour, ls=line, label=f"{name}, carried")
spread = np.sqrt(np.square(true - true.mean(axis=(0, 1))).sum(axis=2).mean())
for how, colour, line in (("anchored", FIRST, "-"), ("unanchored", SECOND, "--"), ("h itself", INK, ":")):
    missed = np.sqrt(np.square(carried[how] - true).sum(axis=2).mean(axis=0))
    drift.semilogy(time[1:], 100 * missed[1:] / spread, color=colour, ls=line, label=how)
label(plane, "In the plane of z", "z₁", "z₂")
label(course, "The first trajectory", "time", "z₁, z₂")
label(drift, "Error, root mean square of the four", "time", "% of spread")
for ax in (plane, course):
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.35 * (high - low))
    ax.legend(loc="upper center", ncols=2, frameon=False, fontsize=8.5)
drift.legend(loc="lower right", frameon=False, fontsize=8.5)
show(
    figure,
    "Trajectories of network 1, carried over by the neurons (six anchors), over those that network 2 integrates "
    "itself. Right: errors by time, with anchors, without, and with the true h in place of the transformation.",
)

# %%
print(f"verdict on one output each: {single.decision.value} ({single.confidence:.2f})")
print(f"verdict on five neurons each: {inner.decision.value} ({inner.confidence:.2f})")
print(f"verdict on two outputs each: {vector.decision.value} ({vector.confidence:.2f})")
for what, verdicts in (("outputs", by_outputs), ("neurons", by_neurons)):
    for how, verdict in verdicts.items():
        print(f"verdict on the vector field, {what}, {how}: {verdict.decision.value} ({verdict.confidence:.2f})")
