"""Files that appear only once they are whole."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from assertions import raises_one_line
from sametask import _files


def test_a_file_is_written_with_what_the_user_s_mask_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with _files.whole("path", tmp_path / "new" / "a.bin") as file:
            file.write(b"whole")
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"whole"
    assert stat.S_IMODE((tmp_path / "new" / "a.bin").stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a.bin").write_bytes(b"before")
    with pytest.raises(error), _files.whole("path", tmp_path / "a.bin") as file:
        file.write(b"half")
        raise error
    assert (tmp_path / "a.bin").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with raises_one_line("--json", "is a directory"):
        _files.place("--json", tmp_path)
    with raises_one_line("--json", "is a file"):
        _files.place("--json", tmp_path / "file" / "x.json")
    with raises_one_line("path", "None"):
        _files.place("path", None)
    with raises_one_line("path", "cannot write"), _files.whole("path", Path("/proc/nothing/x.json")):
        pass


def test_a_synced_file_is_whole_or_what_it_was(tmp_path: Path, monkeypatch) -> None:
    _files.write_synced(tmp_path / "a.json", b"first")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _files.write_synced(tmp_path / "a.json", b"second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.json", b"first")]


def test_a_lock_is_held_by_one_until_it_ends(tmp_path: Path) -> None:
    first = _files.lock(tmp_path / "lock")
    assert first is not None
    assert _files.lock(tmp_path / "lock") is None
    first.close()
    hold = "import sys; from pathlib import Path; from sametask import _files; kept = _files.lock(Path(sys.argv[1])); "
    command = [sys.executable, "-c", hold + "print('held', flush=True); sys.stdin.read()", str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert _files.lock(tmp_path / "lock") is None
        other.kill()
    second = _files.lock(tmp_path / "lock")  # nobody had to clear it away
    assert second is not None
    second.close()
