"""Recorded activations, and whatever else is at hand, compared without a probe."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import scipy.sparse
from sklearn.linear_model import RidgeCV

import sametask as st
from sametask import cli


def layer(x: np.ndarray, width: int, seed: int) -> np.ndarray:
    """Random features of the inputs."""
    rng = np.random.default_rng(seed)
    return np.tanh(x @ rng.normal(size=(x.shape[1], width)) / np.sqrt(x.shape[1]))


def inputs(n: int, d: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def relative(error: np.ndarray, target: np.ndarray) -> float:
    return float(np.sqrt(np.square(error).sum() / np.square(target - target.mean(axis=0)).sum()))


def test_arrays_whose_rows_correspond() -> None:
    x = inputs(900)
    a, b = layer(x, 32, 1), layer(x, 24, 2)
    v = st.compare(a[:600], b[:600])
    assert v.loss is not None
    assert v.charts is None
    assert v.transformation is not None
    forward = v.transformation.forward(a[600:])
    ridge = RidgeCV(np.logspace(-4, 3, 15)).fit(a[:600], b[:600]).predict(a[600:])
    found = relative(forward.value - b[600:], b[600:])
    assert found <= 1.05 * relative(ridge - b[600:], b[600:])
    assert found == pytest.approx(v.loss[0].value, rel=0.1)
    assert {finding.name for finding in v.diagnosis} >= {"no chart"}
    assert "no chart" in v.to_dict()["diagnosis"][-1].values()


def test_the_same_layer_in_other_coordinates_is_the_same_and_a_lost_neuron_is_not(tmp_path) -> None:
    x = inputs(500)
    a = layer(x, 12, 1)
    turned = a @ np.linalg.qr(np.random.default_rng(3).normal(size=(12, 12)))[0]
    v = st.compare(a, turned)
    assert v.decision is st.Decision.EQUIVALENT
    assert v.loss is not None
    assert v.loss[0].map == "rotation"
    v.report(tmp_path / "page.html")
    assert "not probed" in (tmp_path / "page.html").read_text()
    one_more = np.hstack([a, a.std() * np.random.default_rng(4).normal(size=(500, 1))])
    assert st.compare(a, one_more).determines == ("cannot tell", "yes")


@pytest.mark.parametrize("kind", ["tensor", "bfloat16", "frame", "float16", "memmap", "list", "images"])
def test_whatever_holds_numbers(kind, tmp_path) -> None:
    torch = pytest.importorskip("torch")
    x = inputs(200)
    a = layer(x, 12, 1)
    given = {
        "tensor": lambda: torch.tensor(a, requires_grad=True),
        "bfloat16": lambda: torch.tensor(a).to(torch.bfloat16),
        "float16": lambda: a.astype(np.float16),
        "list": lambda: a.tolist(),
        "images": lambda: a.reshape(200, 3, 2, 2),
    }
    if kind == "frame":
        value = pandas.DataFrame(a, columns=[f"unit {k}" for k in range(12)])
    elif kind == "memmap":
        np.save(tmp_path / "a.npy", a)
        value = np.load(tmp_path / "a.npy", mmap_mode="r")
    else:
        value = given[kind]()
    v = st.compare(value, a)
    assert v.decision is st.Decision.EQUIVALENT
    assert v.names == ("first", "second")


def test_data_frames_correspond_by_their_index() -> None:
    a = layer(inputs(200), 12, 1)
    names = [f"row {k}" for k in range(200)]
    first = pandas.DataFrame(a, index=names, columns=[f"unit {k}" for k in range(12)])
    second = first.iloc[np.random.default_rng(0).permutation(200)[:150]]
    v = st.compare(first, second)
    assert v.samples == (200, 150, 150)
    assert v.decision is st.Decision.EQUIVALENT
    assert v.loss is not None
    assert v.loss[0].map == "identity"


def test_indexes_that_count_rows_of_parts_are_indexes_too() -> None:
    frame = pandas.DataFrame(layer(inputs(200), 6, 1))
    for first, second, common in (
        (frame.iloc[:150], frame.iloc[50:], 100),
        (frame.sample(frac=1, random_state=0), frame, 200),
        (frame[frame[0] > 0], frame, int((frame.to_numpy()[:, 0] > 0).sum())),
        (frame, frame, 200),
    ):
        v = st.compare(first, second)
        assert v.samples[2] == common
        assert v.decision is st.Decision.EQUIVALENT
    nullable = frame.convert_dtypes()
    assert st.compare(nullable, frame).decision is st.Decision.EQUIVALENT


def test_repeated_rows_have_an_uncertainty() -> None:
    rng = np.random.default_rng(0)
    corners = (rng.normal(size=(300, 3)) > 0) * 1.0
    said = corners @ rng.normal(size=(3, 4)) + 0.3 * rng.normal(size=(300, 4))
    v = st.compare(corners, said)
    assert v.transformation is not None
    found = v.transformation.forward(corners)
    true = np.sqrt(np.square(found.value - said).sum(axis=1).mean())
    assert found.uncertainty == pytest.approx(np.full(300, true), rel=0.3)
    assert found.inside.all()


def test_rows_in_a_few_clusters_have_a_map_and_no_claim() -> None:
    rng = np.random.default_rng(3)
    centres = 10 * rng.normal(size=(5, 6))
    one, two = rng.normal(size=(6, 12)), rng.normal(size=(6, 10))

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        z = centres[rng.integers(0, 5, n)] + 0.3 * rng.normal(size=(n, 6))
        return np.tanh(0.1 * z @ one / 2.5), np.maximum(z @ two / 2.5, 0)

    (a, b), (new, true) = drawn(300), drawn(1000)
    v = st.compare(a, b)
    assert v.decision is st.Decision.UNDECIDED
    assert "few groups" in {finding.name for finding in v.diagnosis}
    assert v.transformation is not None
    assert relative(v.transformation.forward(new).value - true, true) < 0.02


def test_a_verdict_is_one_line_in_a_prompt() -> None:
    text = repr(st.compare(A, A))
    assert len(text) < 200
    assert text.startswith("Verdict('first', 'second': The same")


def test_ids_name_the_rows() -> None:
    a = layer(inputs(200), 12, 1)
    order = np.random.default_rng(0).permutation(200)[:120]
    v = st.compare(a, a[order] * 2, ids=(np.arange(200), order))
    assert v.samples == (200, 120, 120)
    assert v.decision is st.Decision.EQUIVALENT


def test_anchors_name_pairs_of_rows() -> None:
    a = layer(inputs(200), 12, 1)
    pairs = np.stack([np.arange(100), np.arange(100) + 50], axis=1)
    v = st.compare(a, a[:, ::-1], anchors=pairs)
    assert v.decision is not st.Decision.EQUIVALENT  # other rows than those that correspond
    assert v.samples == (200, 200, 100)


def test_networks_with_inputs() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5))
    images = inputs(150, 36).reshape(150, 6, 6).astype(np.float32)
    images[7] = images[3]  # rows correspond also where inputs repeat
    v = st.compare(module, module, images, layers=["1"])
    assert v.decision is st.Decision.EQUIVALENT
    assert v.charts is None
    plane = np.random.default_rng(0).uniform(0, 1, (300, 2)).astype(np.float32)
    narrow = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh())
    v = st.compare(narrow, lambda x: np.hstack([x, x**2]), plane)
    assert v.charts is not None
    assert [rank.rank for rank in v.ranks] == [2, 2]


def test_a_network_beside_its_recorded_activations() -> None:
    plane = np.random.default_rng(0).uniform(0, 1, (300, 2))
    network = st.from_callable(lambda x: np.hstack([x, x**2]))
    v = st.compare(st.probe(network, plane, st.CentralDifference()), network(plane))
    assert v.decision is st.Decision.EQUIVALENT
    assert v.names == ("function", "second")


def test_random_networks_are_noticed_without_neighbourhoods() -> None:
    rng = np.random.default_rng(0)
    images = inputs(150, 36)
    v = st.compare(lambda x: layer(x, 8, 1) + rng.normal(size=(len(x), 8)), lambda x: layer(x, 8, 1), images)
    assert "random answers" in {finding.name for finding in v.diagnosis}
    assert v.determines[1] == "cannot tell"


def test_groups_of_a_probe_are_kept(tmp_path) -> None:
    a = np.repeat(layer(inputs(40), 12, 1), 5, axis=0) + 0.3 * layer(inputs(200, seed=5), 12, 2)
    clips = np.repeat([f"clip {k}" for k in range(40)], 5)
    p = st.Probe.from_activations(a, groups=clips)
    p.save(tmp_path / "p.zarr")
    stored = st.StoredProbe.open(tmp_path / "p.zarr")
    for each in (p, stored, stored.take(np.arange(200))):
        v = st.compare(each, a)
        assert v.loss is not None
        assert v.loss[0].groups == 40
    assert repr(stored) == "StoredProbe('network': 200 samples, 12 neurons, recorded)"


@pytest.mark.parametrize("pairs", [3, 5, 19, 40])
def test_few_rows_have_a_map_and_no_claim(pairs) -> None:
    a = layer(inputs(pairs), 4, 1)
    v = st.compare(a, layer(inputs(pairs), 6, 2))
    assert v.decision is st.Decision.UNDECIDED
    assert v.transformation is not None
    assert np.isfinite(v.transformation.forward(a).value).all()


A = np.random.default_rng(0).normal(size=(80, 4))


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (A, A[:70], {}, "second: 70 rows, but first has 80"),
        (A, A, {"tolerance": None}, "tolerance: None asks the exact question"),
        (A, A, {"anchors": None}, "anchors: 0 rows that correspond"),
        (A[:2], A[:2], {}, "anchors: 2 rows that correspond"),
        (A, np.where(np.arange(80)[:, None] == 5, np.nan, A), {}, "second: NaN or infinite values in 1 of 80 rows (5)"),
        (A, np.zeros((80, 4)), {}, "every neuron is constant"),
        (A, A[:, 0], {}, "reshape a single column"),
        (A, np.ma.masked_greater(A, 2), {}, "masked values in"),
        (A, np.array([["a"] * 4] * 80), {}, "give real numbers"),
        (A, np.zeros((0, 4)), {}, "second: shape (0, 4)"),
        (A, A * 1e200, {}, "whose squares"),
        (A, "a.csv", {}, "second: 'a.csv'; give a .npy file"),
        (A, scipy.sparse.csr_array(A), {}, "second: a sparse matrix"),
        (A, pandas.DataFrame({"a": range(80), "name": ["x"] * 80}), {}, "second: column 'name' holds"),
        (A, A, {"layers": ["fc"]}, "layers: only of torch modules"),
        (A, A, {"ids": np.arange(70)}, "ids: 70 of them for 80 samples"),
        (A, A, {"ids": np.zeros(80, int)}, "every sample needs an id of its own"),
        (A, A, {"groups": np.arange(70)}, "for 80 samples"),
        (A, None, {}, "second: None; give activations"),
        (A, 5, {}, "second: int; give activations"),
        (A, "nowhere.npy", {}, "second: cannot read nowhere.npy (No such file"),
        (A, {"a": 1}, {}, "second: dict; give activations"),
        (A, lambda x: x, {}, "second: a network (function); give inputs= as well"),
    ],
)
def test_one_line_for_what_does_not_fit(first, second, options, message) -> None:
    with pytest.raises(st.InputError) as caught:
        st.compare(first, second, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ask", [st.chart, st.local_rank, st.whitney, lambda p: st.reconstruct(p, [0])])
def test_what_needs_neighbourhoods_says_so(ask) -> None:
    with pytest.raises(st.InputError, match="activations alone"):
        ask(st.Probe.from_activations(A))


def test_the_command_line_takes_files_of_activations(tmp_path, capsys) -> None:
    np.save(tmp_path / "a.npy", A)
    np.save(tmp_path / "b.npy", A[:, ::-1] + 1)
    paths = [str(tmp_path / name) for name in ("a.npy", "b.npy", "t.npz")]
    assert cli.main(["compare", *paths[:2], "--transformation", paths[2]]) == 0
    assert "EQUIVALENT" in capsys.readouterr().out
    assert cli.main(["translate", paths[2], paths[0], "-o", str(tmp_path / "c.npy")]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), A[:, ::-1] + 1, atol=1e-6)
    assert cli.main(["compare", *paths[:2], "--inputs", paths[0]]) == 2
    assert cli.main(["compare", paths[0], str(tmp_path / "none.npy")]) == 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 3),
        (("--require", "first-determines-second"), 3),
        (("--require", "second-determines-first"), 0),
        (("--allow-undecided",), 0),
        (("--require", "first-determines-second", "--allow-undecided"), 0),
        (("--require", "nothing"), 2),
    ],
)
def test_the_gate_asks_for_what_is_required(options, code, tmp_path, capsys) -> None:
    """The first lacks a neuron that the second has."""
    np.save(tmp_path / "a.npy", A[:, :3])
    np.save(tmp_path / "b.npy", A)
    try:
        got = cli.main(["compare", str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), *options])
    except SystemExit as stop:
        got = stop.code
    assert got == code


def test_a_direction_that_is_ruled_out_fails_the_gate(tmp_path, capsys) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (400, 1))
    line, folded = (st.from_callable(f) for f in (lambda x: np.hstack([x, x**2, x**3]), lambda x: np.cos(2 * x)))
    for name, network in (("a", line), ("b", folded)):
        st.probe(network, x, st.CentralDifference()).save(tmp_path / name)
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert cli.main(["compare", *paths, "--require", "first-determines-second"]) == 0
    assert cli.main(["compare", *paths, "--require", "second-determines-first", "--allow-undecided"]) == 1
    assert cli.main(["compare", *paths, "--allow-undecided"]) == 1
