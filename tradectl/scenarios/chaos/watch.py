"""The checker's eyes on the exchange: each operation is judged at the moment it happens, before anybody can act on it.

It knows the exchange's own state and what stands committed in the store, and nothing of what the bot thinks.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tradectl.domain.intent import ClientId, Intent, Purpose
from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderFact
from tradectl.domain.position import Protection, Side, coverage, protective_stops
from tradectl.sim import views
from tradectl.sim.events import Accepted, Executed, Updated
from tradectl.sim.host import Applied
from tradectl.sim.ops import AmendOrder, CancelOrder, Op
from tradectl.sim.state import ExchangeState
from tradectl.store import emergency, intents
from tradectl.store.database import Database

RACE_MS = 60_000  # a person's trade this recent may have crossed a decision of ours on its way
CROSSED_MS = 2_000  # a stop that somebody took away this recently was still there when it was decided
TOLERANCE = Decimal("1.05")  # of a limit: prices move between a decision and its fill


@dataclass(frozen=True, slots=True)
class Violation:
    law: str
    at_ms: int
    what: str

    def __str__(self) -> str:
        return f"[{self.law}] at {self.at_ms}: {self.what}"


@dataclass(frozen=True, slots=True)
class Limits:
    positions: int
    exposure: Decimal
    margin: Decimal


@dataclass(frozen=True, slots=True)
class Known:
    """A committed intent, and the signal that it acts upon."""

    intent: Intent
    signal: str


@dataclass
class Watch:
    """Watches one exchange for one store. `touched`: symbol → when a person last traded there."""

    store: Path
    tag: Callable[[], str]
    limits: Limits
    now_ms: Callable[[], int]
    touched: dict[str, int]
    violations: list[Violation] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)  # client id of ours → order id
    fenced_ms: int | None = None  # since a kill switch was verified; None: none stands
    naked_since: dict[str, int] = field(default_factory=dict)
    entered: dict[str, tuple[str, str]] = field(default_factory=dict)  # symbol → (signal, client id) of its position
    levels: dict[tuple[str, Side], Decimal] = field(default_factory=dict)  # leg → where its stops cover all of it
    by_person: Callable[[], bool] = lambda: False
    adopted: set[str] = field(default_factory=set)  # symbols whose positions an operator has had managed
    mine: set[str] = field(default_factory=set)  # symbols in whose positions an entry of ours has filled
    loosened: set[str] = field(default_factory=set)  # symbols whose stops an operator has moved away, on the record
    _db: Database | None = None

    def see(self, op: Op, applied: Applied, before: ExchangeState, after: ExchangeState) -> None:
        for event in applied.events:
            if isinstance(event, Accepted):
                self._accepted(event.order, before)
            elif isinstance(event, Executed):
                self._executed(event, before)
                self._whose(event)
        self.mine.intersection_update(after.positions)
        if isinstance(op, CancelOrder | AmendOrder):
            self._cancelled(applied, before, after)
        self._nakedness(after)
        self._levels(before, after)

    def violate(self, law: str, what: str) -> None:
        self.violations.append(Violation(law, self.now_ms(), what))

    # Orders

    def _accepted(self, order: OrderFact, before: ExchangeState) -> None:
        parsed = ClientId.parse(order.client_id)
        if parsed is None or parsed.store_tag != self.tag():
            return
        client_id = str(order.client_id)
        if client_id in self.accepted:
            self.violate("one order per intent", f"{client_id} is {self.accepted[client_id]} and {order.order_id}")
        self.accepted[client_id] = order.order_id
        row = self._intent(client_id)
        if row is None and not self._in_emergency(client_id):
            self.violate("write before act", f"order {order.order_id} ({client_id}) has no intent on record")
            return
        if order.reduces:
            if parsed.purpose is Purpose.EXIT:
                self._exit_of_ours(order, before)
            if parsed.purpose is Purpose.ENTRY:
                self.violate("intent and order agree", f"{client_id} is an entry and reduces")
            return
        if parsed.purpose is not Purpose.ENTRY:
            self.violate("only entries add", f"{client_id} can add exposure and is no entry")
            return
        if self.fenced_ms is not None:
            self.violate("fence", f"entry {client_id} was accepted after the kill switch was verified")
        self._one_signal(order, client_id, row, before)
        self._within_limits(order, before)

    def _exit_of_ours(self, order: OrderFact, before: ExchangeState) -> None:
        """The bot closes what it opened, or what an operator had it manage, and nobody else's (promise 6)."""
        symbol = order.symbol
        if symbol in before.positions and symbol not in self.mine | self.adopted:
            self.violate("others' positions are left alone", f"{order.client_id} closes what no entry of ours made")

    def _one_signal(self, order: OrderFact, client_id: str, row: Known | None, before: ExchangeState) -> None:
        """Every entry that a position takes is of the signal that opened it."""
        signal = row.signal if row is not None else client_id
        symbol = order.symbol
        held = before.positions.get(symbol)
        if held is None:
            self.entered[symbol] = (signal, client_id)
            return
        opened = self.entered.get(symbol)
        if opened is not None and opened[0] == signal:
            return
        if not self._raced(symbol):
            self.violate(
                "one position per symbol",
                f"entry {client_id} adds to a position of {held.lot.qty} {symbol} (opened by {opened})",
            )

    def _within_limits(self, order: OrderFact, before: ExchangeState) -> None:
        snapshot = views.snapshot(before)
        if snapshot.equity <= 0:
            self.violate("limits", f"an entry on an account without equity ({snapshot.equity})")
            return
        symbols = {position.symbol for position in snapshot.positions if position.qty} | {order.symbol}
        if len(symbols) > self.limits.positions and not any(self._raced(symbol) for symbol in symbols):
            self.violate("limits", f"{len(symbols)} positions with {order.client_id}, {self.limits.positions} allowed")
        # What a person bought while the entry was on its way is no decision of ours: it is not counted.
        known = [position for position in snapshot.positions if not self._raced(position.symbol)]
        crossed = sum((position.initial_margin for position in snapshot.positions if position not in known), ZERO)
        adding = order.qty * before.prices[order.symbol].last
        exposure = (sum((position.notional for position in known), ZERO) + adding) / snapshot.equity
        if exposure > self.limits.exposure * TOLERANCE:
            self.violate("limits", f"exposure {exposure:.3f} with {order.client_id}, {self.limits.exposure} allowed")
        leverage = views.leverage(before, order.symbol)
        margin = (snapshot.account.initial_margin - crossed + adding / leverage) / snapshot.equity
        if margin > self.limits.margin * TOLERANCE:
            self.violate("limits", f"margin {margin:.3f} with {order.client_id}, {self.limits.margin} allowed")

    def _executed(self, event: Executed, before: ExchangeState) -> None:
        """Only an admitted entry can add to a position or turn it over."""
        fill = event.fill
        parsed = ClientId.parse(fill.client_id)
        ours = (parsed is not None and parsed.store_tag == self.tag()) or (
            fill.parent_id is not None and fill.parent_id in self.accepted.values()
        )
        if not ours or (parsed is not None and parsed.purpose is Purpose.ENTRY):
            return
        position = before.positions.get(fill.symbol)
        held = position.lot.qty if position is not None else ZERO
        after = held + fill.signed_qty
        if abs(after) > abs(held) or (held and after and (held > 0) != (after > 0)):
            # Several fills of one operation: the state before them is not this fill's own.
            if fill.kind.value == "trade" and not self._reduces_within(event, before):
                self.violate("only entries add", f"{fill.order_id} ({fill.client_id}) took {held} to {after}")

    def _whose(self, event: Executed) -> None:
        parsed = ClientId.parse(event.fill.client_id)
        if parsed is not None and parsed.store_tag == self.tag() and parsed.purpose is Purpose.ENTRY:
            self.mine.add(event.fill.symbol)

    def _reduces_within(self, event: Executed, before: ExchangeState) -> bool:
        order = before.orders.get(event.fill.order_id)
        return order is None or order.fact.reduces

    def _cancelled(self, applied: Applied, before: ExchangeState, after: ExchangeState) -> None:
        """Nobody of ours uncovers a position with a cancel or an amendment."""
        for event in applied.events:
            if not isinstance(event, Updated) or not event.order.protective:
                continue
            order = event.order
            parsed = ClientId.parse(order.client_id)
            mine = (parsed is not None and parsed.store_tag == self.tag()) or (
                order.parent_id in self.accepted.values()
            )
            if not mine or self.by_person():
                continue
            was, now = self._covered(before, order.symbol), self._covered(after, order.symbol)
            crossed = self.now_ms() - self.touched.get(order.symbol, -RACE_MS) < CROSSED_MS
            if was and not now and not crossed:
                self.violate(
                    "never naked by our own hand", f"{order.order_id} was changed: {order.symbol} is uncovered"
                )

    def _covered(self, state: ExchangeState, symbol: str) -> bool:
        snapshot = views.snapshot(state)
        position = snapshot.position(symbol)
        if position is None or not position.qty:
            return True
        return coverage(position, snapshot.orders).protection is Protection.COVERED

    def _nakedness(self, state: ExchangeState) -> None:
        if not state.positions:
            self.naked_since.clear()
            return
        snapshot = views.snapshot(state)
        for position in snapshot.positions:
            covered = coverage(position, snapshot.orders).protection is Protection.COVERED
            if covered:
                self.naked_since.pop(position.symbol, None)
            else:
                self.naked_since.setdefault(position.symbol, self.now_ms())
        for symbol in list(self.naked_since):
            if snapshot.position(symbol) is None:
                del self.naked_since[symbol]

    def _levels(self, before: ExchangeState, after: ExchangeState) -> None:
        """Where stops have covered a whole position once, they do so at that level or a tighter one for good."""
        if self.by_person():
            self.levels.clear()
            return
        if before.orders is after.orders and before.positions is after.positions:
            return
        snapshot = views.snapshot(after)
        held = {(position.symbol, position.side) for position in snapshot.positions}
        for leg in self.levels.keys() - held:
            del self.levels[leg]  # gone, or turned over by an entry
        self.loosened.intersection_update(position.symbol for position in snapshot.positions)
        for position in snapshot.positions:
            symbol, sign = position.symbol, position.side.sign
            stops, _ = protective_stops(position, snapshot.orders)
            stops = sorted(stops, key=lambda order: -sign * (order.trigger_price or ZERO))
            covered, level = ZERO, None
            for order in stops:  # the tightest first
                covered += order.remaining_qty
                level = order.trigger_price
                if covered >= abs(position.qty):
                    break
            if level is None or covered < abs(position.qty):
                continue
            leg = symbol, position.side
            known = self.levels.get(leg) if symbol not in self.loosened else None
            if known is not None and (level - known) * sign < 0 and not self._raced(symbol):
                self.violate("stops only tighten", f"{symbol}: covered at {known}, now at {level}")
            self.levels[leg] = level if known is None or (level - known) * sign > 0 else known

    # The store, as far as it is committed

    def _intent(self, client_id: str) -> Known | None:
        with self._reading().read() as conn:
            found = intents.by_client_id(conn, client_id)
            plan = intents.plan(conn, found.number) if found is not None else None
        if found is None:
            return None
        return Known(found, f"{plan.strategy}:{plan.candle_open_ms}" if plan is not None else client_id)

    def _in_emergency(self, client_id: str) -> bool:
        found = emergency.look(self.store).records
        return any(record["body"].get("client_id") == client_id for record in found)

    def _reading(self) -> Database:
        """A connection of the watcher's own, whoever's doing it is watching."""
        if self._db is None:
            self._db = contextvars.Context().run(Database.open, self.store, expect=None, readonly=True)
        return self._db

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _raced(self, symbol: str) -> bool:
        return self.now_ms() - self.touched.get(symbol, -RACE_MS) < RACE_MS


def surplus(state: ExchangeState, tag: str) -> dict[str, Decimal]:
    """{symbol: quantity of our own stops beyond what the position needs}."""
    snapshot = views.snapshot(state)
    found = {}
    for position in snapshot.positions:
        stops, _ = protective_stops(position, snapshot.orders)
        mine = sum(
            (order.remaining_qty for order in stops if order.client_id is None or f".{tag}." in order.client_id), ZERO
        )
        over = mine - abs(position.qty)
        if over > 0:
            found[position.symbol] = over
    return found
