"""A store and an exchange beside it, built through their own APIs, and the tool as an operator starts it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradectl.config.load import load
from tradectl.domain.intent import Intent, IntentDraft, IntentState, entry_drafts
from tradectl.domain.order import (
    BracketLeg,
    Confirmed,
    OrderFact,
    OrderRequest,
    OrderSide,
    OrderType,
    TriggerBy,
)
from tradectl.domain.position import Side
from tradectl.domain.signal import Admitted, Signal, Sized
from tradectl.domain.snapshot import Snapshot
from tradectl.execution.submit import Door, Submitted
from tradectl.sim.embedded import Embedded, open_embedded, open_existing
from tradectl.store import intents
from tradectl.store.database import Database
from tradectl.store.identity import Identity

START_MS = 1_700_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")
TAG = "abc123"
LAST = TriggerBy.LAST
ROOT = Path(__file__).resolve().parents[2]

# Holds the store's write lock until its stdin closes; says so first (never a sleep).
LOCK_HOLDER = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute(sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def all(self) -> str:
        return self.out + self.err


@dataclass
class Account:
    """One account on disk: `store`, and `exchange` beside it."""

    folder: Path
    embedded: Embedded
    store: Path = field(init=False)
    exchange: Path = field(init=False)
    placed: int = 0

    def __post_init__(self) -> None:
        self.store = self.folder / "main-paper.db"
        self.exchange = self.folder / "main-paper.exchange.db"

    def db(self) -> Database:
        return Database.open(self.store, expect=None, durable=False)

    def price(self, symbol: str = "BTCUSDT") -> Decimal:
        return asyncio.run(self.embedded.venue.ticker(symbol)).last

    def snapshot(self) -> Snapshot:
        return asyncio.run(self.embedded.venue.snapshot())

    def server_ms(self) -> int:
        return asyncio.run(self.embedded.venue.server_time_ms())

    def orders(self) -> dict[str, OrderFact]:
        return {order.order_id: order for order in self.snapshot().orders}

    def place(
        self,
        symbol: str,
        side: OrderSide,
        kind: OrderType,
        qty: str | None,
        *,
        client_id: str = "",
        **rest: Any,
    ) -> OrderFact:
        """One order straight at the exchange, as anybody with the account's key could place it."""
        self.placed += 1
        now_ms = self.server_ms()
        request = OrderRequest(
            client_id=client_id or f"someone-{self.placed}",
            symbol=symbol,
            side=side,
            type=kind,
            qty=None if qty is None else Decimal(qty),
            timestamp_ms=now_ms,
            expires_ms=now_ms + 5000,
            **rest,
        )
        outcome = asyncio.run(self.embedded.venue.place(request))
        assert isinstance(outcome, Confirmed), outcome
        return outcome.order

    def long(self, symbol: str = "BTCUSDT", qty: str = "0.010", *, bracket: bool = True, **rest: Any) -> OrderFact:
        """A position; with its stop and target attached unless `bracket` is False."""
        price = self.price(symbol)
        if bracket:
            rest |= {"stop": BracketLeg(tick(price * Decimal("0.9")), LAST)}
            rest |= {"target": BracketLeg(tick(price * Decimal("1.2")), LAST)}
        return self.place(symbol, OrderSide.BUY, OrderType.MARKET, qty, **rest)

    def stop(self, symbol: str = "BTCUSDT", qty: str = "0.010", **rest: Any) -> OrderFact:
        rest.setdefault("trigger_price", tick(self.price(symbol) * Decimal("0.9")))
        return self.place(symbol, OrderSide.SELL, OrderType.STOP_MARKET, qty, trigger_by=LAST, reduce_only=True, **rest)

    def resting(self, symbol: str = "BTCUSDT", qty: str = "0.010", **rest: Any) -> OrderFact:
        price = tick(self.price(symbol) * Decimal("0.8"))
        return self.place(symbol, OrderSide.BUY, OrderType.LIMIT, qty, price=price, **rest)

    def by_bot(self, *drafts: IntentDraft) -> list[Submitted]:
        """Orders as this store's bot places them: each with its intent."""
        with self.db() as db:
            door = Door(db, self.embedded.venue, self.embedded.clock, epoch=0, actor="bot", recv_window_ms=5000)
            return [asyncio.run(door.submit(draft)) for draft in drafts]

    def entered(self, symbol: str = "BTCUSDT", qty: str = "0.010", side: Side = Side.LONG) -> Submitted:
        """A position that the bot entered, its stop and target attached to its intent."""
        return self.by_bot(self.entry(symbol, qty, side))[0]

    def entry(self, symbol: str = "BTCUSDT", qty: str = "0.010", side: Side = Side.LONG) -> IntentDraft:
        price, size = self.price(symbol), Decimal(qty)
        instrument = asyncio.run(self.embedded.venue.instruments())[symbol]
        signal = Signal(symbol, "test", side, Decimal(1), price, 0, ("crossed",))
        stop, target = (Decimal("0.9"), Decimal("1.2")) if side is Side.LONG else (Decimal("1.1"), Decimal("0.8"))
        sized = Sized(
            Admitted(signal, ()), instrument, side, size, (size,), price, size * price, Decimal(5), size * price / 5,
            tick(price * stop), tick(price * target), size * price / 10, (), (),
        )  # fmt: skip
        return entry_drafts(sized, LAST)[0]

    def doubt(self, draft: IntentDraft, *, age_ms: int = 90_000, window_ms: int = 5_000, sent: bool = True) -> Intent:
        """An intent whose outcome nobody knows, decided `age_ms` ago on the venue's clock."""
        at_ms = self.server_ms() - age_ms
        with self.db() as db, db.transaction() as conn:
            made = intents.record(conn, draft, created_ms=at_ms, expires_ms=at_ms + window_ms, epoch=1, actor="bot")
            if sent:
                intents.advance(conn, made.number, IntentState.SENT, at_ms=at_ms)
                lost = "timed out waiting for the answer"
                made = intents.advance(conn, made.number, IntentState.UNKNOWN, at_ms=at_ms, detail=lost)
        return made

    def tradectl(self, *args: str, state: bool = True, stdin: str = "", **env: str) -> Ran:
        argv = [*args, "--state", str(self.store)] if state else list(args)
        return tradectl(*argv, home=self.folder, stdin=stdin, **env)


def tick(price: Decimal) -> Decimal:
    """To a tick that every shipped instrument takes."""
    return price.quantize(Decimal("1")) if price > 1000 else price.quantize(Decimal("0.1"))


def account(
    folder: Path, *, exchange: bool = True, steps: int = 1, symbols: tuple[str, ...] = SYMBOLS, config: str = ""
) -> Account:
    """`config`: lines of a configuration in TOML, for the exchange."""
    named = folder / "exchange.toml"
    if config:
        named.write_text(config)
    resolved = load((named,) if config else ()).config
    path = folder / "main-paper.exchange.db"
    embedded = open_embedded(
        resolved, path if exchange else None, symbols=symbols, wall_ms=lambda: START_MS, durable=False
    )
    for _ in range(steps):
        assert embedded.step()
    made = Account(folder, embedded)
    stamp = Identity("main", "sim", "paper", TAG, "USDT", path.name)
    Database.create(made.store, stamp, START_MS, durable=False).close()
    return made


def tradectl(*args: str, home: Path, stdin: str = "", **env: str) -> Ran:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TRADECTL")}
    for name in ("SUDO_USER", "LOGNAME"):
        clean.pop(name, None)
    clean |= {"XDG_STATE_HOME": str(home / "xdg"), "USER": "ann", "PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(
        [sys.executable, "-m", "tradectl", *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home,
        env=clean,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def hold_lock(path: Path, begin: str = "BEGIN IMMEDIATE") -> subprocess.Popen[str]:
    """Another process with the file's lock; it lets go when its stdin is closed."""
    holder = subprocess.Popen(
        [sys.executable, "-c", LOCK_HOLDER, str(path), begin],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline().strip() == "locked"
    return holder


def let_go(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None and holder.stdout is not None
    holder.stdin.close()
    holder.wait(10)
    holder.stdout.close()


def existing(account: Account) -> Any:
    return open_existing(account.exchange, wall_ms=lambda: START_MS, durable=False)


__all__ = ["Account", "IntentDraft", "Ran", "account", "existing", "hold_lock", "let_go", "tick", "tradectl"]
