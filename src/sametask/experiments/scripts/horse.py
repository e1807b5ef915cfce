"""A horse that turns before two cameras. Read as a notebook; run with ``sametask reproduce horse``."""
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false, reportPossiblyUnboundVariable=false

# %% [markdown]
# # The rotating horse
#
# A horse turns before two cameras that differ in place, distance and light. For each camera a convolutional autoencoder
# has learned to squeeze its pictures, of other angles and with another architecture, into a few numbers. What does
# camera 2 see while camera 1 sees *this*?
#
# Nobody tells an angle. What ties the two together is that, at each sample, the horse also *wobbles*: it swings a
# little, to one side and as far to the other, and the wobbles before camera 1 are as large as those before camera 2.
# That fixes a local metric on each network's codes, and the two pictures of the circle of angles are brought together
# by three shared moments (anchors), or by none. (Bertalan, Dietrich & Kevrekidis,
# [arXiv:2007.05646](https://arxiv.org/abs/2007.05646), the last of their experiments.)

# %%
from collections.abc import Callable

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator

import sametask as st
from sametask.experiments import horse
from sametask.experiments.drawing import (
    AROUND,
    FIRST,
    INK,
    PALE,
    SECOND,
    SOFT,
    axes,
    label,
    plain,
    relative_error,
    strip,
)
from sametask.experiments.notebook import Table, show
from sametask.experiments.training import fit, perceptron
from sametask.experiments.verdicts import ambiguity, transformation_of

# %% tags=["parameters"]
quick = False
seed = 0

# %% [markdown]
# ## What the two cameras see
#
# The two are not even mirror images of one another: head and tail are turned, and the light comes from different sides.

# %%
rng = np.random.default_rng(seed)
pictured, steps, n, wobbles, unseen = (240, 400, 200, 2, 90) if quick else (720, 1500, 400, 4, 360)
WOBBLE = 0.03  # radians, root mean square


def turns(count: int) -> np.ndarray:
    return rng.uniform(0, 2 * np.pi, (count, 1))


def learned(k: int, bottleneck: int, poses: np.ndarray, steps: int) -> tuple[torch.nn.Module, np.ndarray]:
    """The autoencoder of camera k, and the pictures that it has learned from."""
    widths, inner, activation = (((12, 24, 32, 32), 48, "SiLU"), ((8, 16, 32, 48), 64, "ELU"))[k]
    net = horse.autoencoder(widths, inner, bottleneck, activation, seed=10 * seed + k)
    pictures = horse.CAMERAS[k].views(poses)
    error = horse.learn(net, pictures, steps, seed, batch=32)
    print(f"camera {k + 1}: bottleneck of {bottleneck}, pictures known to {error / pictures.std():.1%} of their spread")
    return net, pictures


seen = [turns(pictured), turns(pictured)]
nets, pictures = zip(*(learned(k, bottleneck, seen[k], steps) for k, bottleneck in enumerate((4, 6))), strict=True)

# %%
moments = np.linspace(0, 2 * np.pi, unseen, endpoint=False)[:, None]
views = [camera.views(moments) for camera in horse.CAMERAS]

few = np.arange(0, unseen, unseen // 9)[:9]
degrees = [f"{np.degrees(moments[k, 0]):.0f}°" for k in few]
strip(
    [("camera 1", views[0][few]), ("camera 2", views[1][few])],
    degrees,
    "What the two cameras see at the same angles of the horse.",
)

# %% [markdown]
# ## Codes and wobbles
#
# Each camera takes samples of its own; only the first three are the same moments. Around each sample the horse wobbles
# by small random angles of known size. All that the comparison is given are the codes of these pictures.


# %%
def codes(k: int, shown: np.ndarray, layer: str = "bottleneck") -> np.ndarray:
    """What a layer of encoder k says of pictures."""
    layers = dict(nets[k].get_submodule("encoder").named_children())
    until = list(layers).index(layer) + 1
    return horse.run(torch.nn.Sequential(*list(layers.values())[:until]), shown).astype(np.float64)


def probed(own: np.ndarray, around: np.ndarray, d: int, name: str) -> st.Probe:
    """A probe from codes (n, m) and those of wobbles (n · wobbles, m)."""
    spread = horse.spread(own, around.reshape(len(own), -1, own.shape[1]))
    return st.Probe.from_covariances(own, spread, d, scale=WOBBLE / np.sqrt(d), name=name)


anchored = np.array([[0.3], [2.4], [4.5]])
poses = [np.vstack([anchored, turns(n - 3)]) for _ in nets]
samples = [camera.views(at) for camera, at in zip(horse.CAMERAS, poses, strict=True)]
wobbling = [
    camera.views(horse.wobbled(at, WOBBLE, wobbles, rng).reshape(-1, 1))
    for camera, at in zip(horse.CAMERAS, poses, strict=True)
]
probes = [probed(codes(k, samples[k]), codes(k, wobbling[k]), 1, f"camera {k + 1}") for k in (0, 1)]

# %% [markdown]
# ## The circle, and its spectrum
#
# A circle of angles in radians has the Laplace eigenvalues 0, 1, 1, 4, 4, 9, 9 … Neither network was told that there is
# a circle; both show it, and its size.

# %%
charts = [st.chart(probe) for probe in probes]
for chart in charts:
    print(f"{chart.probe.name}: λ = 0, " + ", ".join(f"{value:.2f}" for value in chart.eigenvalues[:6]))

figure, panels = axes(4, height=2.7, width=11)
for k in (0, 1):
    at = np.degrees(poses[k][:, 0])
    raw, drawn = panels[k], panels[k + 2]
    raw.scatter(*codes(k, samples[k])[:, :2].T, c=at, cmap=AROUND, s=8, edgecolors=SOFT, lw=0.2)
    label(raw, f"Codes of camera {k + 1}", "bottleneck neuron 0", "bottleneck neuron 1")
    painted = drawn.scatter(*charts[k].functions[:, :2].T, c=at, cmap=AROUND, s=8, edgecolors=SOFT, lw=0.2)
    drawn.set_aspect("equal")
    label(drawn, f"Chart of camera {k + 1}", "eigenfunction 1", "eigenfunction 2")
figure.colorbar(painted, ax=panels[3], label="true angle (°), not given", ticks=[0, 90, 180, 270, 360])
show(figure, "Two of each network's code neurons, and its chart: the circle of angles, up to a turn and a reflection.")

# %% [markdown]
# ## From camera 1's picture to camera 2's
#
# Three anchors fix the turn and the reflection. Then: picture of camera 1 → its code → the transformation → code of
# network 2 → decoder 2 → what camera 2 would see.

# %%
match = st.compare(*probes, anchors=[[0, 0], [1, 1], [2, 2]])
print(match)

# %%
carry = transformation_of(match)
predicted = carry.forward(codes(0, views[0]))
true_codes = codes(1, views[1])
rebuilt, foreseen = (horse.run(nets[1].decoder, each) for each in (true_codes, predicted.value))


def reader(k: int, known: np.ndarray, poses: np.ndarray) -> RBFInterpolator:
    """What tells the pose (cosine and sine of the turn, tilt) from a code of network k."""
    around = np.hstack([np.cos(poses[:, :1]), np.sin(poses[:, :1]), poses[:, 1:]])
    return RBFInterpolator(codes(k, known), around, neighbors=24)


def off(told: np.ndarray, at: np.ndarray) -> np.ndarray:
    """By how many degrees a pose that was read differs from the true one."""
    turn = np.arctan2(told[:, 1], told[:, 0]) - at[:, 0]
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    return np.degrees(np.hypot(turn, (told[:, 2:] - at[:, 1:]).sum(axis=1)))


read = reader(1, pictures[1], seen[1])
missed, least = off(read(predicted.value), moments), off(read(true_codes), moments)
table = Table("A horse that turns about one axis")
table.add("samples of each camera, wobbles of each", f"{n}, {wobbles}")
table.add("anchors", 3)
table.add("verdict", match.decision.value)
table.add("predicted code", 100 * relative_error(predicted.value, true_codes), "% of spread")
table.add("grey values, own reconstruction", horse.pixel_error(rebuilt, views[1]), "of 1")
table.add("grey values, foreseen from camera 1", horse.pixel_error(foreseen, views[1]), "of 1")
table.add(
    "foreseen / own reconstruction",
    horse.pixel_error(foreseen, views[1]) / horse.pixel_error(rebuilt, views[1]),
    at_most=1.5,
)
table.add("angle error, median", float(np.median(missed)), "°", at_most=5 if quick else 1)
table.add("angle error, largest", float(missed.max()), "°")
table.add("angle error read from true codes, median", float(np.median(least)), "°")
print(table)


# %%
def side_by_side(few: np.ndarray, heads: list[str]) -> None:
    strip(
        [
            ("camera 1\n(input)", views[0][few]),
            ("foreseen", foreseen[few]),
            ("camera 2\n(truth)", views[1][few]),
            ("own recon-\nstruction", rebuilt[few]),
        ],
        heads,
        "From above: what camera 1 sees; what camera 2 would see, predicted from that alone; what it does see; and "
        "what autoencoder 2 makes of that picture itself, which is as good as a prediction can be.",
    )


side_by_side(few, degrees)
figure, (turned, pixels) = axes(2, height=2.8, width=10)
at = np.degrees(moments[:, 0])
turned.plot(at, missed, color=FIRST, label="from camera 1's code")
turned.plot(at, least, color=SECOND, ls="--", label="from camera 2's own code")
turned.plot(np.degrees(anchored[:, 0]), [0, 0, 0], "^", color=INK, ms=7, label="anchors", clip_on=False)
label(turned, "Angle error", "angle of the horse (°)", "error (°)", legend=True)
each = [np.sqrt(np.square(picture - views[1]).mean(axis=(1, 2))) for picture in (foreseen, rebuilt)]
pixels.plot(at, each[0], color=FIRST, label="foreseen")
pixels.plot(at, each[1], color=SECOND, ls="--", label="own reconstruction")
pixels.set_ylim(0)
label(pixels, "Image error", "angle of the horse (°)", "RMS of grey values (0 … 1)", legend=True)
show(figure, "Errors at angles that neither network has seen.")

# %% [markdown]
# ## From a few neurons of an inner layer
#
# The bottleneck is not needed. Of a circle 2 · 1 + 1 = 3 generic neurons determine all others (Whitney), if samples are
# dense enough to tell apart what passes near. Neurons of the layer before it are silent over part of the circle, and
# not generic; the sums that go into them are. `st.whitney` draws some at random, and puts them in an order; of that
# order as many are taken as no random draw folds with, and 3 at least. From so few numbers inside network 1, the
# bottleneck of network 2:

# %%
inner, around = (codes(0, each, "sum5") for each in (samples[0], wobbling[0]))
few_of = st.whitney(probed(inner, around, 1, "camera 1, inner"), range(1, 6), draws=2 if quick else 4, seed=seed)
print(few_of.meaning)
picked = [int(k) for k in few_of.order[: max(few_of.theory, few_of.enough_drawn or len(few_of.order))]]
from_few = probed(inner[:, picked], around[:, picked], 1, f"camera 1, {len(picked)} inner neurons")
match_few = st.compare(from_few, probes[1], anchors=[[0, 0], [1, 1], [2, 2]])
print(match_few)
carry_few = transformation_of(match_few)
told = carry_few.forward(codes(0, views[0], "sum5")[:, picked])
foreseen_few = horse.run(nets[1].decoder, told.value)

table_few = Table("From a few neurons of an inner layer of network 1")
table_few.add("sums taken, of the inner layer's", f"{len(picked)} of {inner.shape[1]}")
table_few.add("verdict", match_few.decision.value)
table_few.add(
    "foreseen / own reconstruction",
    horse.pixel_error(foreseen_few, views[1]) / horse.pixel_error(rebuilt, views[1]),
    at_most=1.5,
)
table_few.add("angle error, median", float(np.median(off(read(told.value), moments))), "°", at_most=5 if quick else 1)
print(table_few)

# %% [markdown]
# ## Without anchors
#
# A circle looks the same from everywhere: every turn and every reflection fits. So the answer without anchors is *one*
# match up to O(2), the group of turns and reflections, and says so. What it predicts is right up to one angle and a
# sign.

# %%
free = st.compare(*probes, anchors=None)
print(f"{free.decision.value} ({free.confidence:.2f}), {ambiguity(free)}")
carry_free = transformation_of(free)
heard = read(carry_free.forward(codes(0, views[0])).value)
turn = np.arctan2(heard[:, 1], heard[:, 0])
fits = {}
for sign in (1, -1):
    shift = np.angle(np.exp(1j * (turn - sign * moments[:, 0])).mean())
    left = np.angle(np.exp(1j * (turn - sign * moments[:, 0] - shift)))
    fits[sign] = (float(np.median(np.abs(np.degrees(left)))), shift)
sign = min(fits, key=lambda each: fits[each][0])
print(f"angles are right up to a turn by {np.degrees(fits[sign][1]):.0f}°" + " and a reflection" * (sign < 0))
table_free = Table("Without anchors")
table_free.add("verdict", free.decision.value)
table_free.add("left open", ambiguity(free))
table_free.add("angle error up to O(2), median", fits[sign][0], "°", at_most=5 if quick else 1)
print(table_free)

figure, (ax,) = axes(1, height=3.2, width=4.2)
ax.plot([0, 360], [0, 360], color=PALE, lw=4, label="truth")
ax.plot(at, np.degrees(turn) % 360, ".", color=SECOND, ms=4, label="without anchors")
told_turn = np.arctan2(*read(predicted.value)[:, 1::-1].T)
ax.plot(at, np.degrees(told_turn) % 360, ".", color=FIRST, ms=2, label="with three anchors")
ax.set(xticks=range(0, 361, 90), yticks=range(0, 361, 90))
label(
    ax, "Angle told by the predicted code", "angle before camera 1 (°)", "angle foreseen for camera 2 (°)", legend=True
)
show(figure, "Without anchors angles are right up to one turn, and maybe a reflection; three anchors fix both.")

# %% [markdown]
# ## A head carried over
#
# An angle regressor (a head) is trained on network 1's bottleneck. Run on network 2's, through the transformation and
# without any training, does it do as well as one that was trained on network 2?


# %%
def head_of(k: int) -> Callable[[np.ndarray], np.ndarray]:
    net = perceptron([codes(k, views[k][:2]).shape[1], 32, 2], "Tanh", seed=seed)
    own = codes(k, pictures[k])
    middle, scale = own.mean(0), own.std()
    fit(net, (own - middle) / scale, np.hstack([np.cos(seen[k]), np.sin(seen[k])]), 150 if quick else 500)
    return lambda given: horse.run(net.float(), (given - middle) / scale)


def median_degrees(targets: np.ndarray, told: np.ndarray) -> float:
    return float(np.median(off(np.asarray(told), np.arctan2(targets[:, 1:], targets[:, :1]))))


heads = [head_of(k) for k in (0, 1)]
truth = np.hstack([np.cos(moments), np.sin(moments)])
moved = st.transfer_head(
    carry, heads[0], (codes(0, views[0]), truth), (true_codes, truth), metric=median_degrees, name="angle regressor"
)
print(moved)
native = median_degrees(truth, heads[1](true_codes))
table_head = Table("An angle regressor trained on network 1 alone")
table_head.add("on network 1, median error", moved.before, "°")
table_head.add("on network 2, through the transformation", moved.after, "°", at_most=5 if quick else 1)
table_head.add("a head trained on network 2", native, "°")
print(table_head)

# %% [markdown]
# ## About two axes
#
# Now the horse also tilts, by up to 36° to either side. Its poses are a cylinder. It wobbles about both axes at random,
# about each as much as about the other. Networks are trained anew; anchors are still three.

# %%
TILT = np.radians(36)
pictured, steps, n, wobbles, unseen = (240, 150, 150, 4, 60) if quick else (2000, 2500, 2000, 4, 300)


def both(count: int) -> np.ndarray:
    return np.hstack([turns(count), rng.uniform(-TILT, TILT, (count, 1))])


seen = [both(pictured), both(pictured)]
nets, pictures = zip(*(learned(k, bottleneck, seen[k], steps) for k, bottleneck in enumerate((6, 8))), strict=True)
anchored = np.array([[0.3, -0.3], [2.4, 0.3], [4.5, 0.0]])
poses = [np.vstack([anchored, both(n - 3)]) for _ in nets]
samples = [camera.views(at) for camera, at in zip(horse.CAMERAS, poses, strict=True)]
wobbling = [
    camera.views(horse.wobbled(at, WOBBLE, wobbles, rng).reshape(-1, 2))
    for camera, at in zip(horse.CAMERAS, poses, strict=True)
]
probes = [probed(codes(k, samples[k]), codes(k, wobbling[k]), 2, f"camera {k + 1}, two axes") for k in (0, 1)]
tilted = st.compare(*probes, anchors=[[0, 0], [1, 1], [2, 2]])
print(tilted)

# %%
moments = both(unseen)
views = [camera.views(moments) for camera in horse.CAMERAS]
read = reader(1, pictures[1], seen[1])
true_codes = codes(1, views[1])
if tilted.match is not None or tilted.transformation is not None:
    told = transformation_of(tilted).forward(codes(0, views[0])).value
else:  # as with --quick, whose networks hardly know the pictures: then no more than a mean code is foreseen
    told = np.repeat(codes(1, samples[1]).mean(axis=0, keepdims=True), unseen, axis=0)
rebuilt, foreseen = (horse.run(nets[1].decoder, each) for each in (true_codes, told))
missed, least = off(read(told), moments), off(read(true_codes), moments)

table_two = Table("A horse that turns about two axes")
table_two.add("samples of each camera, wobbles of each", f"{n}, {wobbles}")
table_two.add("anchors", 3)
table_two.add("verdict", tilted.decision.value)
table_two.add(
    "foreseen / own reconstruction",
    horse.pixel_error(foreseen, views[1]) / horse.pixel_error(rebuilt, views[1]),
    at_most=None if quick else 1.5,
)
table_two.add("pose error, median", float(np.median(missed)), "°", at_most=None if quick else 1)
table_two.add("pose error read from true codes, median", float(np.median(least)), "°")
print(table_two)

# %%
few = np.argsort(moments[:, 0])[:: max(1, unseen // 9)][:9]
heads_of = [f"{np.degrees(moments[k, 0]):.0f}°, {np.degrees(moments[k, 1]):+.0f}°" for k in few]
side_by_side(few, heads_of)
figure, panels = axes(3, height=2.9, width=11)
chart = st.chart(probes[0])
# lengths of 2π and 1.26 have eigenvalues 1, 1, 4, 4 of the turn, and then (π / 1.26)² = 6.2, which is that of the tilt
tilts = poses[0][chart.rows, 1]
upwards = int(np.abs([np.corrcoef(each, tilts)[0, 1] for each in chart.functions[:, :9].T]).argmax())
for ax, values, name, colours, k in (
    (panels[0], np.degrees(poses[0][:, 0]), "turn (°), not given", AROUND, 1),
    (panels[1], np.degrees(poses[0][:, 1]), "tilt (°), not given", "viridis", upwards),
):
    drawn = ax.scatter(*chart.functions[:, [0, k]].T, c=values[chart.rows], cmap=colours, s=6, edgecolors=SOFT, lw=0.2)
    figure.colorbar(drawn, ax=ax, label=name)
    label(ax, "Chart of camera 1", "eigenfunction 1", f"eigenfunction {k + 1}")
drawn = panels[2].scatter(
    *np.degrees(moments).T, c=np.maximum(missed, 1e-2), s=14, cmap="viridis", norm="log", marker="o"
)
panels[2].plot(*np.degrees(anchored).T, "^", color=SECOND, ms=8)
figure.colorbar(drawn, ax=panels[2], label="pose error (°)", format=plain)
drawn.colorbar.ax.yaxis.set_minor_formatter(plain)
label(panels[2], "Errors at unseen poses", "turn (°)", "tilt (°)")
show(
    figure,
    "The chart of camera 1, coloured by the turn (left) and by the tilt, over the eigenfunction that goes with it best "
    "(middle); it was told neither. Right: by how much unseen poses are missed (triangles: the anchors).",
)

# %%
for each, what in (
    (match, "one axis, three anchors"),
    (match_few, f"{len(picked)} inner neurons, three anchors"),
    (free, "one axis, no anchors"),
    (tilted, "two axes, three anchors"),
):
    print(f"verdict, {what}: {each.decision.value} ({each.confidence:.2f})")
