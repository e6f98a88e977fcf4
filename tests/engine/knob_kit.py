"""How it is proved that a knob changes what it says: a proof by knob, and the bots and markets to prove it on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import FLAT, WALL_MS, D, Row, configure

from tradectl.config.available import refuse_unavailable
from tradectl.config.load import load
from tradectl.domain.candle import INTERVALS_MS
from tradectl.domain.order import Confirmed, OrderFact, OrderRequest, OrderSide, OrderType
from tradectl.sim.embedded import Embedded, open_embedded
from tradectl.sim.ops import PlaceOrder

Proof = Callable[[Path], None]
QUIET: list[Row] = [FLAT] * 8
TWO_TARGETS = [{"distance_r": 1, "fraction": "0.5"}, {"distance_r": 3, "fraction": "0.5"}]
TO_TP1: Row = ("100.5", "102.2", "100.4", "101.8")  # through 1R above the entry of UP, not through 3R
ROOT = Path(__file__).resolve().parents[2]


class Proofs(dict[str, Proof]):
    """The proofs of one file, by knob: `proves("a.knob")` over a function makes it the proof of that knob."""

    def __call__(self, *knobs: str) -> Callable[[Proof], Proof]:
        def keep(proof: Proof) -> Proof:
            self.update(dict.fromkeys(knobs, proof))
            return proof

        return keep

    def tested(self) -> Callable[[str, Path], None]:
        """A test for each knob that has a proof so far; it goes last in its file."""

        @pytest.mark.parametrize("knob", sorted(self))
        def test(knob: str, tmp_path: Path) -> None:
            self[knob](tmp_path)

        return test


def folder(tmp_path: Path, name: object) -> Path:
    made = tmp_path / str(name)
    made.mkdir()
    return made


def market(**knobs: object) -> Embedded:
    """A simulated exchange in memory, with these knobs."""
    return open_embedded(configure({key.replace("__", "."): value for key, value in knobs.items()}), None, wall_ms=wall)


def wall() -> int:
    return WALL_MS


def place(
    exchange: Embedded, side: OrderSide, qty: str, kind: OrderType = OrderType.MARKET, price: Decimal | None = None
) -> OrderFact:
    now = exchange.host.state.server_ms
    symbol = next(iter(exchange.host.state.instruments))
    plain = OrderRequest(f"t{exchange.host.state.next_order}", symbol, side, kind, D(qty), now, now + 5000, price)
    reply = exchange.host.execute(PlaceOrder(plain, now)).reply
    assert isinstance(reply, Confirmed)
    return reply.order


def closes(exchange: Embedded, count: int = 20) -> list[Decimal]:
    symbol = exchange.feed.symbols[0]
    for _ in range(count):
        exchange.step()
    market_ms = exchange.host.state.market_ms
    interval = next(name for name, ms in INTERVALS_MS.items() if ms == exchange.feed.interval_ms)
    return [bar.close for bar in exchange.feed.candles(symbol, interval, count, market_ms)]


def refused_by_this_build(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "asked.toml"
    path.write_text(text + "\n")
    return [fault.what.split(" = ")[0] for fault in refuse_unavailable(load((path,)), "paper")]


def bot_process(tmp_path: Path, config: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "run.toml"
    path.write_text(config + "\n")
    command = [sys.executable, "-m", "tradectl", "run", "--mode", "paper", "--config", str(path)]
    command += ["--state", str(tmp_path / "bot.db"), "--cycles", "2", "--speed", "max"]
    return subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
