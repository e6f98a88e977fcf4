"""What cancelling one order means: what of a position stays covered without it, and what else changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.money import ZERO, text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import Side, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.operations.order_owners import ATTACHED, ENTRY, FOREIGN, OTHER_STORE, OURS, TAKE_PROFIT, OrderLine


@dataclass(frozen=True, slots=True)
class Cover:
    """What stops cover of a position: now, and without one of them. Quantities without sign.

    why: why it covers nothing itself, where it lies beyond liquidation; '' as a rule.
    """

    symbol: str
    side: str
    qty: Decimal
    now: Decimal
    without: Decimal
    why: str

    @property
    def full_without(self) -> bool:
        return self.without >= self.qty

    def sentence(self) -> str:
        stays = "none" if not self.without else "all" if self.full_without else text(self.without)
        said = f"{self.symbol} {self.side} {text(self.qty)}: its stops cover {text(self.now)} now, {stays} without it"
        return f"{said} ({self.why})" if self.why else said


def cover_without(snapshot: Snapshot, order: OrderFact) -> Cover | None:
    """What the order covers of its symbol's position; None when it protects none."""
    position = snapshot.position(order.symbol)
    if position is None and order.protective and order.symbol in snapshot.absent:
        held = snapshot.absent[order.symbol]
        side = Side.LONG if held > 0 else Side.SHORT
        return Cover(order.symbol, side.value, abs(held), ZERO, ZERO, snapshot.absence(order.symbol))
    if position is None or not position.qty:
        return None
    now = coverage(position, snapshot.orders)
    if order.order_id not in (*now.stop_ids, *(one.order_id for one in now.beyond)):
        return None
    others = [one for one in snapshot.orders if one.order_id != order.order_id]
    without = coverage(position, others)
    why = now.why if order.order_id not in now.stop_ids else ""
    return Cover(order.symbol, position.side.value, abs(position.qty), now.covered_qty, without.covered_qty, why)


def meaning(
    order: OrderFact, line: OrderLine, cover: Cover | None, snapshot: Snapshot, *, bot_runs: bool | None
) -> Iterable[str]:
    """`bot_runs` None: it cannot be told."""
    position = snapshot.position(order.symbol)
    if cover is not None:
        yield cover.sentence()
        if not cover.full_without:
            yield _put_back("a missing stop", bot_runs)
    elif order.reduces and (position is None or not position.qty):
        yield f"no position is open in {order.symbol}: it protects and reduces none"
    elif order.protective:
        yield f"it protects nothing: it is not on the closing side of the position in {order.symbol}"
    elif line.what == TAKE_PROFIT:
        yield "its position is no longer closed at that price; stops stay"
        if line.whose in (OURS, ATTACHED):
            yield _put_back("a missing target of a position that it manages", bot_runs)
    elif order.reduces:
        yield "its position is not reduced by it any more"
    else:
        yield "what it has not filled is never opened; stops and targets that were attached to it come only with fills"
    if order.filled_qty:
        yield f"{text(order.filled_qty)} of it has filled already, and that stays"
    if line.what == ENTRY and bot_runs is not False:
        yield "the bot may decide upon another entry: tradectl pause keeps it from that"
    if line.whose == ATTACHED:
        yield f"it is attached {line.note}; only this one order is cancelled"
    elif line.whose == OTHER_STORE:
        yield f"{line.note}: a second bot may run on this account, and place it again"
    elif line.whose == FOREIGN:
        named = f" ({line.note})" if line.note else ""
        yield f"it is not ours{named}: whoever placed it is not told, and may place it again"
    elif line.note:
        yield line.note


def _put_back(what: str, bot_runs: bool | None) -> str:
    if bot_runs is False:
        return "no bot is running that would put it back"
    again = f"a running bot places {what} again in its next cycles"
    return again if bot_runs else f"whether a bot runs cannot be told: {again}"
