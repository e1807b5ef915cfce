"""Questions about one network: how many neurons are enough, and what follows from a few."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask.neurons.reconstruction import Reconstruction, reconstruct_from
from sametask.neurons.whitney import Whitney, count_neurons
from sametask.probes import Probe, StoredProbe
from sametask.probes.probe import check_neighbourhoods
from sametask.probes.units import input_units as taken_units
from sametask.probes.units import rescaled
from sametask.report import reconstruction_page, whitney_page


def whitney(
    probe: Probe | StoredProbe,
    counts: Sequence[int] | None = None,
    draws: int = 8,
    *,
    input_units: Any = None,
    seed: int = 0,
) -> Whitney:
    """How many neurons are enough to determine the input and all other neurons?

    By Whitney's theorem 2d + 1 generic ones embed a manifold of d dimensions; fewer may. For random draws, and for a
    greedy choice, the error of all other neurons predicted from them is told, and the share of samples at which they
    fold: where they do not tell two places apart that all neurons together do. The error falls off a cliff where folds
    vanish.

    Args:
        probe: the network; all its neurons together are the reference. Of more than 2,000 samples that many are used,
            of a stored probe what 2 GiB hold.
        counts: numbers of neurons to try; None for 1 … 2d + 3.
        draws: random draws of each number.
        input_units: of lengths along each input coordinate; as for :func:`compare`.
        seed: of the draws.

    Returns:
        Errors and folds against the number of neurons, the least numbers that are enough, and the neurons picked.

    Raises:
        InputError: not a probe, too few neurons that vary, counts out of range, or units that are not positive, one for
            each input coordinate.

    Source: H. Whitney, Differentiable manifolds (1936); T. Sauer, J. A. Yorke & M. Casdagli, Embedology (1991).

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).uniform(0, 2 * np.pi, (300, 1))
        >>> waves = st.from_callable(lambda x: np.hstack([np.sin(x + k) + k * np.cos(2 * x) / 9 for k in range(6)]))
        >>> found = st.whitney(st.probe(waves, x, st.CentralDifference(1e-4)))
        >>> found.enough_greedy
        2
    """
    seed = _check.count("seed", seed, least=0)
    probe = _probe(probe, seed)
    if counts is not None:
        expected = "a list of numbers of neurons, as [1, 2, 3]"
        listed = _check.as_array("counts", counts, expected)
        if listed.ndim != 1 or listed.dtype.kind not in "iu" or len(listed) == 0 or listed.min() < 1:
            raise InputError(f"counts: {_check.shown(counts)}; give {expected}")
        counts = sorted({int(each) for each in listed})
    draws = _check.count("draws", draws)
    units = taken_units([probe], input_units)
    found = count_neurons(rescaled(probe, units), counts, draws, seed, whitney_page.write)
    return dataclasses.replace(found, input_units=units)


def reconstruct(
    probe: Probe | StoredProbe,
    neurons: int | Sequence[int] | Sequence[str],
    *,
    input_units: Any = None,
    seed: int = 0,
) -> Reconstruction:
    """Inputs and all other neurons from a few.

    The few place a sample on the manifold of inputs; there all else is known, and is interpolated between the samples
    around. How well that works is tried on samples that are left out.

    Args:
        probe: the network; all its neurons together are the reference. Of a stored probe what 2 GiB hold is used.
        neurons: the few: indices or names; or how many, for the greedy choice of :func:`whitney`.
        input_units: of lengths along each input coordinate; as for :func:`compare`.
        seed: of the samples left out.

    Returns:
        The map, to be called with activations of the few, and how good it is.

    Raises:
        InputError: not a probe; neurons that do not exist, repeat, do not vary, or are fewer than dimensions; nothing
            is left to reconstruct; units that are not positive, one for each input coordinate.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).uniform(0, 1, (300, 1))
        >>> net = st.from_callable(lambda x: np.hstack([np.exp(x), np.sin(5 * x), np.cos(3 * x)]))
        >>> found = st.reconstruct(st.probe(net, x, st.CentralDifference(1e-4)), [0])
        >>> found(np.exp([[0.5]])).inputs.value.round(4)
        array([[0.5]])
    """
    seed = _check.count("seed", seed, least=0)
    probe = _probe(probe, seed)
    few, units = _few(probe, neurons), taken_units([probe], input_units)
    found = reconstruct_from(rescaled(probe, units), few, seed, reconstruction_page.write)
    return dataclasses.replace(found, input_units=units)


def _few(probe: Probe, neurons: object) -> int | list[int]:
    """A count, or indices of different neurons."""
    m = len(probe.neurons)
    expected = f"a count, indices from 0 to {m - 1}, or names, each once"
    if isinstance(neurons, int | np.integer) and not isinstance(neurons, bool):
        return _check.count("neurons", neurons)
    given = _check.as_array("neurons", neurons, expected)
    if given.ndim == 1 and given.dtype.kind == "U":
        for each in given:
            if (count := probe.neurons.count(str(each))) > 1:
                raise InputError(f"neurons: {_check.shown(str(each))} is the name of {count} neurons; give indices")
        given = np.array([probe.neurons.index(_check.one_of("neurons", str(each), probe.neurons)) for each in given])
    if given.ndim != 1 or len(given) == 0 or given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= m:
        raise InputError(f"neurons: {_check.shown(neurons)}; give {expected}")
    if len(np.unique(given)) != len(given):
        raise InputError(f"neurons: {_check.shown(neurons)} names one twice; give {expected}")
    return [int(each) for each in given]


def _probe(probe: object, seed: int) -> Probe:
    """A probe in memory, or as much of a stored one as memory should hold."""
    if not isinstance(probe, Probe | StoredProbe):
        raise InputError(f"probe: {type(probe).__name__}; give an st.Probe, from st.probe or Probe.from_…")
    check_neighbourhoods(probe, "the number of neurons that are enough")
    if isinstance(probe, StoredProbe):
        return probe.sample(len(probe), seed=seed)[0]
    return probe
