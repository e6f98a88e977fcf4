"""A stamped store on disk, and entries as sizing makes them: what tests of the books need and no more."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.intent import IntentDraft, entry_drafts
from tradectl.domain.lifecycle import Target
from tradectl.domain.order import TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.signal import Admitted, Signal, Sized
from tradectl.store.database import Database
from tradectl.store.identity import Identity

D = Decimal
T = TypeVar("T")
TWO = D(2)
X = "XUSDT"
TAG = "abc123"
INSTRUMENT = Instrument(
    X, "X", "USDT", D("0.1"), D("0.1"), D("0.1"), D(5), D(1000), (Tier(D(10**9), D(50), D("0.01")),)
)


def store(folder: Path, *, at_ms: int = 1_000) -> Database:
    stamp = Identity("main", "sim", "paper", TAG, "USDT", None)
    return Database.create(folder / "store.db", stamp, at_ms, durable=False)


def read(db: Database, what: Callable[..., T], *args: object) -> T:
    with db.read() as conn:
        return what(conn, *args)


def write(db: Database, what: Callable[..., T], *args: object, **more: object) -> T:
    with db.transaction() as conn:
        return what(conn, *args, **more)


def sized(
    side: Side = Side.LONG, qty: Decimal = TWO, *, candle: int = 0, targets: tuple[Target, ...] = (), symbol: str = X
) -> Sized:
    """At 100, its stop 10 away; `candle` tells one signal from another."""
    signal = Signal(symbol, "test", side, D("0.7"), D(100), candle, ("by hand",))
    stop = D(100) - 10 * side.sign
    return Sized(
        Admitted(signal, ()), INSTRUMENT, side, qty, (qty,), D(100), qty * 100, D(5), qty * 20, stop,
        None if targets else D(100) + 20 * side.sign, qty * 10, (), (), targets,
    )  # fmt: skip


def entry(side: Side = Side.LONG, qty: Decimal = TWO, *, candle: int = 0) -> IntentDraft:
    return entry_drafts(sized(side, qty, candle=candle), TriggerBy.LAST)[0]
