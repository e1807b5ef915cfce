"""Scripts that are read as notebooks: cells run one after another, and what they print and draw becomes a page.

A script is divided into cells by lines ``# %%``, as editors and jupytext know them: ``# %% [markdown]`` begins prose
in comments, ``# %% tags=["parameters"]`` the cell whose values a caller may replace. It also runs as it is, with
``python script.py``; figures given to :func:`show` are then written beside where it was called.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sametask import _check, _files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DIVIDER = re.compile(r"# %%(?P<about>.*)")
_PIXELS = 150
"""Per inch: twice what a figure is shown at, so that it is sharp on any screen."""


@dataclass(frozen=True)
class Cell:
    """A piece of a script.

    Attributes:
        kind: ``"markdown"``, ``"parameters"`` or ``"code"``.
        text: prose without its comment signs, or code.
        line: of the script, at which it begins.
    """

    kind: str
    text: str
    line: int


@dataclass
class Output:
    """What a cell printed and drew: strings, and (PNG, caption)."""

    pieces: list[str | tuple[bytes, str]] = field(default_factory=list)

    def print(self, text: str) -> None:
        """Add to what was printed last."""
        if self.pieces and isinstance(self.pieces[-1], str):
            self.pieces[-1] += text
        else:
            self.pieces.append(text)


@dataclass
class Table:
    """Figures that an experiment ends in, each beside what was asked of it.

    Example:
        >>> table = Table("Horse")
        >>> table.add("angle error, median", 0.25, "°", at_most=1)
        >>> table.add("anchors", 3)
        >>> print(table)
        Horse
          angle error, median  0.25 °  asked: ≤ 1 °, met
          anchors              3
        >>> table.missed
        []
    """

    title: str
    rows: list[tuple[str, float | str, str, float | int | None, float | int | None]] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: float | int | str,
        unit: str = "",
        *,
        at_most: float | int | None = None,
        at_least: float | int | None = None,
    ) -> None:
        """One figure, and the least or largest that was asked for, if anything was."""
        self.rows.append((name, value if isinstance(value, str) else float(value), unit, at_most, at_least))

    @property
    def missed(self) -> list[str]:
        """Names of figures that are not what was asked for."""
        return [row[0] for row in self.rows if not _met(row[1], *row[3:])]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        keys = ("name", "value", "unit", "at_most", "at_least")
        return {"title": self.title, "figures": [dict(zip(keys, row, strict=True)) for row in self.rows]}

    def __str__(self) -> str:
        cells = [(name, _shown(value, unit), _asked(value, unit, *asked)) for name, value, unit, *asked in self.rows]
        widths = [max((len(row[k]) for row in cells), default=0) for k in (0, 1)]
        lines = [f"  {name:{widths[0]}}  {value:{widths[1]}}  {asked}".rstrip() for name, value, asked in cells]
        return "\n".join([self.title, *lines])


@dataclass(frozen=True)
class Ran:
    """A script that was run.

    Attributes:
        name: of the script.
        cells: its cells, each with what it printed and drew.
        tables: the tables that it made, in the order of their names in the script.
        seconds: that it took.
        error: the traceback of the cell that it stopped in; empty where it ran to its end.
    """

    name: str
    cells: list[tuple[Cell, Output]]
    tables: list[Table]
    seconds: float
    error: str = ""

    @property
    def missed(self) -> list[str]:
        """Names of figures that are not what was asked for."""
        return [name for table in self.tables for name in table.missed]


_recording: ContextVar[Output | None] = ContextVar("recording", default=None)


def show(figure: Figure, caption: str) -> None:
    """Put a figure into the page, with what is to be seen on it in words."""
    output = _recording.get()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_PIXELS, facecolor="white", metadata={"Software": None})
    if output is not None:
        output.pieces.append((file.getvalue(), caption))
        return
    k = 1
    while (path := Path(f"figure-{k}.png")).exists():
        k += 1
    path.write_bytes(file.getvalue())
    print(f"{path}: {caption}")


def cells(source: str) -> list[Cell]:
    """Divide a script into cells; what stands before the first divider is no part of the page.

    Example:
        >>> [cell.kind for cell in cells("'''About.'''\\n# %% [markdown]\\n# # Title\\n# %%\\nprint(1)\\n")]
        ['markdown', 'code']
    """
    found: list[Cell] = []
    kind, start, lines = "", 0, []
    for number, line in enumerate([*source.splitlines(), "# %%"], start=1):
        divider = _DIVIDER.fullmatch(line)
        if divider is None:
            lines.append(line)
            continue
        text = "\n".join(lines).strip("\n")
        if kind and text:
            prose = "\n".join(re.sub(r"^# ?", "", each) for each in text.splitlines())
            found.append(Cell(kind, prose if kind == "markdown" else text, start))
        about = divider["about"]
        kind = "markdown" if "[markdown]" in about else "parameters" if '"parameters"' in about else "code"
        start, lines = number + 1, []
    return found


def run(path: Path, *, echo: Any = None, **parameters: Any) -> Ran:
    """Run a script cell by cell, as far as it goes: an error ends up in its page, after all that was done before.

    Args:
        path: of the script.
        echo: a stream of text that what it prints goes to as well, or None.
        parameters: in place of those that its parameters cell sets.

    Raises:
        InputError: the script has no such parameter.
    """
    source = path.read_text(encoding="utf-8")
    own = [
        line.partition(" = ")[0]
        for cell in cells(source)
        if cell.kind == "parameters"
        for line in cell.text.split("\n")
    ]
    for name in parameters:
        _check.one_of("parameters", name, own)
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    done: list[tuple[Cell, Output]] = []
    error = ""
    start = time.perf_counter()
    for cell in cells(source):
        output = Output()
        done.append((cell, output))
        if cell.kind == "markdown":
            continue
        with _recorded(output, echo):
            try:
                # blank lines before it, so that errors name the line of the script
                exec(compile("\n" * (cell.line - 1) + cell.text, str(path), "exec"), namespace)
            except Exception as caught:  # a script may fail anywhere, and what it did before is not lost
                own_frames = caught.__traceback__.tb_next if caught.__traceback__ else None
                error = "".join(traceback.format_exception(caught.with_traceback(own_frames)))
                print(error)
                break
        if cell.kind == "parameters":
            namespace |= parameters
    tables = list({id(value): value for value in namespace.values() if isinstance(value, Table)}.values())
    return Ran(path.stem, done, tables, time.perf_counter() - start, error)


@contextlib.contextmanager
def _recorded(output: Output, echo: Any) -> Iterator[None]:
    class Both(io.TextIOBase):
        def write(self, text: str, /) -> int:
            output.print(text)
            if echo is not None:
                echo.write(text)
                echo.flush()
            return len(text)

    token = _recording.set(output)
    try:
        with contextlib.redirect_stdout(Both()):
            yield
    finally:
        _recording.reset(token)


def write(ran: Ran, directory: Path, note: str) -> Path:
    """Write the page, ``NAME.md``, and its figures, ``NAME/1.png`` and on, into a directory; give the page.

    Args:
        ran: what was run.
        directory: made if it does not exist.
        note: a last line: by which command, how long.
    """
    pictures = directory / ran.name
    pictures.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    number = 0
    for cell, output in ran.cells:
        lines.append(cell.text + "\n" if cell.kind == "markdown" else f"```python\n{cell.text}\n```\n")
        for piece in output.pieces:
            if isinstance(piece, str):
                if piece.strip():
                    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", piece)), default=0))
                    lines.append(f"{fence}text\n{piece.rstrip()}\n{fence}\n")
                continue
            number += 1
            png, caption = piece
            name = f"{ran.name}/{number}.png"
            with _files.whole("--output", directory / name) as file:
                file.write(png)
            lines.append(f"![{caption.translate(_PLAIN)}]({name})\n\n*{caption}*\n")
    page = directory / f"{ran.name}.md"
    with _files.whole("--output", page) as file:
        file.write("\n".join([*lines, "---\n", note + "\n"]).encode(errors="backslashreplace"))
    for old in pictures.glob("*.png"):  # of a longer page that stood here
        if old.stem.isdecimal() and int(old.stem) > number:
            old.unlink()
    return page


_PLAIN = {ord("["): "(", ord("]"): ")", ord("*"): None}


def _shown(value: float | int | str, unit: str) -> str:
    number = value if isinstance(value, str) else f"{value:.3g}"
    return f"{number} {unit}".strip()


def _met(value: float | str, at_most: float | int | None, at_least: float | int | None) -> bool:
    if isinstance(value, str):
        return True
    return (at_most is None or value <= at_most) and (at_least is None or value >= at_least)


def _asked(value: float | str, unit: str, at_most: float | int | None, at_least: float | int | None) -> str:
    bounds = [f"{sign} {_shown(x, unit)}" for sign, x in (("≤", at_most), ("≥", at_least)) if x is not None]
    if not bounds:
        return ""
    return f"asked: {' and '.join(bounds)}, {'met' if _met(value, at_most, at_least) else 'MISSED'}"
