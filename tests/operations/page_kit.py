"""What the tests of the reading pages share: a store as a bot leaves it, and the real executable run on it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradectl.domain.ledger import ClosedTrade
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType, TriggerBy
from tradectl.domain.position import PositionFact, Side
from tradectl.domain.risk_state import RiskState
from tradectl.domain.signal import Decision, Signal, Verdict
from tradectl.domain.snapshot import Account, Snapshot
from tradectl.store import cycles, decisions, journal, lease, ledger, limits, risk, session, views
from tradectl.store.database import Database
from tradectl.store.identity import Identity
from tradectl.store.limits import LimitRow

OURS = Identity("main", "sim", "paper", "a1b2c3", "USDT", None)
VENUE_MS = 1_760_130_900_000  # 2025-10-10T21:15:00Z
DEAD_PID = 4_194_305  # above the largest pid there is


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def create(folder: Path) -> Database:
    return Database.create(folder / "store.db", OURS, VENUE_MS, durable=False)


def counters(**changed: Any) -> RiskState:
    values: dict[str, Any] = {
        "day": "2025-10-10",
        "day_start_equity": Decimal(10_000),
        "day_start_estimated": False,
        "realised_today": Decimal("-187.60"),
        "peak_equity": Decimal("10500"),
        "last_equity": Decimal("9812.40"),
        "last_equity_ms": VENUE_MS,
        "streak": 2,
        "streak_at_ms": VENUE_MS - 60_000,
    }
    return RiskState(**{**values, **changed})


def limit_rows(state: RiskState) -> list[LimitRow]:
    """As the bot computes them, of the limits that an operator can reset."""
    daily, threshold = Decimal("0.05"), Decimal("0.10")
    worst = min(state.realised_today, state.last_equity - state.day_start_equity)
    daily_room = daily * state.day_start_equity + worst
    peak_room = state.last_equity - state.peak_equity * (1 - threshold)
    loss, fall, streak = state.daily_loss(state.last_equity), state.drawdown(state.last_equity), Decimal(state.streak)
    return [
        LimitRow("daily_loss", loss, daily, daily_room, "fraction", "the next UTC day", VENUE_MS),
        LimitRow("drawdown", fall, threshold, peak_room, "fraction", "recovery above it", VENUE_MS),
        LimitRow("consecutive_losses", streak, Decimal(3), 3 - streak, "count", "its cooldown", VENUE_MS),
        LimitRow("session_trades", Decimal(4), Decimal(10), Decimal(6), "count", "a new session", VENUE_MS),
        LimitRow("session_runtime", Decimal(30), None, None, "minutes", "a new session", VENUE_MS),
    ]


def position(symbol: str = "BTCUSDT", qty: str = "0.5") -> PositionFact:
    return PositionFact(
        symbol,
        Decimal(qty),
        Decimal(60_000),
        Decimal(60_100),
        Decimal(50),
        Decimal(10_000),
        Decimal(150),
        Decimal(3),
        "isolated",
        Decimal("40500"),
        VENUE_MS,
    )


def stop(symbol: str = "BTCUSDT", qty: str = "0.5", trigger: str = "59000.5") -> OrderFact:
    return OrderFact(
        f"stop-{symbol}",
        None,
        symbol,
        OrderSide.SELL,
        OrderType.STOP_MARKET,
        OrderStatus.NEW,
        Decimal(qty),
        Decimal(0),
        None,
        VENUE_MS,
        VENUE_MS,
        trigger_price=Decimal(trigger),
        trigger_by=TriggerBy.MARK,
        reduce_only=True,
    )


def snapshot(positions: tuple[PositionFact, ...] = (), orders: tuple[OrderFact, ...] = ()) -> Snapshot:
    account = Account("USDT", Decimal("9762.40"), Decimal(50), Decimal(10_000), Decimal(150), Decimal(0))
    return Snapshot(VENUE_MS, account, positions, orders, 0)


def one_cycle(
    db: Database,
    *,
    seen: Snapshot | None = None,
    state: RiskState | None = None,
    decided: tuple[Decision, ...] = (),
    number: int = 7,
    at_wall_ms: int | None = None,
) -> None:
    """What a completed cycle leaves in the store."""
    state = state or counters()
    with db.transaction() as conn:
        if session.current(conn) is None:
            session.start(
                conn, mode="paper", config_digest="d", started_ms=VENUE_MS - 1_800_000, started_wall_ms=wall_ms()
            )
            for _ in range(4):
                session.count_entry(conn)
        risk.save(conn, state)
        limits.save(conn, limit_rows(state))
        views.save_account(conn, seen or snapshot())
        decisions.save(conn, number, VENUE_MS, decided)
        for item in decided:
            if item.outcome == "refused":
                journal.append(
                    conn,
                    at_ms=VENUE_MS,
                    kind="refusal",
                    actor="bot",
                    subject=item.code,
                    symbol=item.symbol,
                    body={"sentence": item.sentence, "side": "long"},
                )
        cycles.save_progress(conn, cycles.Progress(number, VENUE_MS, at_wall_ms or wall_ms()))


def hold_lease(db: Database, holder: lease.Holder | None = None, at_wall_ms: int | None = None) -> int:
    with db.transaction() as conn:
        return lease.acquire(conn, holder or lease.this_holder(), at_wall_ms or wall_ms())


def dead_holder() -> lease.Holder:
    here = lease.this_holder()
    return lease.Holder(DEAD_PID, here.host, here.boot_id, "1")


def verdict(gate: str, passed: bool, sentence: str, value: str = "0.01", limit: str = "0.05") -> Verdict:
    return Verdict(gate, passed, sentence, Decimal(value), Decimal(limit), Decimal(limit) - Decimal(value), "fraction")


def refusal(symbol: str = "BTCUSDT") -> Decision:
    signal = Signal(symbol, "ma_cross", Side.LONG, Decimal("0.8"), Decimal(60_000), VENUE_MS - 300_000, ("crossed",))
    verdicts = (
        verdict("enabled", True, "trading is enabled"),
        verdict("daily_loss", False, "Daily loss limit exceeded: 6.20% (limit=5.00%)", "0.062"),
    )
    return Decision(symbol, "refused", "daily_loss", verdicts[-1].sentence, VENUE_MS - 300_000, signal, verdicts)


def trade(number: int, symbol: str = "BTCUSDT", net: str = "-52.5", risk_amount: str | None = "50") -> ClosedTrade:
    return ClosedTrade(
        number=number,
        symbol=symbol,
        side=Side.LONG,
        opened_ms=VENUE_MS,
        closed_ms=VENUE_MS + 5_400_000,
        max_qty=Decimal("0.5"),
        entry_price=Decimal("60000"),
        exit_price=Decimal("59900"),
        gross=Decimal(net) + Decimal("2.75"),
        fees=Decimal("3"),
        funding=Decimal("0.25"),
        net=Decimal(net),
        exit_reason="stop",
        risk_amount=None if risk_amount is None else Decimal(risk_amount),
        entry_equity=Decimal(10_000),
        naked_ms=0,
    )


def close_trades(db: Database, *closed: ClosedTrade) -> None:
    with db.transaction() as conn:
        for item in closed:
            ledger.close_trade(conn, item)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def tradectl(*args: str | Path, env: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
    """The real executable, piped."""
    done = subprocess.run(
        [sys.executable, "-m", "tradectl", *map(str, args)],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=60,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def on_terminal(*args: str | Path, columns: int = 80, color: bool = False, typed: str = "") -> Ran:
    """The real executable on a terminal of `columns`; `out` is what the terminal shows, errors included."""
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    if not color:
        env["NO_COLOR"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-m", "tradectl", *map(str, args)], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side has closed: Linux says so with EIO
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return Ran(process.wait(timeout=60), shown.decode().replace("\r\n", "\n"), "")


HOLDER = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def locked(path: Path, how: str) -> Iterator[None]:
    """Another process holds the lock (BEGIN IMMEDIATE or BEGIN EXCLUSIVE) until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.kill()
        process.communicate()
