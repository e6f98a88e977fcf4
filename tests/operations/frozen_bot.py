"""A bot that is stopped at one instant of sending an entry: run as a program, `frozen_bot.py STORE EXCHANGE WHERE`.

WHERE: 'sending' stops it between the intent's commit and the request; 'committing' inside the intent's transaction,
the store's write lock held. It says 'stopping' first, stops itself, and prints what became of the entry once thawed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradectl.domain.intent import entry_drafts
from tradectl.domain.order import Outcome, TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.signal import Admitted, Signal, Sized
from tradectl.errors import EntryRefused
from tradectl.execution.submit import Door
from tradectl.sim.embedded import open_existing
from tradectl.store import intents, lease
from tradectl.store.database import Database

D = Decimal
WALL_MS = 1_700_000_000_000


def stop_here() -> None:
    print("stopping", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)


class StopsBeforeSending:
    """The venue as the bot has it, stopped on the way to the exchange."""

    def __init__(self, inner: Any, where: str) -> None:
        self._inner = inner
        self._where = where

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def place(self, request: Any) -> Outcome:
        if self._where == "sending":
            stop_here()
        return await self._inner.place(request)


async def main(store: str, exchange: str, where: str) -> None:
    db = Database.open(store, expect=None, durable=False, lock_wait_ms=5000)
    market = open_existing(Path(exchange), wall_ms=lambda: WALL_MS, durable=False)
    with db.transaction() as conn:
        epoch = lease.acquire(conn, lease.this_holder(), WALL_MS)
    if where == "committing":
        record = intents.record

        def record_and_stop(*args: Any, **rest: Any) -> Any:
            made = record(*args, **rest)
            stop_here()
            return made

        intents.record = record_and_stop
    door = Door(
        db,
        StopsBeforeSending(market.venue, where),  # type: ignore[arg-type]
        market.clock,
        epoch=epoch,
        actor="bot",
        recv_window_ms=5000,
    )
    price = (await market.venue.ticker("BTCUSDT")).last
    instrument = (await market.venue.instruments())["BTCUSDT"]
    signal_ = Signal("BTCUSDT", "test", Side.LONG, D(1), price, 0, ("frozen",))
    qty = D("0.010")
    sized = Sized(
        Admitted(signal_, ()), instrument, Side.LONG, qty, (qty,), price, qty * price, D(5), qty * price / 5,
        instrument.ceil_price(price * D("0.9")), None, qty * price / 10, (), (),
    )  # fmt: skip
    try:
        submitted = await door.submit(entry_drafts(sized, TriggerBy.LAST)[0])
    except EntryRefused as refusal:
        print(f"refused {refusal.code}", flush=True)
        return
    print(f"{submitted.intent.state.value} {submitted.intent.detail}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
