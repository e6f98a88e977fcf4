"""Both sides of a reconciliation made by hand or at random, and what a plan's actions make of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import strategies as st
from ledger_kit import TAG, D

from tradectl.domain.finding import Finding, FindingKind
from tradectl.domain.intent import IntentState
from tradectl.domain.lifecycle import Managed, Origin, PositionState
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.domain.position import PositionFact, Side, coverage
from tradectl.domain.snapshot import Account, Snapshot
from tradectl.execution.reconcile import Plan, plan
from tradectl.execution.reconcile_sides import Action, ActionKind, Flight, Local

SYMBOLS = ("AUSDT", "BUSDT", "CUSDT")
A, B, C = SYMBOLS
ENTRY = f"tdc.{TAG}.en.1"
THEIRS = "tdc.zzzzzz.en.1"
MONEY = Account("USDT", D(1000), D(0), D(0), D(0), D(1000))
_K = ActionKind


@dataclass(frozen=True)
class World:
    """One moment of both sides. `adopt` and `report_only` as for `plan`."""

    picture: Snapshot
    local: Local
    adopt: frozenset[str] = frozenset()
    report_only: bool = False

    @property
    def plan(self) -> Plan:
        return plan(self.picture, self.local, adopt=self.adopt, report_only=self.report_only)

    def held(self, symbol: str) -> list[PositionFact]:
        return [one for one in self.picture.positions if one.symbol == symbol and one.qty]


def side_of(qty: Decimal) -> Side:
    return Side.LONG if qty > 0 else Side.SHORT


def position(qty: int | str, symbol: str = A, **more: object) -> PositionFact:
    size = D(qty)
    plain = PositionFact(symbol, size, D(100), D(100), D(0), D(10), D(1), D(10), "isolated", None, 1)
    return replace(plain, **more)  # type: ignore[arg-type]


def order(number: int, kind: OrderType, side: OrderSide, qty: int | str, symbol: str = A, **more: object) -> OrderFact:
    trigger = D(90) if side is OrderSide.SELL else D(110)
    plain = OrderFact(
        f"o{number}", None, symbol, side, kind, OrderStatus.NEW, D(qty), D(0), None, 1, 1,
        price=D(80) if kind is OrderType.LIMIT else None,
        trigger_price=trigger if kind.conditional else None, reduce_only=kind is not OrderType.LIMIT,
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]


def stop(number: int, qty: int | str, symbol: str = A, **more: object) -> OrderFact:
    return order(number, OrderType.STOP_MARKET, OrderSide.SELL, qty, symbol, **more)


def ours(side: Side, state: PositionState = PositionState.OPEN, symbol: str = A, **more: object) -> Managed:
    plain = Managed(1, symbol, side, state, Origin.ENTRY, "test:1", 1, 1, 0, D(1), D(90))
    return replace(plain, **more)  # type: ignore[arg-type]


def picture(*parts: PositionFact | OrderFact, doubts: tuple[str, ...] = ()) -> Snapshot:
    positions = tuple(one for one in parts if isinstance(one, PositionFact))
    orders = tuple(one for one in parts if isinstance(one, OrderFact))
    return Snapshot(1, MONEY, positions, orders, 1, doubts)


def books(qty: int | str, symbol: str = A, **more: object) -> Local:
    """The books hold this, opened by an entry of ours, which is managed; `more` replaces fields of it."""
    size = {symbol: D(qty)} if D(qty) else {}
    managed = {symbol: ours(side_of(D(qty)), symbol=symbol)} if D(qty) else {}
    plain = Local(TAG, size, size, dict.fromkeys(size, ENTRY), managed=managed)
    return replace(plain, **more)  # type: ignore[arg-type]


def of_kind(found: Plan, kind: ActionKind) -> list[Action]:
    return [one for one in found.actions if one.kind is kind]


def own_finding(found: Plan, symbol: str) -> Finding:
    """What it says of the symbol itself."""
    (one,) = [
        one for one in found.findings
        if one.symbol == symbol and one.order_id is None and one.kind is not FindingKind.NAKED
    ]  # fmt: skip
    return one


# At random.

quantities = st.integers(-3, 3)
OUR_IDS = [f"tdc.{TAG}.{code}.{number}" for code in ("en", "st", "t1") for number in (1, 2)]
client_ids = st.sampled_from([None, "someone", THEIRS, "tdc.zzzzzz.st.4", *OUR_IDS])


@dataclass
class _Draft:
    """What is drawn, symbol by symbol."""

    positions: list[PositionFact] = field(default_factory=list)
    lots: dict[str, Decimal] = field(default_factory=dict)
    after: dict[str, Decimal] = field(default_factory=dict)
    openers: dict[str, str | None] = field(default_factory=dict)
    unbooked: dict[str, int] = field(default_factory=dict)
    managed: dict[str, Managed] = field(default_factory=dict)
    flights: dict[str, tuple[Flight, ...]] = field(default_factory=dict)


def _symbol(draw: st.DrawFn, made: _Draft, symbol: str, sides: frozenset[Side]) -> None:
    there = draw(quantities)
    other_leg = -draw(st.integers(1, 3)) * (1 if there > 0 else -1)
    for qty in [there, other_leg] if draw(st.integers(0, 9)) == 0 else [there]:
        limit = draw(st.sampled_from([None, None, D(95 if qty > 0 else 105)]))
        made.positions.append(position(qty, symbol, liquidation_price=limit))
    after = draw(st.sampled_from([there, there, there, 0]) | quantities)
    now = draw(st.sampled_from([after, after, 0]) | quantities)
    if after:
        made.after[symbol] = D(after)
        made.openers[symbol] = draw(st.sampled_from([ENTRY, ENTRY, None, THEIRS, f"tdc.{TAG}.cl.7"]))
    if now:
        made.lots[symbol] = D(now)
    if now != after:
        made.unbooked[symbol] = draw(st.integers(1, 3))
    state = draw(st.sampled_from([None, PositionState.PENDING, PositionState.OPEN, PositionState.CLOSING]))
    if state is None:
        return
    side = draw(st.sampled_from(sorted(sides))) if state is PositionState.PENDING or not now else side_of(D(now))
    if state is not PositionState.PENDING and not now:
        return  # what is open here is in the ledger: one transaction closes both
    origin = Origin.ENTRY if state is PositionState.PENDING else draw(st.sampled_from(Origin))
    made.managed[symbol] = ours(side, state, symbol, number=SYMBOLS.index(symbol) + 1, origin=origin)
    if origin is Origin.ENTRY and side in sides:  # what is in flight, the strategy has sent
        sizes = draw(st.lists(st.integers(1, 3), min_size=int(state is PositionState.PENDING), max_size=2))
        flying = tuple(Flight(f"tdc.{TAG}.en.{n}", D(qty) * side.sign) for n, qty in enumerate(sizes, 11))
        made.flights |= {symbol: flying} if flying else {}


@st.composite
def _orders(draw: st.DrawFn) -> list[OrderFact]:
    made = []
    for number in range(1, draw(st.integers(0, 5)) + 1):
        kind = draw(st.sampled_from([OrderType.STOP_MARKET, OrderType.STOP_MARKET, OrderType.LIMIT]))
        side, symbol, client_id = draw(st.sampled_from(OrderSide)), draw(st.sampled_from(SYMBOLS)), draw(client_ids)
        one = order(
            number, kind, side, draw(st.integers(1, 3)), symbol, client_id=client_id,
            reduce_only=kind is OrderType.STOP_MARKET or draw(st.booleans()),
            parent_id=draw(st.sampled_from([None, "p1", "p2"])) if client_id is None else None,
        )  # fmt: skip
        if one.trigger_price is not None:
            one = replace(one, trigger_price=one.trigger_price + draw(st.integers(-8, 8)))
        made.append(one)
    return made


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Both sides, in any disagreement that there can be."""
    made = _Draft()
    sides = draw(st.sampled_from([frozenset(Side), frozenset(Side), frozenset({Side.LONG})]))
    for symbol in SYMBOLS[: draw(st.integers(1, 3))]:
        _symbol(draw, made, symbol, sides)
    orders = draw(_orders())
    named = [one.client_id for one in orders if one.client_id is not None]
    states = draw(st.fixed_dictionaries({name: st.none() | st.sampled_from(IntentState) for name in named}))
    local = Local(
        TAG, made.lots, made.after, made.openers, made.unbooked, made.managed, made.flights,
        doubtful=draw(st.frozensets(st.sampled_from(SYMBOLS), max_size=1)),
        states={name: state for name, state in states.items() if state is not None},
        parents=frozenset({"p1"}),
        blocked=draw(st.frozensets(st.sampled_from(["", *SYMBOLS]), max_size=2)),
        noted=draw(st.frozensets(st.sampled_from(["o1", "o2"]))),
        sides=sides,
    )  # fmt: skip
    doubts = draw(st.sampled_from([(), (), (), ("the list of open orders lacks o9",)]))
    adopt = draw(st.sampled_from([frozenset(), frozenset(), frozenset({A}), frozenset(SYMBOLS)]))
    return World(picture(*made.positions, *orders, doubts=doubts), local, adopt, draw(st.booleans()))


# What becomes of both sides.


def carried_out(world: World) -> World:
    """The world once every action of its plan has succeeded, as the operator finds it who looks again."""
    made = _Draft(
        list(world.picture.positions), dict(world.local.lots), dict(world.local.lots_after),
        dict(world.local.openers_after), dict(world.local.unbooked), dict(world.local.managed),
        dict(world.local.flights),
    )  # fmt: skip
    orders = list(world.picture.orders)
    states, blocked, noted = dict(world.local.states), set(world.local.blocked), set(world.local.noted)
    for action in world.plan.actions:
        if action.kind is _K.BOOK:
            _book(made)
        elif action.kind in (_K.STAND_IN, _K.ADJUST):
            _invent(made, action)
        elif action.kind in (_K.TAKE_OVER, _K.ADOPT):
            _take_over(made, action)
        elif action.kind is _K.CANCEL:
            orders = [one for one in orders if one.order_id != action.order_id]
        elif action.kind is _K.PROTECT:
            orders += _stops(made, orders, action.scope)
            states |= {str(one.client_id): IntentState.CONFIRMED for one in orders if one.order_id.startswith("new")}
        elif action.kind is _K.NOTE:
            noted.add(str(action.order_id))
        else:
            (blocked.add if action.kind is _K.BLOCK else blocked.discard)(action.scope)
    local = replace(
        world.local, lots=made.lots, lots_after=made.after, openers_after=made.openers, unbooked=made.unbooked,
        managed=made.managed, flights=made.flights, states=states, blocked=frozenset(blocked), noted=frozenset(noted),
    )  # fmt: skip
    return World(replace(world.picture, orders=tuple(orders)), local, report_only=world.report_only)


def _hold(made: _Draft, symbol: str, qty: Decimal, opener: str | None) -> None:
    """The books hold this from now on, and what they managed is closed where that is over."""
    was = made.lots.get(symbol, D(0))
    turned = qty * was <= 0
    managed = made.managed.get(symbol)
    if turned and managed is not None and managed.state is not PositionState.PENDING:
        del made.managed[symbol]
    for lots in (made.lots, made.after):
        lots.pop(symbol, None)
        if qty:
            lots[symbol] = qty
    if not qty:
        made.openers.pop(symbol, None)
    elif turned:
        made.openers[symbol] = opener
        by_us = opener is not None and opener.startswith(f"tdc.{TAG}.en.")
        managed = made.managed.get(symbol)
        if by_us and (managed is None or managed.side is side_of(qty)):
            before = managed if managed is not None else ours(side_of(qty), symbol=symbol, origin=Origin.EXPLAINED)
            made.managed[symbol] = replace(before, state=PositionState.OPEN)


def _book(made: _Draft) -> None:
    for symbol in list(made.unbooked):
        _hold(made, symbol, made.after.get(symbol, D(0)), made.openers.get(symbol))
    made.unbooked = {}


def _invent(made: _Draft, action: Action) -> None:
    assert action.qty is not None
    symbol = action.scope
    _hold(made, symbol, made.lots.get(symbol, D(0)) + action.qty, action.client_id)
    left = [
        replace(one, qty=one.qty - action.qty) if one.client_id == action.client_id else one
        for one in made.flights.get(symbol, ())
    ]
    made.flights[symbol] = tuple(one for one in left if one.qty)


def _take_over(made: _Draft, action: Action) -> None:
    lot, managed = made.lots.get(action.scope), made.managed.get(action.scope)
    if not action.qty:
        if lot is None:
            made.managed.pop(action.scope, None)
    elif lot is not None:
        assert managed is None or managed.state is not PositionState.PENDING, "an entry of ours is in flight there"
        if managed is not None:
            if action.kind is _K.ADOPT:
                made.managed[action.scope] = replace(managed, origin=Origin.ADOPTED)
            return
        origin = Origin.ADOPTED if action.kind is _K.ADOPT else Origin.EXPLAINED
        made.managed[action.scope] = ours(side_of(lot), symbol=action.scope, origin=origin)


def _stops(made: _Draft, orders: list[OrderFact], symbol: str) -> list[OrderFact]:
    placed: list[OrderFact] = []
    for leg in made.positions:
        missing = abs(leg.qty) - coverage(leg, [*orders, *placed]).covered_qty
        if leg.symbol == symbol and missing > 0:
            number = f"new{len(orders) + len(placed)}"
            placed.append(
                order(
                    0, OrderType.STOP_MARKET, leg.side.closing, str(missing), symbol, order_id=number,
                    client_id=f"tdc.{TAG}.st.{len(orders) + len(placed)}0", trigger_price=D(100) - leg.side.sign,
                )
            )  # fmt: skip
    return placed
