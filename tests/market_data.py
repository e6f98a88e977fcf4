"""Where the real candles lie, when they do: TRADECTL_DATA, or ../shared/data beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def candle_folder() -> Path:
    """The folder of candle files; skips the test, with the reason, where there is none."""
    root = Path(__file__).resolve().parents[1]
    data = Path(os.environ.get("TRADECTL_DATA", root.parent / "shared" / "data"))
    folder = data / "candles"
    if not folder.is_dir():
        pytest.skip(f"no market data at {folder} (set TRADECTL_DATA)")
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    return folder
