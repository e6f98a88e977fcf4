"""Speeds that safety hangs on: reconciliation of a large account, the fence under contention, simulated time."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POSITIONS, ORDERS = 1_000, 10_000
FENCES = 200
SEEDS = 30
AT = 1_700_000_000_000

# A bot that commits as fast as it can, until its stdin closes.
COMMITTER = """
import sys, threading
from tradectl.store import journal
from tradectl.store.database import Database
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
with Database.open(sys.argv[1], expect=None, lock_wait_ms=60_000) as db:
    print("committing", flush=True)
    number = 0
    while not done.is_set():
        with db.transaction() as conn:
            journal.append(conn, at_ms=number, kind="state", actor="bench", subject="row", body={})
        number += 1
"""


def reconcile(scratch: Path) -> Iterator[tuple[str, str, str]]:
    """Both sides read and the plan made as the command does it: from the store's file, with the venue's lists."""
    from tradectl.execution.observe import Evident, StoreEvidence
    from tradectl.execution.reconcile_read import find
    from tradectl.sim.embedded import open_embedded
    from tradectl.store.database import Database

    with Database.create(scratch / "large.db", _identity(), AT, durable=False) as db:
        picture = _large(db)
        exchange = open_embedded(_config(), None, wall_ms=lambda: AT)
        venue = _Listing(exchange.venue, picture)
        asyncio.run(find(db, Evident(venue, StoreEvidence(db))))
        times = []
        for _ in range(5):
            began = time.perf_counter()
            plan = asyncio.run(find(db, Evident(venue, StoreEvidence(db))))
            times.append(time.perf_counter() - began)
        assert len(plan.findings) == POSITIONS + ORDERS, len(plan.findings)
    what = f"reconcile: {POSITIONS:,} positions and {ORDERS:,} orders, read and planned"
    yield what, f"{sorted(times)[2]:.2f} s", "≤ 1 s"


def contention(scratch: Path) -> Iterator[tuple[str, str, str]]:
    """The fence's own commit while a bot commits as fast as it can; what it took when nobody did, for comparison."""
    from tradectl.domain.system_state import LatchName
    from tradectl.store import fence, latches
    from tradectl.store.database import Database

    path = scratch / "fence.db"
    Database.create(path, _identity(), AT).close()
    with Database.open(path, expect=None, lock_wait_ms=60_000) as db:

        def measure() -> list[float]:
            times = []
            for _ in range(FENCES):
                began = time.perf_counter()
                result = fence.fence(str(path), by="bench", reason="measured", wait_ms=60_000)
                times.append((time.perf_counter() - began) * 1000)
                assert result.how == "latch", result.why
                with db.transaction() as conn:
                    latches.clear(conn, LatchName.KILL_SWITCH, "", by="bench", reason="measured", at_ms=AT)
            return sorted(times)

        alone = measure()
        bot = subprocess.Popen(
            [sys.executable, "-c", COMMITTER, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert bot.stdin is not None and bot.stdout is not None
        bot.stdout.readline()
        busy = measure()
        bot.stdin.close()
        bot.wait(60)
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        at = min(int(FENCES * share), FENCES - 1)
        yield (
            f"fence beside a bot that commits without pause, {name}",
            f"{busy[at]:.1f} ms ({busy[at] / alone[at]:.1f} × alone)",
            "≤ 250 ms, else the halt file" if share > 0.5 else "",
        )


def simulation(scratch: Path) -> Iterator[tuple[str, str, str]]:
    """Whole worlds of random faults: simulated time against the processor's."""
    from tradectl.scenarios.chaos.draw import ACTIVE_MINUTES, SETTLE_MINUTES
    from tradectl.scenarios.chaos.run import run_seed

    run_seed(0)
    began = time.process_time()
    for seed in range(SEEDS):
        run_seed(seed)
    spent = time.process_time() - began
    yield (
        "simulation, one core",
        f"{SEEDS * (ACTIVE_MINUTES + SETTLE_MINUTES) * 60 / spent:,.0f} × real time",
        "≥ 1,000 ×",
    )


def _identity():  # type: ignore[no-untyped-def]
    from tradectl.store.identity import Identity

    return Identity("bench", "sim", "paper", "aaaaaa", "USDT")


def _config():  # type: ignore[no-untyped-def]
    from tradectl.config.schema import Config

    return Config()


class _Listing:
    """A venue whose account is a large one; everything else is the simulated exchange's."""

    def __new__(cls, inner, picture):  # type: ignore[no-untyped-def]
        from tradectl.venue.through import Through

        class Listing(Through):
            async def snapshot(self):  # type: ignore[no-untyped-def]
                return picture

            async def account_events(self, after_seq, limit):  # type: ignore[no-untyped-def]
                return ()

        return Listing(inner)


def _large(db):  # type: ignore[no-untyped-def]
    """A store and its venue's picture: each position ours with its stop and targets, other orders somebody else's."""
    from tradectl.domain.intent import IntentState, stop_draft, target_draft
    from tradectl.domain.ledger import OpenTrade
    from tradectl.domain.lifecycle import Origin
    from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType, TriggerBy
    from tradectl.domain.position import Lot, PositionFact, Side
    from tradectl.domain.snapshot import Account, Snapshot
    from tradectl.store import intents, ledger, positions

    one, price = Decimal(1), Decimal(100)
    held, orders = [], []

    def listed(number, symbol, client_id, **more):  # type: ignore[no-untyped-def]
        return OrderFact(
            f"o{number}", client_id, symbol, OrderSide.SELL, more.pop("type"), OrderStatus.NEW, one, Decimal(0), None,
            AT, AT, **more,
        )  # fmt: skip

    with db.transaction() as conn:
        for index in range(POSITIONS):
            symbol = f"S{index:04}USDT"
            trade = OpenTrade(index + 1, symbol, Side.LONG, AT, Lot(one, price), entry_qty=one, entry_cost=price)
            ledger.save_open_trade(conn, trade)
            positions.take_over(
                conn, symbol, Side.LONG, Origin.ADOPTED, trade_number=index + 1, entry_qty=one, stop_price=Decimal(90),
                at_ms=AT,
            )  # fmt: skip
            held.append(
                PositionFact(symbol, one, price, price, Decimal(0), Decimal(20), one, Decimal(5), "isolated", None, AT)
            )
            drafts = [stop_draft(symbol, Side.LONG, one, Decimal(90), TriggerBy.LAST, "stop")]
            drafts += [
                target_draft(symbol, Side.LONG, name, one / 2, Decimal(120), "target") for name in ("tp1", "tp2")
            ]
            for draft in drafts:
                made = intents.record(conn, draft, created_ms=AT, expires_ms=AT + 5_000, epoch=1, actor="bot")
                fact = listed(
                    len(orders), symbol, made.client_id, type=draft.type, reduce_only=True, price=draft.price,
                    trigger_price=draft.trigger_price, trigger_by=draft.trigger_by,
                )  # fmt: skip
                orders.append(fact)
                intents.advance(conn, made.number, IntentState.SENT, at_ms=AT)
                intents.advance(conn, made.number, IntentState.CONFIRMED, at_ms=AT, order=fact)
        while len(orders) < ORDERS:
            symbol = f"S{len(orders) % POSITIONS:04}USDT"
            fact = listed(len(orders), symbol, f"web-{len(orders)}", type=OrderType.LIMIT, price=Decimal(150))
            orders.append(fact)
    account = Account(
        currency="USDT", wallet_balance=Decimal(1_000_000), unrealised=Decimal(0),
        initial_margin=Decimal(20 * POSITIONS), maintenance_margin=Decimal(POSITIONS), available=Decimal(900_000),
    )  # fmt: skip
    return Snapshot(AT, account, tuple(held), tuple(orders), 0)
