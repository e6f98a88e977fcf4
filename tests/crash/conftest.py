"""The desk of the crash tests: entries in slices, so that a crash can also fall between two orders of one entry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bot_process import BotDesk

SLICED = """\
sim:
  instruments:
    SOLUSDT: {tick_size: "0.01", qty_step: "0.1", min_qty: "0.1", max_market_qty: 7}
"""


@pytest.fixture
def make_desk(tmp_path: Path) -> Callable[..., BotDesk]:
    """make_desk(name, bars=..., seed=...): a desk in a folder of its own."""

    def make(name: str, *, bars: int, seed: int, durable: bool = False) -> BotDesk:
        return BotDesk.make(tmp_path / name, bars=bars, seed=seed, early_exit=True, more=SLICED, durable=durable)

    return make
