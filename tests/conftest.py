"""Every test runs apart from the operator's own files and environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Shared, slow machines: what counts is the answer, not the milliseconds of one example.
settings.register_profile("tradectl", deadline=None)
settings.load_profile("tradectl")


@pytest.fixture(autouse=True)
def apart(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No pointer, crash log or store of the operator is seen or written; returns the state folder used instead."""
    folder = tmp_path_factory.mktemp("xdg")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    for name in ("TRADECTL_CONFIG", "TRADECTL_STATE", "NO_COLOR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return folder
