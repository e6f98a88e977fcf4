"""Folders that a scenario lives in and that are thrown away: in memory where the system has such a place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHM = Path("/dev/shm")


def scratch_folder(prefix: str) -> Path:
    """A new one; whoever asked for it removes it."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_SHM if _SHM.is_dir() else None))


@contextmanager
def state_folder(folder: Path) -> Iterator[None]:
    """Pointers of the world's bots go into its own folder."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before
