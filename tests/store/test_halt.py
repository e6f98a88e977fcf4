"""The halt file halts whatever is in it, and goes only when it is removed."""

from __future__ import annotations

import stat
from pathlib import Path

from tradectl.store import halt


def test_written_once_private_and_removed(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    assert halt.read(store) is None
    assert halt.write(store, "first\n")
    assert not halt.write(store, "second\n")
    assert halt.read(store) == "first"
    assert stat.S_IMODE(Path(halt.halt_path(store)).stat().st_mode) == 0o600
    assert halt.remove(store)
    assert not halt.remove(store)
    assert halt.read(store) is None


def test_empty_or_unreadable_halts_as_well(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    Path(halt.halt_path(store)).touch()
    assert "no reason" in (halt.read(store) or "")
    Path(halt.halt_path(store)).unlink()
    Path(halt.halt_path(store)).mkdir()
    assert "cannot be read" in (halt.read(store) or "")
    Path(halt.halt_path(store)).rmdir()
    Path(halt.halt_path(store)).write_bytes(b"caf\xe9")
    assert halt.read(store) == "caf�"
