"""Two published pitch trackers, layer by layer. Read as a notebook; run with ``sametask reproduce pitch``."""
# pyright: reportPossiblyUnboundVariable=false

# %% [markdown]
# # Pitch: two published networks, layer by layer
#
# CREPE ([Kim, Salamon, Li & Bello 2018](https://arxiv.org/abs/1802.06182)) hears 1024 samples of sound and says how
# high it is. It was published in several sizes: *tiny* and *small* have the same layers, small about twice as many
# channels, and were trained from their own random starts. Which layers of the one determine which layers of the other?
# And can small's upper layers read the pitch from tiny's inner neurons?
#
# Tones are rendered from their pitch, in octaves above 220 Hz, and the tilt of their spectrum: the h-th of eight
# harmonics is as loud as h to the power −tilt. So network after renderer is a function of one or two intrinsic
# coordinates, and its exact derivatives are the local metric.

# %%
from collections import Counter

import numpy as np
import torch

import sametask as st
from sametask.experiments.crepe import cents, crepe_on_patch, crepe_on_tones, reading
from sametask.experiments.drawing import (
    FIRST,
    INK,
    PALE,
    SECOND,
    THIRD,
    answers,
    answers_legend,
    axes,
    label,
)
from sametask.experiments.notebook import Table, show

# %% tags=["parameters"]
quick = False
seed = 0

# %% [markdown]
# ## What is compared
#
# Six blocks of convolution end in `pool1` … `pool6`; `classifier` has a logit for each of 360 bins of 20 cents
# (hundredths of a semitone), `sigmoid` the scores. A last layer, `cents`, is CREPE's own reading of the scores: their
# mean over the nine bins around the largest. Of each layer at most 360 neurons that are not silent are drawn. All
# layers of both networks are probed at the same tones, so that each pair of layers is tested directly: is the one a
# function of the other, and the other of the one?

# %%
layers = ["pool2", "sigmoid", "cents"]
if not quick:
    layers = ["pool1", "pool2", "pool3", "pool4", "pool5", "pool6", "classifier", "sigmoid", "cents"]
sizes = ("tiny", "small")


def tones(number: int, count: int, dimension: int = 1) -> np.ndarray:
    return np.random.default_rng([seed, number]).uniform(0, 1, (count, dimension))


def by_layer(size: str, module: torch.nn.Sequential, inputs: np.ndarray) -> dict[str, st.Probe]:
    """One pass through the network, then a probe for each layer."""
    module.add_module("cents", reading())
    network = st.from_torch(module, layers=layers, name=size)
    heard = network(inputs[:50])
    owner = np.array([name.split("[")[0] for name in network.neuron_names(heard.shape[1])])
    awake = np.ptp(heard, axis=0) > 0
    draw = np.random.default_rng([seed, sizes.index(size)])
    of = {layer: np.flatnonzero(awake & (owner == layer)) for layer in layers}
    of = {layer: np.sort(draw.permutation(neurons)[:360]) for layer, neurons in of.items()}
    whole = st.probe(network, inputs, neurons=np.concatenate(list(of.values())))
    ends = np.cumsum([len(neurons) for neurons in of.values()])
    return {
        layer: whole.select(range(end - len(of[layer]), end), name=f"{size} {layer}")
        for layer, end in zip(layers, ends, strict=True)
    }


def part(made: st.Classes, first: str, second: str) -> tuple[list, np.ndarray]:
    """Answers, and their confidences, to the layers of one network as rows and of another as columns."""
    rows, columns = ([made.names.index(f"{size} {layer}") for layer in layers] for size in (first, second))
    return [[made.decisions[i][j] for j in columns] for i in rows], made.confidences[np.ix_(rows, columns)]


def counted(made: st.Classes, first: str, second: str) -> str:
    found = part(made, first, second)[0]
    pairs = [found[i][j].value for i in range(len(layers)) for j in range(len(layers)) if first != second or i < j]
    return f"{first} × {second}: " + ", ".join(f"{n} {answer}" for answer, n in Counter(pairs).most_common())


def reasons(made: st.Classes) -> str:
    """Why pairs are undecided: each reason once, with an example."""
    why = {
        (i, j): answer.why
        for (i, j), answer in made.answers.items()
        if i < j and answer.decision is st.Decision.UNDECIDED and answer.why is not None
    }
    lines = []
    for name, count in Counter(finding.name for finding in why.values()).most_common():
        i, j = next(pair for pair, finding in why.items() if finding.name == name)
        lines.append(
            f"undecided for '{name}', {count} pairs, as {made.names[i]} | {made.names[j]}:\n  {why[i, j].message}"
        )
    return "\n".join(lines)


# %% [markdown]
# ## An octave of pitch
#
# One intrinsic coordinate: the pitch of the tone, from 220 to 440 Hz. In every layer the tones lie on a curve.

# %%
octave_tones = tones(1, 150 if quick else 400)
octave = {size: by_layer(size, crepe_on_tones(size), octave_tones) for size in sizes}
over_octave = st.classes([probe for of in octave.values() for probe in of.values()], seed=seed)
for first, second in (("tiny", "small"), ("tiny", "tiny"), ("small", "small")):
    print(counted(over_octave, first, second))
print(reasons(over_octave))

# %%
drawn = ("pool2", "sigmoid") if quick else ("pool1", "pool3", "pool6", "sigmoid")
figure, panels = axes(len(drawn), 2, height=2.5, width=11.0)
order = np.argsort(octave_tones[:, 0])
for size, row in zip(sizes, panels, strict=True):
    for layer, ax in zip(drawn, row, strict=True):
        y = octave[size][layer].activations[order]
        y = y - y.mean(axis=0)
        curve = y @ np.linalg.svd(y, full_matrices=False)[2][:2].T
        ax.plot(*curve.T, color=PALE, lw=0.7, zorder=0)
        ax.scatter(*curve.T, c=octave_tones[order, 0], cmap="viridis", s=6)
        label(ax, f"{size}, {layer}", "first principal component", "second")
figure.colorbar(panels.flat[-1].collections[0], ax=panels, label="pitch, octaves above 220 Hz")
show(
    figure,
    "An octave of tones as some layers see them, by the two directions in which they vary most, in activation units. "
    "To every layer the octave is a curve, of a shape of its own. Pooled layers follow the wave itself, with all its "
    "phases. Scores light up a few bins at a time, so that each stretch of pitch goes out along directions of its own, "
    "of which two are drawn. Crossings are those of the projection.",
)

# %%
figure, ax = axes(1, height=7.2, width=7.2)
answers(ax[0], *part(over_octave, "tiny", "small"), layers, layers)
ax[0].set_xlabel("layer of small")
ax[0].set_ylabel("layer of tiny")
answers_legend(figure)
show(
    figure,
    "Over an octave of pitch. Every square answers for a layer of tiny (row) and one of small (column), with its "
    "confidence. Equal signs: pitch is all there is to know, and each of the two layers still knows it.",
)

# %% [markdown]
# Along a curve a layer can lose something only by stopping or by crossing itself. Inner layers do not, wound up as they
# are: each can be computed from each, in either network. That is not a matter of course, as `pool1` still is a
# recording of sound, and `sigmoid` a judgement about pitch. Where anything is undecided it is at the very end, and the
# reason is printed above: scores change fast along the octave, so that errors are large where tones happen to be few,
# and the reading, one number, jumps a little where the largest bin changes.
#
# ## Pitch and tilt
#
# Now tones vary in two ways: pitch over twelve cents, in the middle of the octave, and tilt from 0.5 (bright) to 1.5
# (dull). Over so few cents early layers are moved about as much by tilt as by pitch. A pitch tracker should care about
# one of the two only.

# %%
patch_tones = tones(2, 150 if quick else 400, dimension=2)
patch = {size: by_layer(size, crepe_on_patch(size), patch_tones) for size in sizes}
moved = {size: [] for size in sizes}
for size in sizes:
    for layer, probe in patch[size].items():
        rank = st.local_rank(probe)
        gain = rank.gains[1] if len(rank.gains) > 1 else 0.0
        moved[size].append(gain)
        print(f"{size:5} {layer:10} {len(probe.neurons):3} neurons, {rank.rank} of 2 directions, gain {gain:.3f}")

# %% [markdown]
# The gain is that of the weaker direction: how far a step that way moves the layer, relative to the same step the
# stronger way. It falls towards the output in both networks. Scores still depend on tilt, but little. The reading is
# one number, so of two directions it has to lose one.

# %%
over_patch = st.classes([probe for of in patch.values() for probe in of.values()], seed=seed)
for first, second in (("tiny", "small"), ("tiny", "tiny"), ("small", "small")):
    print(counted(over_patch, first, second))
print(reasons(over_patch))

# %%
figure, (matrix, gains) = axes(2, height=6.2, width=11.0, width_ratios=[1.7, 1])
answers(matrix, *part(over_patch, "tiny", "small"), layers, layers)
matrix.set_xlabel("layer of small")
matrix.set_ylabel("layer of tiny")
for size, colour, mark in (("tiny", FIRST, "o-"), ("small", SECOND, "s--")):
    gains.plot(moved[size], range(len(layers)), mark, color=colour, label=size)
gains.set_yticks(range(len(layers)), layers)
gains.set_ylim(len(layers) - 0.5, -0.5)
gains.set_xlim(-0.03, 1)
gains.grid(axis="x")
label(gains, "What is left of the weaker direction", "gain relative to the stronger direction", "layer", legend=True)
answers_legend(figure)
show(
    figure,
    "Over a patch of pitch × tilt. Left: arrows point to what is determined. Inner layers mostly determine each other "
    "and the reading of the other network; no reading determines an inner layer, since it has lost tilt. Nor do the "
    "two readings determine each other. Right: tilt fades on the way to the output.",
)

# %%
figure, panels = axes(2, height=6.5, width=11.0)
for ax, size in zip(panels, sizes, strict=True):
    answers(ax, *part(over_patch, size, size), layers, layers)
    ax.set_xlabel(f"layer of {size}")
    ax.set_ylabel(f"layer of {size}")
answers_legend(figure)
show(
    figure,
    "The same within each network. What follows is computed from what goes before, so the way forward is known to "
    "exist: above the diagonal every answer should be an equal sign or an arrow upwards, or be left open.",
)

# %% [markdown]
# Between inner layers nothing is lost, in either network, though a pair may be left open for want of tones. Scores are
# the border: tilt is still in them, in digits that hardly move them, so that "is it lost?" depends on how closely one
# looks. The verdict says so, and leaves many of these pairs undecided. The reading has lost it for good. The two
# readings differ, although both say *pitch*: each errs by a cent or so, in its own way, and tilt has a part in the
# error.
#
# ## Small reads tiny's neurons
#
# Back to the octave (with `--quick`, to a whole tone of it). Tiny and small now hear *different* tones; six are common
# to both, to anchor the match. All that is above `pool6` in small, its *head*, is run on tiny's `pool6`, carried over
# by the transformation, and its scores are read as cents. The head has never seen tiny.

# %%
heard_by = 300 if quick else 1500
modules = {size: crepe_on_tones(size) for size in sizes}


def probed(size: str, layer: str, number: int, low: float, high: float, count: int) -> st.Probe:
    """At tones of its own between two pitches, after six that are common to both networks."""
    share = np.vstack([tones(number, 6), tones(number + 1 + sizes.index(size), count - 6)])
    return st.probe(st.from_torch(modules[size], layers=[layer], name=f"{size} {layer}"), low + (high - low) * share)


def heard(size: str, layer: str, pitch: np.ndarray) -> np.ndarray:
    return st.from_torch(modules[size], layers=[layer])(pitch)


def head(layer: str):
    """What is above a layer of small, from its neurons to cents."""
    names = [name for name, _ in modules["small"].named_children()]
    until = modules["small"][: names.index(layer) + 1]
    above = modules["small"][names.index(layer) + 1 :]
    with torch.no_grad():
        shape = until(torch.zeros(1, 1)).shape[1:]

    def run(activations: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return cents(above(torch.as_tensor(activations).float().reshape(-1, *shape)).double().numpy())

    return run


def true_cents(pitch: np.ndarray) -> np.ndarray:
    return 1200 * np.log2(220 * 2 ** pitch[:, 0] / 10)


def off(read: np.ndarray, pitch: np.ndarray) -> float:
    """Root mean square error in cents."""
    return float(np.sqrt(np.square(read - true_cents(pitch)).mean()))


# %%
low, high = (0.4, 0.4 + 1 / 6) if quick else (0.0, 1.0)
pools = [probed(size, "pool6", 3, low, high, heard_by) for size in sizes]
between = st.compare(*pools, seed=seed)
print(between)

# %%
pitch = np.linspace(low + 0.01 * (high - low), high - 0.01 * (high - low), 300 if quick else 600)[:, None]  # unseen
truth = true_cents(pitch)
inside_tiny, inside_small = (heard(size, "pool6", pitch) for size in sizes)
read = {size: cents(st.from_torch(modules[size])(pitch)) for size in sizes}
read["small's head on tiny"] = np.full(len(pitch), np.nan)
supported = np.zeros(len(pitch), bool)
if between.transformation is not None:
    carried = st.transfer_head(
        between, head("pool6"), (inside_tiny, truth), (inside_small, truth), of="second", name="pitch"
    )
    print(carried)
    read["small's head on tiny"], supported = carried.carried.outputs.ravel(), carried.inside
own = off(read["small"], pitch)

# %% [markdown]
# ## Three neurons
#
# A curve needs 2 · 1 + 1 = 3 generic neurons, by Whitney's theorem. How many does tiny need in practice, over the same
# tones? An octave of the curve is long; three numbers must keep all its parts apart, to the precision that the samples
# resolve.

# %%
logits = probed("tiny", "classifier", 3, low, high, 300 if quick else 1000)
print(st.whitney(logits, draws=2 if quick else 8, seed=seed))

# %% [markdown]
# *Folded* is where so many neurons do not tell two stretches of the curve apart. Three drawn at random rarely keep a
# whole octave apart, so three are chosen. First over a whole tone (200 cents), from different tones; small has all its
# logits, and six tones are common again.


# %%
def three_of_tiny(
    count: int, number: int, low: float, high: float, common: bool = False
) -> tuple[st.Verdict, list[int]]:
    """The verdict on three logits of tiny and all of small, and which three."""
    tiny, small = (probed(size, "classifier", number, low, high, count) for size in sizes)
    if common:
        small = st.probe(st.from_torch(modules["small"], layers=["classifier"], name="small classifier"), tiny.inputs)
    three = [int(k) for k in st.whitney(tiny, [3], draws=1, seed=seed).order[:3]]
    return st.compare(tiny.select(three), small, seed=seed), three


def read_from(verdict: st.Verdict, three: list[int], pitch: np.ndarray) -> np.ndarray:
    """Cents by small's head from three logits of tiny; not numbers where there is no map."""
    if verdict.transformation is None:
        return np.full(len(pitch), np.nan)
    return head("classifier")(verdict.transformation.forward(heard("tiny", "classifier", pitch)[:, three]).value)


tone = 0.4 + np.linspace(0.01, 0.99, 400)[:, None] / 6  # unseen, over a whole tone
of_tone, three = three_of_tiny(300 if quick else 600, 6, 0.4, 0.4 + 1 / 6)
print(of_tone)
tone_read = read_from(of_tone, three, tone)
tone_own = head("classifier")(heard("small", "classifier", tone))

# %% [markdown]
# Over the whole octave geometry has a harder time: it joins tones that are near in three numbers, and where two
# stretches of the curve pass closer than tones are apart, it joins what does not belong together. So it may call two
# networks different that are not, and be sure of it. Tones that both networks heard test the function itself; only
# where the three fold do they not help either.

# %%
if not quick:
    for common in (False, True):
        verdict, three = three_of_tiny(1000, 9, 0.0, 1.0, common)
        missed = off(read_from(verdict, three, pitch), pitch)
        print(
            f"{'common' if common else 'different'} tones: {verdict.decision.value} ({verdict.confidence:.2f}), error"
        )
        print(f"  {missed:.2f} cents" if np.isfinite(missed) else "  not to be had, as there is no transformation")
        for finding in verdict.diagnosis:
            print(f"- {finding}")

# %%
error = off(read["small's head on tiny"], pitch)
table = Table(
    f"Small's head on tiny's neurons, over {1200 * (high - low):.0f} cents (tones: {heard_by} of each, 6 common)"
)
table.add("verdict, pool6", between.decision.value)
table.add("tiny itself, error", off(read["tiny"], pitch), "cents")
table.add("small itself, error", own, "cents")
table.add("small's head on tiny's pool6, error", error, "cents", at_most=1.5 * own)
table.add("the same, times small's own", error / own)
table.add("unseen tones inside the support", 100 * supported.mean(), "%", at_least=90.0)
table.add("verdict, three logits over a whole tone", of_tone.decision.value)
table.add("small itself over the whole tone, error", off(tone_own, tone), "cents")
table.add(
    "small's head on three logits of tiny, error", off(tone_read, tone), "cents", at_most=1.5 * off(tone_own, tone)
)
print(table)

# %%
figure, (said, errors, few) = axes(3, height=3.2, width=11.0)
looks = {"tiny": (FIRST, "--"), "small": (SECOND, ":"), "small's head on tiny": (THIRD, "-")}
beyond = 1200 * pitch[:, 0]
above_a3 = true_cents(np.zeros((1, 1)))[0]
said.plot(beyond, beyond, color=PALE, lw=5, label="truth")
said.plot(beyond, read["small's head on tiny"] - above_a3, color=THIRD, lw=1.2, label="small's head on tiny")
label(said, "Read from tiny's pool6", "true pitch, cents above 220 Hz", "read, cents above 220 Hz", legend=True)
for name, (colour, line) in looks.items():
    errors.plot(beyond, read[name] - true_cents(pitch), color=colour, ls=line, lw=1.1, label=name)
outside = ~supported
errors.plot(
    beyond[outside], (read["small's head on tiny"] - true_cents(pitch))[outside], "x", ms=4, color=INK, label="outside"
)
label(errors, "Errors", "true pitch, cents above 220 Hz", "error, cents")
errors.set_ylim(top=errors.get_ylim()[1] + 9)  # room for the legend
errors.legend(loc="upper center", ncols=2, frameon=False, fontsize=8)
few.plot(1200 * tone[:, 0], tone_own - true_cents(tone), ":", color=SECOND, label="small")
few.plot(1200 * tone[:, 0], tone_read - true_cents(tone), color=THIRD, lw=1.1, label="small's head on 3 of tiny")
few.axhline(0, color=PALE, zorder=0)
label(few, "From three logits of tiny", "true pitch, cents above 220 Hz", "error, cents", legend=True)
show(
    figure,
    "Pitch read by small's upper layers from tiny's neurons. Left: over what was heard. Middle: its errors are small's "
    "own rather than tiny's, and a few cents of the hundred that a semitone has. Right: the same from three neurons of "
    "tiny, over a whole tone.",
)

# %%
print(f"verdict on pool6, from different tones: {between.decision.value} ({between.confidence:.2f})")
print(f"verdict on three logits over a whole tone: {of_tone.decision.value} ({of_tone.confidence:.2f})")
last = part(over_patch, "tiny", "small")
print(f"verdict on the two readings over pitch × tilt: {last[0][-1][-1].value} ({last[1][-1, -1]:.2f})")
