"""What the store's tests share: a stamped store, drafts, and a second process that holds a lock on request."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.intent import IntentDraft, entry_drafts
from tradectl.domain.order import TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.signal import Admitted, Signal, Sized
from tradectl.store.database import Database
from tradectl.store.identity import Identity

OURS = Identity("main", "sim", "paper", "a1b2c3", "USDT", None)

HOLDER = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute(sys.argv[2])
if sys.argv[2] == "BEGIN":
    conn.execute("SELECT count(*) FROM latches").fetchone()
print("held", flush=True)
sys.stdin.readline()
"""


def create(folder: Path, identity: Identity = OURS, *, durable: bool = False, lock_wait_ms: int = 500) -> Database:
    return Database.create(folder / "store.db", identity, 1_000, durable=durable, lock_wait_ms=lock_wait_ms)


@contextmanager
def locked_by_another_process(path: Path, how: str = "BEGIN IMMEDIATE") -> Iterator[subprocess.Popen[str]]:
    """A second process that has the lock (told through its pipe) until the block ends; it may be stopped inside."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def sized(side: Side = Side.LONG, qty: str = "0.5") -> Sized:
    signal = Signal("BTCUSDT", "ma_cross", side, Decimal("0.8"), Decimal(60_000), 0, ("fast above slow",))
    instrument = Instrument(
        "BTCUSDT",
        "BTC",
        "USDT",
        Decimal("0.1"),
        Decimal("0.001"),
        Decimal("0.001"),
        Decimal(5),
        Decimal(100),
        (Tier(Decimal(1_000_000), Decimal(50), Decimal("0.01")),),
    )
    return Sized(
        Admitted(signal, ()),
        instrument,
        side,
        Decimal(qty),
        (Decimal(qty),),
        Decimal(60_000),
        Decimal(30_000),
        Decimal(3),
        Decimal(10_000),
        Decimal("59000.5"),
        Decimal(62_000),
        Decimal(500),
        (),
        (),
    )


def entry(side: Side = Side.LONG) -> IntentDraft:
    return entry_drafts(sized(side), TriggerBy.MARK)[0]
