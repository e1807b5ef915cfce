"""The report is one whole page that needs nothing else, for every shape a verdict can take."""

from __future__ import annotations

import dataclasses
import functools
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask import report
from sametask._outcome import Finding, Severity
from sametask.report import clouds, figures, markup, pictures, views, wording
from sametask.report.canvas import Picture
from sametask.transformation import Transformation
from sametask.verdict.evidence import Evidence
from sametask.verdict.folds import Folds, find_folds
from sametask.verdict.verdict import Decision, Trial, Verdict
from worlds import WORLDS, RandomNetwork, box, pair

_EVIDENCE = (
    Evidence("difference of spectra", "isometric", 0.01, 0.03, 0.5, 0.3, "of ln λ"),
    Evidence("strain of the match", "isometric", 0.3, 0.002, 1.4, 0.1, "of edge length"),
    Evidence("samples outside the other's support", "isometric", 0.04, 0.001, 1.0, 0.1, "of samples"),
    Evidence("too noisy", "isometric", 0.5, 0.4, 0.6, 0.5),
    Evidence("far below", "isometric", 1e-9, 1e-4, 1e-2, 0.1),
    Evidence("far above", "isometric", 1e6, 1e-4, 1e-2, 0.1),
)
_FINDINGS = (
    Finding("folds", "activations turn back", "add neurons", Severity.DECISIVE, "second"),
    Finding("scale", "lengths differ", "", Severity.WARNING),
    Finding("blocks", "equal eigenvalues", "", Severity.NOTE, "first"),
)


# -- verdicts of every shape -----------------------------------------------------------------------------------------


def _verdict(first: st.Probe, second: st.Probe, **changes) -> Verdict:
    no_folds = tuple(Folds(np.zeros(len(each), bool), np.zeros(len(each), bool)) for each in (first, second))
    return dataclasses.replace(
        Verdict(
            decision=Decision.EQUIVALENT,
            confidence=0.97,
            evidence=_EVIDENCE,
            diagnosis=_FINDINGS,
            transformation=None,
            names=(first.name, second.name),
            charts=None,
            ranks=(st.local_rank(first), st.local_rank(second)),
            folds=(no_folds[0], no_folds[1]),
            match=None,
            samples=(len(first), len(second), 0),
            trial=None,
            renderer=report.write,
        ),
        **changes,
    )


@functools.cache
def _matched(world: str, n: int = 150) -> Verdict:
    """Two networks brought together by six anchors."""
    two = pair(world, n, 5)
    charts = st.chart(two.first), st.chart(two.second)
    found = st.match(*charts, anchors=two.anchors)
    return _verdict(
        two.first,
        two.second,
        charts=charts,
        match=found,
        transformation=Transformation.from_match(found),
        samples=(n, n, len(two.anchors)),
    )


@functools.cache
def _paired(name: str = "rectangle", n: int = 150) -> Verdict:
    """Two networks that saw the same samples."""
    world = box(1.6, 1.3, 1.0) if name == "box" else WORLDS[name]
    x = world.sample(np.random.default_rng(0), n)
    first, second = (
        world.probe(RandomNetwork.draw(world.ambient, 5 + k, k), x, ids=np.arange(n), name=f"net{k}") for k in (1, 2)
    )
    charts = st.chart(first), st.chart(second)
    rows = np.arange(0, n, 5)
    true = second.activations[rows]
    noise = np.random.default_rng(1).normal(scale=0.01, size=true.shape)
    return _verdict(
        first,
        second,
        charts=charts,
        transformation=Transformation.from_pairs(*charts),
        samples=(n, n, n),
        trial=Trial(rows, true + noise, true, np.full(len(rows), 0.02), rows % 3 > 0),
    )


def _one_way() -> Verdict:
    """The second folds, and does not determine the first."""
    base = _paired()
    x = base.charts[0].probe.inputs
    values = np.stack([(x[:, 0] - 0.8) ** 2, x[:, 1], np.sin(2 * x[:, 1])], 1)
    jacobians = np.zeros((len(x), 3, 2))
    jacobians[:, 0, 0], jacobians[:, 1, 1], jacobians[:, 2, 1] = 2 * (x[:, 0] - 0.8), 1, 2 * np.cos(2 * x[:, 1])
    second = st.Probe.from_jacobians(values, jacobians, common_basis=True, inputs=x, name="folding")
    charts = base.charts[0], st.chart(second)
    folds = find_folds(second)
    assert folds.any
    return dataclasses.replace(
        base,
        decision=Decision.FIRST_DETERMINES_SECOND,
        names=(base.names[0], "folding"),
        charts=charts,
        transformation=Transformation.from_pairs(*charts, backward=False),
        folds=(base.folds[0], folds),
        trial=None,
    )


def _backwards() -> Verdict:
    base = _paired()
    trial = base.trial
    true = base.charts[0].probe.activations[trial.rows]
    return dataclasses.replace(
        base,
        decision=Decision.SECOND_DETERMINES_FIRST,
        transformation=Transformation.from_pairs(*base.charts, forward=False),
        trial=dataclasses.replace(trial, predicted=true, true=true, forward=False),
    )


def _without_inputs(verdict: Verdict) -> Verdict:
    charts = tuple(dataclasses.replace(c, probe=dataclasses.replace(c.probe, inputs=None)) for c in verdict.charts)
    return dataclasses.replace(verdict, charts=charts)


def _few() -> Verdict:
    two = pair("rectangle", 30, 5)
    return _verdict(two.first, two.second, decision=Decision.UNDECIDED, evidence=(), diagnosis=())


def _different_dimensions() -> Verdict:
    """Nobody knows who stands where, and the two have different dimensions."""
    plane, line = _matched("rectangle"), _matched("interval")
    return dataclasses.replace(
        plane,
        decision=Decision.UNDECIDED,
        charts=(plane.charts[0], line.charts[1]),
        ranks=(plane.ranks[0], line.ranks[1]),
        match=None,
        transformation=None,
    )


def _folded_match() -> Verdict:
    base = _matched("rectangle")
    folds = Folds(np.arange(150) % 3 == 0, np.zeros(150, bool))
    return dataclasses.replace(base, decision=Decision.UNDECIDED, transformation=None, folds=(folds, folds))


def _spare_anchors() -> Verdict:
    base = _matched("rectangle")
    rows = np.array([0, 3, 5])
    true = base.charts[1].probe.activations[rows]
    return dataclasses.replace(base, trial=Trial(rows, true, true, np.full(3, 0.01), np.zeros(3, bool)))


SHAPES = {
    "matched in one dimension": lambda: _matched("interval"),
    "matched on a circle, no inputs": lambda: _without_inputs(_matched("circle")),
    "matched in two dimensions": lambda: _matched("rectangle"),
    "matched on a sphere": lambda: _matched("sphere"),
    "paired": _paired,
    "paired in three dimensions": lambda: _paired("box", 250),
    "one way": _one_way,
    "the other way, no inputs": lambda: _without_inputs(_backwards()),
    "inequivalent": lambda: dataclasses.replace(
        _matched("interval"), decision=Decision.INEQUIVALENT, transformation=None
    ),
    "too few samples": _few,
    "different dimensions": lambda: _without_inputs(_different_dimensions()),
    "folded, matched": _folded_match,
    "spare anchors": _spare_anchors,
}


# -- reading a page --------------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """A page's elements, and its text."""

    void = frozenset({"meta", "img", "br", "link"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.void and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open[-1:] == [tag]:
            self.open.pop()
        else:
            assert tag in {"circle", "rect", "path"}, (tag, self.open)

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


_DRAWN = frozenset({"matched in one dimension", "matched on a sphere", "one way", "spare anchors"})
"""Shapes whose figures are drawn in full; those of the others are composed, which takes most of what can go wrong."""


def _composed(_: object) -> Picture:
    return Picture("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E", (1, 1))


def _written(verdict: Verdict, folder: Path) -> tuple[str, _Page]:
    path = folder / "deep" / "report.html"
    report.write(verdict, path)
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]
    source = path.read_text(encoding="utf-8")
    return source, _Page(source)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_verdict_becomes_a_whole_self_contained_page(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shape not in _DRAWN:
        monkeypatch.setattr(figures, "drawn", _composed)
        monkeypatch.setattr(clouds, "drawn", _composed)
    verdict = SHAPES[shape]()
    source, page = _written(verdict, tmp_path)

    assert len(source) < 2_000_000
    assert f"{verdict.names[0]} and {verdict.names[1]}: " in page.text
    assert verdict.decision.value.upper() in page.text
    assert verdict.meaning in page.text
    assert all(finding.message[1:] in page.text for finding in verdict.diagnosis)

    # nothing is fetched and nothing runs
    assert page.all("script") == page.all("link") == page.all("iframe") == []
    assert all(link["href"].startswith("https://") for link in page.all("a"))
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert tag == "a" or "href" not in attributes
        assert attributes.get("src", "data:").startswith("data:")
    assert "url(" not in source.split("</style>")[0]
    assert "@import" not in source

    # every picture is a drawing that can be read, with a description
    assert (len(page.all("img")) > 0) == (verdict.charts is not None or bool(verdict.evidence))
    for image in page.all("img"):
        assert len(image["alt"]) > 20
        drawing = ElementTree.fromstring(unquote(image["src"].split(",", 1)[1]))
        assert drawing.tag.endswith("svg")
        assert not drawing.findall(".//{*}script")
        for element in drawing.iter():
            link = element.get("{http://www.w3.org/1999/xlink}href", "#")
            assert link.startswith(("#", "data:image/png;base64,"))
    for drawing in page.all("svg"):
        assert drawing["role"] == "img"
        assert "floor" in drawing["aria-label"]

    # headings are in order
    levels = [int(tag[1]) for tag, _ in page.elements if tag in {"h1", "h2", "h3"}]
    assert levels[0] == 1
    assert levels.count(1) == 1


def test_matches_that_are_as_good_are_shown(tmp_path: Path) -> None:
    two = pair("interval", 150, 6, anchors=0)
    charts = st.chart(two.first), st.chart(two.second)
    found = st.match(*charts)
    verdict = _verdict(
        two.first, two.second, charts=charts, match=found, transformation=Transformation.from_match(found)
    )
    here, mirrored = views.equally_good(verdict)
    first = views.colours(verdict)[0].values[0]
    assert np.array_equal(here, first[found.backward.sample])
    assert np.corrcoef(here, mirrored)[0, 1] < -0.9
    page = _written(verdict, tmp_path)[1]
    assert "2 matches agree equally well with the data: they differ by the reversal of a curve" in page.text
    assert views.equally_good(dataclasses.replace(verdict, transformation=None)) == []


def test_a_comparison_reports_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "drawn", _composed)
    monkeypatch.setattr(clouds, "drawn", _composed)
    rows = np.arange(90)
    verdict = st.compare(*(chart.probe.take(rows) for chart in _paired().charts))
    verdict.report(tmp_path / "report.html")
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Predicted against true activations" in page.text
    assert "arXiv:2007.05646" in page.text
    # the usual measures stand beside the evidence, each with what it cannot see
    assert "Of 90 corresponding samples" in page.text
    assert verdict.measures is not None
    for reading in verdict.measures.readings:
        assert reading.measure.blind in page.text
        assert wording.give_or_take(reading.value, reading.spread) in page.text
    assert "The usual measures" not in _written(_few(), tmp_path)[1].text
    # whatever the figures are called, the report knows how their floors came about
    unknown = wording.ends(Evidence("", "", 1.0, 1.0, 1.0, 0.0))
    assert all(wording.ends(each) != unknown for each in verdict.evidence)
    gap = Evidence("largest gap of one among the other's samples", "", 1.0, 1.0, 1.0, 0.0)  # of matches without anchors
    assert wording.ends(gap) != unknown


def test_the_same_verdict_gives_the_same_bytes_whatever_the_settings(tmp_path: Path) -> None:
    verdict = _spare_anchors()
    pyplot = "matplotlib.pyplot" in sys.modules
    report.write(verdict, tmp_path / "a.html")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "none", "axes.grid": True}):
        before = matplotlib.rcParams.copy()
        report.write(verdict, str(tmp_path / "b.html"))
        assert matplotlib.rcParams.copy() == before
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert ("matplotlib.pyplot" in sys.modules) == pyplot


@pytest.mark.parametrize(
    "names",
    [("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'), ("$\\frac{x$_^", "a\x00b\ud800"), ("深い層", "")],
    ids=["markup", "unprintable", "foreign"],
)
def test_names_are_text_whatever_they_contain(
    names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "drawn", _composed)  # these hold no names
    base = _spare_anchors()
    charts = tuple(
        dataclasses.replace(chart, probe=dataclasses.replace(chart.probe, neurons=(name,) * len(chart.probe.neurons)))
        for chart, name in zip(base.charts, names, strict=True)
    )
    finding = Finding("x", f"about {names[0]}", f"look at {names[1]}", Severity.NOTE)
    verdict = dataclasses.replace(base, names=names, charts=charts, diagnosis=(finding,))
    source, page = _written(verdict, tmp_path)
    assert "<script" not in source
    assert page.all("script") == []
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert f"{wording.printable(names[0])} and {wording.printable(names[1])}: " in page.text


def test_equal_names_are_told_apart() -> None:
    assert wording.names(dataclasses.replace(_few(), names=("net", "net"))) == ("net (first)", "net (second)")
    assert wording.names(dataclasses.replace(_few(), names=("a", "b"))) == ("a", "b")


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_figure_that_fails_leaves_no_file_and_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(figures, "spectra", fail)
    (tmp_path / "report.html").write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError, match="no ink"):
        report.write(_matched("interval"), tmp_path / "report.html")
    with pytest.raises(RuntimeError, match="no ink"):
        report.write(_matched("interval"), tmp_path / "new" / "report.html")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "old"


def test_a_disk_that_fails_leaves_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(Path, "replace", fail)
    with raises_one_line("path", "no room"):
        report.write(_few(), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_error_names_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(st.MissingExtraError, match=r'pip install "sametask\[report\]"'):
        report.write(_few(), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_page(tmp_path: Path) -> None:
    with raises_one_line("path", "directory"):
        report.write(_few(), tmp_path)


# -- what the figures show -------------------------------------------------------------------------------------------


def _choosing(index: tuple[int, ...], chart: st.Chart, **changes: Any) -> st.Chart:
    """The chart with some fields changed, and its independent coordinates given rather than found."""
    changed = dataclasses.replace(chart, **changes)
    changed.__dict__["coordinates_index"] = index
    return changed


def test_the_second_chart_is_turned_to_the_first_within_its_blocks() -> None:
    """Known answer: eigenfunctions of one block rotated, the next one's sign changed."""
    base = _paired()
    levels = np.arange(1.0, 25) ** 2
    levels[:3] = 1, 1.01, 1.02
    first = _choosing((0, 1, 3), base.charts[0], eigenvalues=levels)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    functions = np.concatenate([first.functions[:, :3] @ turn, -first.functions[:, 3:]], axis=1)
    second = _choosing((0, 2), first, functions=functions)
    one, two = views.views(dataclasses.replace(base, charts=(first, second)))
    assert two.aligned
    assert one.labels == two.labels
    np.testing.assert_allclose(two.coordinates, one.coordinates, atol=1e-9)
    np.testing.assert_array_equal(one.coordinates, first.coordinates)


def test_a_chart_that_does_not_resemble_the_first_keeps_its_own_coordinates() -> None:
    base = _paired()
    rng = np.random.default_rng(0)
    scrambled = dataclasses.replace(base.charts[1], functions=rng.permuted(base.charts[1].functions, axis=0))
    one, two = views.views(dataclasses.replace(base, charts=(base.charts[0], scrambled)))
    assert not two.aligned
    own = scrambled.coordinates[:, : two.coordinates.shape[1]]
    np.testing.assert_allclose(np.abs(two.coordinates), np.abs(own))
    assert len(one.rows) == 150


def test_eigenfunctions_on_a_few_stray_samples_are_passed_over() -> None:
    chart = _paired().charts[0]
    functions = chart.functions.copy()
    functions[:, 0] = np.where(np.arange(150) == 7, 12.0, 0.01)
    stray = _choosing((0, 1, 2), chart, functions=functions)
    assert views.participation(stray)[0] < 0.05 < views.participation(stray)[1:6].min()
    shown, _ = views.views(dataclasses.replace(_paired(), charts=(stray, stray)))
    assert shown.passed_over == 1
    assert shown.labels[0].startswith("eigenfunction 2")


def test_both_networks_are_coloured_by_the_inputs_when_those_mean_the_same() -> None:
    verdict = _matched("rectangle")
    colours = views.colours(verdict)
    assert [colour.label.split(" (")[0] for colour in colours] == ["input coordinate 1", "input coordinate 2"]
    for which in (0, 1):
        np.testing.assert_array_equal(colours[1].values[which], verdict.charts[which].probe.inputs[:, 1])


def test_inputs_that_disagree_at_the_anchors_are_no_common_colour() -> None:
    base = _matched("rectangle")
    probe = base.charts[1].probe
    other = dataclasses.replace(base.charts[1], probe=dataclasses.replace(probe, inputs=probe.inputs[:, ::-1]))
    verdict = dataclasses.replace(base, charts=(base.charts[0], other))
    (colour,) = views.colours(verdict)
    leading = base.charts[0].functions[:, 0]
    np.testing.assert_array_equal(colour.values[0], leading)
    np.testing.assert_array_equal(colour.values[1], leading[base.match.backward.sample])


def test_without_correspondence_the_page_says_that_colours_do_not_compare() -> None:
    (colour,) = views.colours(_without_inputs(_different_dimensions()))
    assert "need not mean equal inputs" in colour.note


def test_rows_of_a_trial_are_found_on_the_chart() -> None:
    paired, matched = _paired(), _spare_anchors()
    np.testing.assert_array_equal(views.trial_places(paired, paired.trial), paired.trial.rows)
    np.testing.assert_array_equal(views.trial_places(matched, matched.trial), matched.trial.rows)
    elsewhere = dataclasses.replace(paired.trial, true=paired.trial.true + 1)
    assert (views.trial_places(paired, elsewhere) == -1).all()


def test_error_maps_tell_measured_from_expected_errors() -> None:
    measured, expected = views.error_maps(_paired())
    assert (measured.measured, expected.measured) == (True, False)
    trial = _paired().trial
    errors = np.linalg.norm(trial.predicted - trial.true, axis=1)
    scale = np.sqrt(np.square(trial.true - trial.true.mean(0)).sum(1).mean())
    order = np.argsort(measured.rows)
    np.testing.assert_allclose(measured.errors[order], errors / scale, rtol=0.3)
    np.testing.assert_array_equal(measured.inside[order], trial.inside)
    (only,) = views.error_maps(dataclasses.replace(_backwards(), trial=None))
    assert only.which == 1  # the source of the only way there is


def test_folds_are_shown_on_the_chart_that_is_whole() -> None:
    verdict = _one_way()
    ((whose, where, flags),) = views.fold_views(verdict, views.views(verdict))
    assert (whose, where) == (1, 0)
    assert flags.mean() == verdict.folds[1].share
    matched = _folded_match()
    assert [each[:2] for each in views.fold_views(matched, views.views(matched))] == [(0, 0), (1, 1)]


def test_a_large_sample_is_thinned_to_the_same_rows_each_time() -> None:
    rows = views.sample(100_000)
    assert len(rows) == len(np.unique(rows)) == views.MOST
    np.testing.assert_array_equal(rows, views.sample(100_000))
    assert len(views.sample(10)) == 10


def test_the_shaded_middle_ends_where_the_probability_is_nine_tenths() -> None:
    shown = _EVIDENCE[0]
    for place, probability in zip(wording.undecided(shown), (0.9, 0.1), strict=True):
        value = shown.floor * (shown.null / shown.floor) ** place
        assert dataclasses.replace(shown, value=value).probability == pytest.approx(probability)


@pytest.mark.parametrize("shown", _EVIDENCE, ids=lambda shown: shown.name)
def test_the_small_drawing_says_what_it_shows(shown: Evidence) -> None:
    drawing = markup.bar(shown)
    if not shown.separable:
        assert "too close to tell apart" in drawing
        return
    assert f'class="{wording.leaning(shown)}"' in drawing
    assert f"{shown.position:.2f}" in drawing


def test_a_network_without_charts_says_so_instead_of_drawing() -> None:
    text = "".join(pictures.sections(_few()))
    assert "No chart could be made" in text
    assert "<img" not in text
