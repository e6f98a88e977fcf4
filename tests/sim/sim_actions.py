"""Random things to do to an exchange, and one to do them to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from hypothesis import strategies as st

from tradectl.config.schema import Config
from tradectl.domain.order import BracketLeg, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.sim.embedded import Embedded, open_embedded
from tradectl.sim.filehost import FileHost
from tradectl.sim.host import MemoryHost, open_orders
from tradectl.sim.ops import (
    AmendOrder,
    CancelOrder,
    Op,
    PlaceOrder,
    SetLeverage,
    SetMarginMode,
    SetServerTime,
    SetSymbolStatus,
    Transfer,
    VenueCancel,
)
from tradectl.sim.state import CROSS, ISOLATED, STATUSES, TRADING, ExchangeState

SYMBOL = "SOLUSDT"
WALL_MS = 1_760_000_000_000


def wall() -> int:
    return WALL_MS


def config(**sim: object) -> Config:
    plain = Config()
    return plain.model_copy(update={"sim": plain.sim.model_copy(update=sim)})


def in_memory(**sim: object) -> Embedded:
    return open_embedded(config(**sim), None, wall_ms=wall)


def begun(path: Path, **settings: object) -> Embedded:
    """An exchange with rules of its own: the same one in memory, which is returned, and in a file at `path`."""
    memory = in_memory()
    state = memory.host.state
    state = replace(state, settings=replace(state.settings, **settings))  # type: ignore[arg-type]
    made = FileHost.open(path, stamp=memory.stamp, create_with=lambda: (state, memory.feed.checkpoint()), durable=False)
    made.close()
    return replace(memory, host=MemoryHost(state))


@dataclass(frozen=True)
class Step:
    """The market moves by one bar."""


@dataclass(frozen=True)
class Place:
    side: OrderSide
    type: OrderType
    lots: int
    away: int  # ticks × 10 from the last price
    reduce: bool
    bracket: bool
    by: TriggerBy = TriggerBy.LAST
    again: bool = False  # under one of a few client ids that come again and again


@dataclass(frozen=True)
class Cancel:
    which: int


@dataclass(frozen=True)
class Amend:
    which: int
    away: int
    lots: int | None


@dataclass(frozen=True)
class VenueEnds:
    which: int


@dataclass(frozen=True)
class Lever:
    leverage: int


@dataclass(frozen=True)
class Mode:
    mode: str


@dataclass(frozen=True)
class Status:
    status: str


@dataclass(frozen=True)
class Move:
    amount: int


@dataclass(frozen=True)
class Wait:
    wait_ms: int


Action = Step | Place | Cancel | Amend | VenueEnds | Lever | Mode | Status | Move | Wait

actions: st.SearchStrategy[Action] = st.one_of(
    st.just(Step()),
    st.builds(
        Place,
        st.sampled_from(OrderSide),
        st.sampled_from(OrderType),
        st.integers(1, 400),
        st.integers(-30, 30),
        st.booleans(),
        st.booleans(),
        st.sampled_from(TriggerBy),
        st.booleans(),
    ),
    st.builds(Cancel, st.integers(0, 5)),
    st.builds(Amend, st.integers(0, 5), st.integers(-30, 30), st.none() | st.integers(1, 400)),
    st.builds(VenueEnds, st.integers(0, 5)),
    st.builds(Mode, st.sampled_from([ISOLATED, CROSS])),
    st.builds(Status, st.sampled_from([TRADING, TRADING, *STATUSES])),
    st.builds(Lever, st.integers(1, 20)),
    st.builds(Move, st.integers(-200, 200)),
    st.builds(Wait, st.integers(0, 9000)),
)


def client_id(number: int) -> str:
    return f"tdc.abc123.en.{number}"


def some_order(state: ExchangeState, which: int) -> str:
    known = [order.order_id for order in open_orders(state)] or ["none"]
    return known[which % len(known)]


def op_of(action: Action, state: ExchangeState, number: int) -> Op:
    """The operation an action means on this state. `Step` has none: a feed makes it."""
    now = state.server_ms
    if isinstance(action, Place):
        instrument = state.instruments[SYMBOL]
        last = state.prices[SYMBOL].last
        price = last + instrument.tick_size * 10 * action.away
        conditional = action.type.conditional
        apart = instrument.tick_size * 100 * action.side.sign
        request = OrderRequest(
            client_id=client_id(number % 4 if action.again else number),
            symbol=SYMBOL,
            side=action.side,
            type=action.type,
            qty=instrument.qty_step * action.lots,
            timestamp_ms=now,
            expires_ms=now + 5000,
            price=price if action.type is OrderType.LIMIT else None,
            trigger_price=price if conditional else None,
            trigger_by=action.by if conditional else None,
            reduce_only=action.reduce or conditional,
            stop=BracketLeg(last - apart, action.by) if action.bracket and not conditional else None,
            target=BracketLeg(last + apart, action.by) if action.bracket and not conditional else None,
        )
        return PlaceOrder(request, now)
    if isinstance(action, Cancel):
        return CancelOrder(SYMBOL, some_order(state, action.which), now, now + 5000)
    if isinstance(action, VenueEnds):
        return VenueCancel(some_order(state, action.which), "venue_decided", now)
    if isinstance(action, Amend):
        instrument = state.instruments[SYMBOL]
        order_id = some_order(state, action.which)
        price = state.prices[SYMBOL].last + instrument.tick_size * 10 * action.away
        limit = order_id in state.orders and state.orders[order_id].fact.type is OrderType.LIMIT
        return AmendOrder(
            SYMBOL,
            order_id,
            now,
            now + 5000,
            trigger_price=None if limit else price,
            price=price if limit else None,
            qty=instrument.qty_step * action.lots if action.lots is not None else None,
        )
    if isinstance(action, Mode):
        return SetMarginMode(SYMBOL, action.mode, now)
    if isinstance(action, Status):
        return SetSymbolStatus(SYMBOL, action.status, now)
    if isinstance(action, Lever):
        return SetLeverage(SYMBOL, Decimal(action.leverage), now)
    if isinstance(action, Move):
        return Transfer(Decimal(action.amount), now)
    if isinstance(action, Wait):
        return SetServerTime(now + action.wait_ms)
    raise TypeError(f"{action} is no operation by itself")
