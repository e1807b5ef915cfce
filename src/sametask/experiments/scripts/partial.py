"""Inputs and outputs from the fewest neurons. Read as a notebook; run with ``sametask reproduce partial``."""
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false, reportPossiblyUnboundVariable=false

# %% [markdown]
# # Partial observation
#
# How much of a network must be seen to know all of it? By Whitney's theorem (Sauer, Yorke and Casdagli's form) 2d + 1
# generic measurements embed a manifold of d dimensions: so many neurons determine the input, the output, and every
# other neuron. With fewer there may be a cliff: places that the few do not tell apart.
#
# Here for a network that has learned a vector field of two variables, and for the encoder of a camera that sees a
# horse turn.

# %%
import numpy as np

import sametask as st
from sametask.experiments import horse, nerve
from sametask.experiments.drawing import FIRST, SECOND, SOFT, axes, label, plain, relative_error, strip
from sametask.experiments.notebook import Table, show
from sametask.experiments.training import fit, perceptron

# %% tags=["parameters"]
quick = False
seed = 0

# %% [markdown]
# ## A vector field: two variables
#
# The network has learned FitzHugh and Nagumo's field, as in [two inputs](plane.md). It is probed at states of its
# own, in its last hidden layer and its output together.

# %%
steps, n, draws = (200, 300, 2) if quick else (800, 800, 8)
states = [nerve.states(np.random.default_rng([seed, k]), n) for k in (1, 2)]
net = perceptron([2, 24, 24, 2], "Tanh", seed=seed)
print(f"the field is known to {fit(net, states[0], nerve.field(states[0]), steps):.1e} of its spread")
whole = st.from_torch(net, layers=["hidden2", "output"], name="field")
probe = st.probe(whole, states[1])
inner = probe.select([k for k, name in enumerate(probe.neurons) if name.startswith("hidden2")])
counts = [1, 2, 3, 4, 5, 6]
few = st.whitney(inner, counts, draws=draws, seed=seed)
print(few)


# %% [markdown]
# For each number of neurons: reconstruct the input (v, w) and the output (v′, w′) from that many, drawn at random and
# chosen well, at states that the network was not probed at.


# %%
def missed(probe: st.Probe, chosen, unseen: np.ndarray, wanted: list[np.ndarray], others: list[int]) -> list[float]:
    """Errors of the input, and of other neurons, from a few neurons at unseen places; 1 is no better than the mean."""
    found = st.reconstruct(probe, [int(k) for k in chosen], seed=seed)
    told = found(unseen[:, list(found.neurons)])
    inputs = told.inputs.value.reshape(len(unseen), -1)
    outputs = told.neurons.value[:, [found.others.index(k) for k in others]]
    return [relative_error(each, truth) for each, truth in zip((inputs, outputs), wanted, strict=True)]


def cliff(probe: st.Probe, few: st.Whitney, unseen: np.ndarray, wanted: list[np.ndarray], others: list[int]) -> dict:
    """Errors against the number of neurons: (counts, draws, 2) at random, (counts, 2) chosen."""
    possible = [k for k in few.counts if k >= probe.dimension]
    return {
        "counts": possible,
        "random": np.array([[missed(probe, each[:k], unseen, wanted, others) for each in few.drawn] for k in possible]),
        "chosen": np.array([missed(probe, few.order[:k], unseen, wanted, others) for k in possible]),
    }


fresh = nerve.states(np.random.default_rng([seed, 3]), 500)
said = whole(fresh)
outputs = [k for k, name in enumerate(probe.neurons) if name.startswith("output")]
errors = cliff(probe, few, said, [fresh, said[:, outputs]], outputs)


def drawn(errors: dict, few: st.Whitney, titles: list[str], caption: str) -> None:
    figure, panels = axes(3, height=3.0, width=11)
    folded = panels[0]
    folded.plot(few.counts, 100 * few.folded.T, "o", color=SOFT, ms=4, mfc="none")
    folded.plot([], [], "o", color=SOFT, ms=4, mfc="none", label="drawn at random")
    folded.plot(few.counts, 100 * few.greedy_folded, "s-", color=FIRST, label="chosen well")
    folded.axvline(few.theory, color=SECOND, ls="--", label=f"2d + 1 = {few.theory}")
    label(folded, "Places not told apart", "neurons", "folded samples (%)", legend=True)
    for which, (ax, title) in enumerate(zip(panels[1:], titles, strict=True)):
        # at 200 % are also those that are worse: where the few fold, a cubic may lead anywhere
        ax.semilogy(
            errors["counts"], 100 * np.minimum(errors["random"][:, :, which], 2), "o", color=SOFT, ms=4, mfc="none"
        )
        ax.semilogy(errors["counts"], 100 * np.minimum(errors["chosen"][:, which], 2), "s-", color=FIRST)
        ax.axvline(few.theory, color=SECOND, ls="--")
        ax.yaxis.set_major_formatter(plain)
        ax.yaxis.set_minor_formatter(plain)
        label(ax, title, "neurons", "error (% of spread)")
    for ax in panels:
        ax.set_xticks(few.counts)
        ax.set_xlim(few.counts[0] - 0.5, few.counts[-1] + 0.5)
    show(figure, caption)


drawn(
    errors,
    few,
    ["Input (v, w)", "Output (v′, w′)"],
    "The network of the field: share of samples that so many neurons do not tell from others, and errors of input and "
    "output reconstructed from them (200 % or more: at the top). Fewer neurons than dimensions place nothing.",
)

# %%
picked = [int(k) for k in few.neurons]
at = errors["counts"].index(max(len(picked), errors["counts"][0]))
least = errors["chosen"][at]
table = Table("The network of a vector field, from its last hidden layer")
table.add("enough neurons, chosen", few.enough_greedy or "not told")
table.add("enough neurons, any draw", few.enough_drawn or "not told")
table.add("theory (2d + 1)", few.theory)
table.add("neurons taken", len(picked))
table.add("input from these", 100 * least[0], "% of spread", at_most=10 if quick else 2)
table.add("output from these", 100 * least[1], "% of spread", at_most=10 if quick else 2)
print(table)

# %% [markdown]
# ## The encoder of a camera: one angle
#
# The autoencoder of camera 1 in [the rotating horse](horse.md) is trained as there. Its inputs are pictures, its
# output is the code in the bottleneck, which the decoder makes a picture of. The few neurons are of the layer before.

# %%
rng = np.random.default_rng(seed)
pictured, steps, n, wobbles, draws = (240, 400, 200, 2, 2) if quick else (720, 1500, 400, 4, 6)
WOBBLE = 0.03  # radians, root mean square
camera = horse.CAMERAS[0]
seen = camera.views(rng.uniform(0, 2 * np.pi, (pictured, 1)))
eye = horse.autoencoder((12, 24, 32, 32), 48, 4, "SiLU", seed=10 * seed)
print(f"pictures are known to {horse.learn(eye, seen, steps, seed, batch=32) / seen.std():.1%} of their spread")


def neurons(pictures: np.ndarray) -> np.ndarray:
    """The 48 neurons of the inner layer, and the 4 of the bottleneck."""
    inside = horse.run(eye.encoder[:-1], pictures)
    return np.hstack([inside, horse.run(eye.encoder[-1:], inside)]).astype(np.float64)


poses = rng.uniform(0, 2 * np.pi, (n, 1))
pictures = camera.views(poses)
around = neurons(camera.views(horse.wobbled(poses, WOBBLE, wobbles, rng).reshape(-1, 1))).reshape(n, wobbles, -1)
spread = horse.spread(neurons(pictures), around)
eyes = st.Probe.from_covariances(neurons(pictures), spread, 1, scale=WOBBLE, inputs=pictures, name="encoder")
few_eyes = st.whitney(eyes.select(range(48)), counts[:5], draws=draws, seed=seed)
print(few_eyes)

# %%
moments = np.linspace(0, 2 * np.pi, 90, endpoint=False)[:, None]
unseen = camera.views(moments)
spoken = neurons(unseen)
code = list(range(48, 52))
errors_eyes = cliff(eyes, few_eyes, spoken, [unseen.reshape(len(unseen), -1), spoken[:, code]], code)
drawn(
    errors_eyes,
    few_eyes,
    ["Input: the picture", "Output: the bottleneck"],
    "The encoder: share of samples that so many neurons do not tell from others, and errors of the picture and of the "
    "bottleneck reconstructed from them (200 % or more: at the top).",
)

# %% [markdown]
# The pictures themselves: what one, two and more neurons say that the camera saw. Where two angles share their
# activations, one of the two is shown, or a mixture.

# %%
shown = np.arange(0, 90, 10)
rows = [("what the\ncamera saw", unseen[shown])]
for k in (1, 2, 3, 4):
    found = st.reconstruct(eyes, [int(each) for each in few_eyes.order[:k]], seed=seed)
    told = found(spoken[:, list(found.neurons)])
    rows.append((f"from {k}", told.inputs.value[shown]))
bottleneck = told.neurons.value[:, [found.others.index(each) for each in code]]
rows.append((f"output,\nfrom {k}", horse.run(eye.decoder, bottleneck[shown])))
strip(
    rows,
    [f"{4 * k}°" for k in shown],
    "Above what the camera saw; then the input reconstructed from one neuron to four, chosen well; below the network's "
    "output (the bottleneck, decoded) from the same four.",
)

# %%
picked = [int(k) for k in few_eyes.neurons]
at = errors_eyes["counts"].index(len(picked))
table_eyes = Table("The encoder of a turning horse, from its inner layer")
table_eyes.add("enough neurons, chosen", few_eyes.enough_greedy or "not told")
table_eyes.add("enough neurons, any draw", few_eyes.enough_drawn or "not told")
table_eyes.add("theory (2d + 1)", few_eyes.theory)
table_eyes.add("picture from 1 neuron", 100 * errors_eyes["chosen"][0, 0], "% of spread")
told_by_few = 100 * errors_eyes["chosen"][at]
table_eyes.add("neurons taken", len(picked))
table_eyes.add("picture from these", told_by_few[0], "% of spread", at_most=40 if quick else 10)
table_eyes.add("bottleneck from these", told_by_few[1], "% of spread", at_most=40 if quick else 5)
print(table_eyes)

# %%
print(f"verdict, field: {few.meaning}")
print(f"verdict, encoder: {few_eyes.meaning}")
