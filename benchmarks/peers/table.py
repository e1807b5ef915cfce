"""The table, and who is better than sametask in what."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from contenders import CHART, CONTENDERS, MAP, Contender

KINDS = {CHART: ("eigenvalues", "functions", "networks"), MAP: ("error",)}
TITLES = {CHART: "Charts of two networks at the same inputs", MAP: "Maps from one network to the other"}


@dataclass
class Line:
    """What came of a contender.

    Attributes:
        contender: which.
        errors: by world and kind.
        about: by world: seconds, peak memory and that after imports, version, or the reason why there is nothing.
    """

    contender: Contender
    errors: dict[tuple[str, str], float] = field(default_factory=dict)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether it is given one number of pairs only."""
        return sum((each.name, each.part) == (self.contender.name, self.contender.part) for each in CONTENDERS) == 1

    @property
    def name(self) -> str:
        """With the number of pairs where there are several, and whether it is not the peer itself."""
        by_hand = any(about.get("version", "").startswith("as in ") for about in self.about.values())
        name = "as in " * by_hand + self.contender.name
        return name if self.alone else f"{name}, {self.contender.pairs}"

    def ran(self, world: str) -> bool:
        """Whether there is anything to show."""
        return "reason" not in self.about[world]

    def told(self, name: str, worlds: Iterable[str] | None = None) -> float | None:
        """Seconds (their mean) or memory (the most) on these worlds, or on all, as far as it did them."""
        found = [self.about[world][name] for world in worlds or self.about if self.ran(world)]
        return float(np.mean(found) if name == "seconds" else max(found)) if found else None

    def reasons(self, worlds: list[str]) -> list[str]:
        """Why there is nothing of some worlds."""
        told: dict[str, list[str]] = {}
        for world in worlds:
            if not self.ran(world):
                told.setdefault(self.about[world]["reason"], []).append(world)
        return [reason if names == worlds else f"{', '.join(names)}: {reason}" for reason, names in told.items()]


def table(lines: list[Line], part: str, worlds: tuple[str, ...]) -> str:
    """Charts have a block for each world, with a column for each error; maps one block with a column for each world."""
    lines = [line for line in lines if line.contender.part == part]
    if part == CHART:
        blocks = [
            (f"{TITLES[part]}: {world}", [(world, kind) for kind in KINDS[part]], KINDS[part]) for world in worlds
        ]
    else:
        blocks = [(TITLES[part], [(world, "error") for world in worlds], worlds)]
    return "\n\n".join(_block(title, lines, columns, heads) for title, columns, heads in blocks)


def _block(title: str, lines: list[Line], columns: list[tuple[str, str]], heads: tuple[str, ...]) -> str:
    worlds = list(dict.fromkeys(world for world, _ in columns))
    ours = lines[0]
    text = [
        title,
        f"{'':33}{'pairs':>5}{'metric':>7}{'own':>4} │"
        + "".join(f"{f'{head} ×':>17}" for head in heads)
        + f" │{'seconds ×':>14} {'MB ×':>10} {'imports':>7}",
    ]
    for line in lines:
        contender = line.contender
        own = contender.part != CHART and contender.pairs != "all"
        start = f"{line.name:33}{contender.pairs:>5}{_yes(contender.metric):>7}{_yes(own):>4} │"
        if not (ran := [world for world in worlds if line.ran(world)]):
            text.append(f"{start} nothing: {'; '.join(line.reasons(worlds))}")
            continue
        start += "".join(f"{_beside(line.errors.get(each), ours.errors.get(each), _share):>17}" for each in columns)
        seconds, peak = ((line.told(name, ran), ours.told(name, ran)) for name in ("seconds", "peak"))
        imports = f"{line.told('imports', ran):7.0f}"
        text.append(f"{start} │{_beside(*seconds, _digits):>14} {_beside(*peak, _whole):>10} {imports}")
        text += [f"  left out: {reason}" for reason in line.reasons(worlds)]
    return "\n".join(text)


def versions(lines: list[Line]) -> str:
    """What took part."""
    told = {about["version"]: None for line in lines for about in line.about.values() if "version" in about}
    return "Versions: " + "; ".join(told)


def wins(lines: list[Line]) -> str:
    """In which figures a peer is better than sametask, from the figures."""
    text = ["Where a peer is better than sametask (the first line of each block):"]
    for part, kinds in KINDS.items():
        ours, *others = [line for line in lines if line.contender.part == part]
        peers = [line for line in others if not line.contender.ours]
        for world in ours.about:
            for kind in kinds:
                rows = [(line, line.errors.get((world, kind))) for line in peers]
                text += _better(f"{part}, {world}, {kind}", ours.errors.get((world, kind)), rows, _share)
        if part == MAP:
            text += _no_more(ours, peers)
        for name, shown in (("seconds", _digits), ("peak", _whole)):
            rows = [(line, line.told(name)) for line in peers]
            what = "seconds" if name == "seconds" else "peak memory in MB"
            text += _better(f"{part}, {what}", ours.told(name), rows, shown)
    return "\n".join(text)


def _no_more(ours: Line, peers: list[Line]) -> list[str]:
    """Which comes nearest of those that are given no more pairs than sametask."""
    text = []
    for (world, kind), error in ours.errors.items():
        rows = [(each.errors[world, kind], each) for each in peers if each.contender.pairs != "all" and each.ran(world)]
        if rows:
            off, nearest = min(rows, key=lambda each: each[0])
            told = (
                f"the best of {len(rows)} peers given six pairs is {nearest.name}, {_share(off)}, {_ratio(off / error)}"
            )
            text.append(f"  map, {world}: {told}")
    return text


def _better(
    what: str, ours: float | None, rows: list[tuple[Line, float | None]], shown: Callable[[float], str]
) -> list[str]:
    """A sentence, wrapped."""
    if ours is None:
        return [f"  {what}: sametask has none"]
    known = [(line, value) for line, value in rows if value is not None]
    better = sorted(((line, value) for line, value in known if value < ours), key=lambda each: each[1])
    if not better:
        return [f"  {what}: none of {len(known)} (sametask {shown(ours)})"]
    told = "; ".join(
        f"{line.name}{' (all pairs)' if line.alone and line.contender.pairs == 'all' else ''} "
        f"{shown(value)}, {_ratio(value / ours)}"
        for line, value in better
    )
    sentence = f"{what}: {len(better)} of {len(known)} (sametask {shown(ours)}): {told}"
    return textwrap.wrap(sentence, 116, initial_indent="  ", subsequent_indent="      ")


def _beside(value: float | None, ours: float | None, shown: Callable[[float], str]) -> str:
    if value is None:
        return "–"
    return f"{shown(value)} {_ratio(value / ours) if ours else '–':>6}"


def _yes(does: bool) -> str:
    return "yes" if does else "no"


def _ratio(ratio: float) -> str:
    return f"{ratio:.2g}×" if ratio < 10 else f"{ratio:.0f}×"


def _share(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 1 else f"{100 * share:.0f}%"


def _digits(number: float) -> str:
    return f"{number:.2g}" if number < 10 else f"{number:.0f}"


def _whole(number: float) -> str:
    return f"{number:.0f}"
