"""Scripts that are read as notebooks: what is run, what becomes of it, and what is refused."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from assertions import raises_one_line
from sametask.experiments.notebook import Table, cells, run, write
from sametask.experiments.reproduce import EXPERIMENTS, script

SCRIPT = '''"""About."""

# %% [markdown]
# # Title
#
# Some *prose*.

# %%
from matplotlib.figure import Figure
from sametask.experiments.notebook import Table, show

# %% tags=["parameters"]
quick = False
seed = 0

# %%
print("before", seed)
figure = Figure()
figure.subplots().plot([0, seed])
show(figure, "A line from [0] to *seed*.")
print("after")
table = Table("Figures")
table.add("seed", seed, at_most=2)
'''


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "small.py"
    made.write_text(SCRIPT)
    return made


def test_a_script_is_divided_into_cells():
    kinds = [cell.kind for cell in cells(SCRIPT)]
    assert kinds == ["markdown", "code", "parameters", "code"]
    assert cells(SCRIPT)[0].text == "# Title\n\nSome *prose*."
    lines = SCRIPT.splitlines()
    for cell in cells(SCRIPT)[1:]:
        assert lines[cell.line - 1] == cell.text.splitlines()[0]


def test_what_is_printed_and_drawn_stands_in_its_order(path):
    echo = io.StringIO()
    ran = run(path, echo=echo, seed=1)
    pieces = ran.cells[-1][1].pieces
    assert [type(piece) for piece in pieces] == [str, tuple, str]
    assert pieces[0] == "before 1\n"
    assert pieces[1][0].startswith(b"\x89PNG")
    assert echo.getvalue() == "before 1\nafter\n"


def test_parameters_replace_those_of_the_script(path):
    assert run(path).cells[-1][1].pieces[0] == "before 0\n"
    assert run(path, seed=2).missed == []
    assert run(path, seed=3).missed == ["seed"]


def test_a_parameter_that_the_script_does_not_have_is_refused(path):
    for name in ("speed", "Figure"):
        with raises_one_line("parameters", name):
            run(path, **{name: 1})


def test_the_page_holds_prose_code_output_and_figures(path, tmp_path):
    place = tmp_path / "out"
    page = write(run(path), place, "Executed.")
    text = page.read_text()
    assert page == place / "small.md"
    for piece in ("# Title", "```python\nquick = False", "```text\nbefore 0\n```", "(small/1.png)", "Executed."):
        assert piece in text
    assert "[A line from (0) to seed.](small/1.png)" in text  # what Markdown would take for its own
    assert (place / "small" / "1.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_written_again_leaves_no_figure_of_the_first(path, tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "7.png").write_bytes(b"")
    for own in ("own.png", "1-own.png"):
        (tmp_path / "small" / own).write_bytes(b"")
    write(run(path), tmp_path, "")
    assert sorted(each.name for each in (tmp_path / "small").iterdir()) == ["1-own.png", "1.png", "own.png"]


def test_an_error_ends_the_page_and_names_the_line_of_the_script(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text('"""About."""\n# %%\nprint("one")\n# %%\ny = 2\nz = 1 / 0\n# %%\nprint("three")\n')
    ran = run(path)
    assert 'broken.py", line 6' in ran.error
    assert "notebook.py" not in ran.error
    text = write(ran, tmp_path, "").read_text()
    assert "```text\none\n```" in text
    assert "ZeroDivisionError: division by zero" in text
    assert "three" not in text


def test_whatever_is_printed_leaves_the_page_whole(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text('"""About."""\n# %%\nprint("a ``` fence", "\\ud800")\n# %%\nx = (\n')
    ran = run(path)
    assert "SyntaxError" in ran.error
    text = write(ran, tmp_path, "").read_text()
    assert "````text\na ``` fence" in text


def test_a_script_also_runs_as_it_is(path):
    done = subprocess.run([sys.executable, path.name], cwd=path.parent, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "before 0"
    assert (path.parent / "figure-1.png").exists()


def test_figures_that_are_no_numbers_miss_what_was_asked():
    table = Table("Errors")
    table.add("error", float("nan"), at_most=1)
    table.add("share", 0.5, at_least=0.9)
    table.add("verdict", "equivalent")
    assert table.missed == ["error", "share"]
    assert str(table).count("MISSED") == 2


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_script_with_prose_and_parameters(name):
    source = script(name).read_text()
    found = cells(source)
    assert found[0].kind == "markdown"
    assert found[0].text.startswith("# ")
    parameters = next(cell.text for cell in found if cell.kind == "parameters")
    assert parameters == "quick = False\nseed = 0"
    compile(source, name, "exec")


def test_another_experiment_is_refused():
    with raises_one_line("experiment", "scalr"):
        script("scalr")
