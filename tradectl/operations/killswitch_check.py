"""The kill switch's last word: a fresh, complete read of the venue, and what is still wrong in it.

Verified means: no order is left that can add exposure, none that the sweep should have cancelled, and every position
is covered by its stops. Shared by `activate`, `status` and `clear`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tradectl.domain.money import text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact, Protection, Side, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.execution.sweep import must_go


@dataclass(frozen=True, slots=True)
class Held:
    """One position and what covers it. Quantities without sign."""

    symbol: str
    side: Side
    qty: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised: Decimal
    protection: Protection
    covered_qty: Decimal
    stop_price: Decimal | None
    stops_why: str = ""  # why stops that are there do not count

    @property
    def covered(self) -> bool:
        return self.protection is Protection.COVERED

    def sentence(self) -> str:
        base = f"{self.symbol} {self.side.value} {text(self.qty)}"
        why = f"; {self.stops_why}" if self.stops_why else ""
        if self.protection is Protection.NAKED:
            return f"{base} is NAKED: no stop covers it{why}"
        if self.protection is Protection.SHORT:
            return f"{base} is only partly protected: its stops cover {text(self.covered_qty)}{why}"
        return f"{base} is covered by its stop at {text(self.stop_price) if self.stop_price is not None else '-'}"


@dataclass(frozen=True, slots=True)
class Check:
    """One reading. `at_ms` is on the venue's clock."""

    at_ms: int
    adding: tuple[OrderFact, ...]
    targets: tuple[OrderFact, ...]  # take-profits still resting
    stops: tuple[OrderFact, ...]
    held: tuple[Held, ...]
    snapshot: Snapshot = field(repr=False)  # what it was read from
    flaw: str = ""  # why there may be more than this

    @property
    def naked(self) -> tuple[Held, ...]:
        return tuple(one for one in self.held if not one.covered)

    @property
    def clean(self) -> bool:
        return not (self.adding or self.targets or self.naked or self.flaw)


def check(snapshot: Snapshot) -> Check:
    resting = [order for order in snapshot.orders if order.status.open]
    return Check(
        at_ms=snapshot.at_ms,
        adding=tuple(order for order in resting if order.can_add_exposure),
        targets=tuple(order for order in resting if must_go(order) and not order.can_add_exposure),
        stops=tuple(order for order in resting if order.protective),
        held=tuple(_held(snapshot, position) for position in snapshot.positions if position.qty),
        snapshot=snapshot,
        flaw=snapshot.flaw or "; ".join(snapshot.absences),
    )


def _held(snapshot: Snapshot, position: PositionFact) -> Held:
    cover = coverage(position, snapshot.orders)
    return Held(
        position.symbol,
        position.side,
        abs(position.qty),
        position.entry_price,
        position.mark_price,
        position.unrealised,
        cover.protection,
        cover.covered_qty,
        cover.stop_price,
        cover.why,
    )


def describe(order: OrderFact) -> str:
    """'BTCUSDT buy limit 0.5 at 60000', for a person."""
    size = "all" if order.close_position else text(order.remaining_qty)
    price = order.trigger_price if order.trigger_price is not None else order.price
    at = f" at {text(price)}" if price is not None else ""
    return f"{order.symbol} {order.side.value} {order.type.value.replace('_', ' ')} {size}{at}"


def ways_out(symbol: str, store: str) -> tuple[str, str]:
    """The commands for a position that its stops do not cover: cover it first of all, or close it."""
    return f"tradectl stops place-missing --apply --symbol {symbol} --state {store}", close_command(symbol, store)


def close_command(symbol: str, store: str) -> str:
    return f"tradectl positions close {symbol} --reason TEXT --state {store}"
