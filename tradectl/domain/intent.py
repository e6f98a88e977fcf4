"""Intents: what we have decided to do at the venue, committed before it is sent (promise 1)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.instrument import Instrument
from tradectl.domain.order import BracketLeg, OrderRequest, OrderSide, OrderStatus, OrderType, TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.signal import Sized

CLIENT_ID_PREFIX = "tdc"
CLIENT_ID_MAX = 36


class Purpose(StrEnum):
    ENTRY = "entry"
    STOP = "stop"
    TP1 = "tp1"
    TP2 = "tp2"
    EXIT = "exit"
    CLOSE = "close"  # an operator's
    CANCEL = "cancel"
    AMEND = "amend"  # of an order's trigger or size, in place

    @property
    def code(self) -> str:
        return _CODES[self]

    @property
    def adds_exposure(self) -> bool:
        return self is Purpose.ENTRY


_CODES = {
    Purpose.ENTRY: "en",
    Purpose.STOP: "st",
    Purpose.TP1: "t1",
    Purpose.TP2: "t2",
    Purpose.EXIT: "ex",
    Purpose.CLOSE: "cl",
    Purpose.CANCEL: "ca",
    Purpose.AMEND: "am",
}
_PURPOSES = {code: purpose for purpose, code in _CODES.items()}


class IntentState(StrEnum):
    RECORDED = "recorded"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_PLACED = "not_placed"

    @property
    def in_doubt(self) -> bool:
        """True while the venue may or may not have it: recorded, sent or unknown."""
        return self in (IntentState.RECORDED, IntentState.SENT, IntentState.UNKNOWN)


# (from, to, what it means): the only changes of state there are; the sentence is what the log prints.
INTENT_TRANSITIONS: tuple[tuple[IntentState, IntentState, str], ...] = (
    (IntentState.RECORDED, IntentState.SENT, "the request is about to leave"),
    (IntentState.RECORDED, IntentState.NOT_PLACED, "never sent: its window had passed, or the fence came down first"),
    (IntentState.RECORDED, IntentState.UNKNOWN, "found recorded at start-up: it may have left"),
    (IntentState.SENT, IntentState.CONFIRMED, "the venue has it"),
    (IntentState.SENT, IntentState.REJECTED, "the venue answered that it does not take it"),
    (IntentState.SENT, IntentState.UNKNOWN, "sent, and nothing trustworthy came back"),
    (IntentState.UNKNOWN, IntentState.CONFIRMED, "found at the venue by its client id"),
    (IntentState.UNKNOWN, IntentState.NOT_PLACED, "two complete searches after it expired did not find it"),
)


@dataclass(frozen=True, slots=True)
class ClientId:
    """prefix.storetag.purpose.number, at most 36 characters of [.A-Z:/a-z0-9_-].

    emergency: given while the store could not be written; its numbers ('e…') are apart from those of the store.
    """

    store_tag: str
    purpose: Purpose
    number: int
    emergency: bool = False

    def __str__(self) -> str:
        apart = "e" if self.emergency else ""
        return f"{CLIENT_ID_PREFIX}.{self.store_tag}.{self.purpose.code}.{apart}{self.number}"

    @classmethod
    def parse(cls, text: str | None) -> ClientId | None:
        """The parts of one of our ids, or None for anybody else's."""
        if not text:
            return None
        parts = text.split(".")
        if len(parts) != 4 or parts[0] != CLIENT_ID_PREFIX or parts[2] not in _PURPOSES:
            return None
        number = parts[3].removeprefix("e")
        if not (number.isascii() and number.isdecimal()):
            return None
        return cls(parts[1], _PURPOSES[parts[2]], int(number), emergency=number != parts[3])


@dataclass(frozen=True, slots=True)
class IntentDraft:
    """A decision ready to be recorded. The order-type rules of the door are checked as it is made.

    An entry cannot be drafted without the Sized it comes from; everything else can only reduce.
    Raises ValueError on a draft that breaks a rule: that is a fault in our own code, never an operator's.
    """

    symbol: str
    purpose: Purpose
    side: OrderSide
    type: OrderType
    qty: Decimal | None
    reason: str
    sized: Sized | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by: TriggerBy | None = None
    reduce_only: bool = True
    close_position: bool = False
    stop: BracketLeg | None = None
    target: BracketLeg | None = None
    cancels_order_id: str | None = None
    held: Decimal | None = None  # the size of the position that it reduces, as last seen

    def __post_init__(self) -> None:
        if self.purpose in (Purpose.CANCEL, Purpose.AMEND):
            if not self.cancels_order_id:
                raise ValueError(f"a {self.purpose.value} names the order it is about")
            return
        if self.qty is not None and self.qty <= 0:
            raise ValueError(f"quantity must be above zero, got {self.qty}")
        if self.qty is None and not self.close_position:
            raise ValueError("only a close-position order has no quantity")
        if self.purpose is Purpose.ENTRY:
            if self.sized is None:
                raise ValueError("an entry is drafted from a Sized and nothing else")
            if self.reduce_only or self.close_position or self.type not in (OrderType.MARKET, OrderType.LIMIT):
                raise ValueError("an entry is a market or limit order and never reduce-only")
            return
        if not (self.reduce_only or self.close_position):
            raise ValueError(f"a {self.purpose} order must be reduce-only")
        if self.held is not None and self.qty is not None and self.qty > self.held:
            raise ValueError(f"a {self.purpose} order of {self.qty} is larger than the position of {self.held}")
        if self.purpose is Purpose.STOP and (self.type is not OrderType.STOP_MARKET or self.trigger_price is None):
            raise ValueError("a protective stop is a stop-market with a trigger")
        if self.purpose in (Purpose.EXIT, Purpose.CLOSE) and self.type is not OrderType.MARKET:
            raise ValueError("an exit is a reduce-only market order")
        if self.purpose in (Purpose.TP1, Purpose.TP2) and self.type not in (
            OrderType.LIMIT,
            OrderType.TAKE_PROFIT_MARKET,
        ):
            raise ValueError("a take-profit is a reduce-only limit or the venue's own target order")


def entry_drafts(sized: Sized, trigger_by: TriggerBy, *, attached: bool = True) -> tuple[IntentDraft, ...]:
    """The entry as one market order per slice, each with its stop (and target) attached where the venue does that."""
    stop = BracketLeg(sized.stop_price, trigger_by) if attached else None
    target = BracketLeg(sized.target_price, trigger_by) if attached and sized.target_price is not None else None
    return tuple(
        IntentDraft(
            symbol=sized.admitted.signal.symbol,
            purpose=Purpose.ENTRY,
            side=sized.side.opening,
            type=OrderType.MARKET,
            qty=qty,
            reason=", ".join(sized.admitted.signal.reasons),
            sized=sized,
            reduce_only=False,
            stop=stop,
            target=target,
        )
        for qty in sized.slices
    )


def exit_draft(
    symbol: str, side: Side, qty: Decimal, reason: str, *, operator: bool = False, held: Decimal | None = None
) -> IntentDraft:
    """A reduce-only market order for `qty` of a position on `side`, of which `held` was last seen."""
    return IntentDraft(
        symbol=symbol,
        purpose=Purpose.CLOSE if operator else Purpose.EXIT,
        side=side.closing,
        type=OrderType.MARKET,
        qty=qty,
        reason=reason,
        held=held,
    )


def exit_drafts(symbol: str, side: Side, qty: Decimal, instrument: Instrument, reason: str) -> tuple[IntentDraft, ...]:
    """The whole of a position of `qty` as exits that the venue takes: split at its largest market order."""
    slices = instrument.market_slices(qty) or (qty,)
    return tuple(exit_draft(symbol, side, part, reason, held=qty) for part in slices)


def stop_drafts(
    symbol: str,
    side: Side,
    qty: Decimal,
    trigger_price: Decimal,
    trigger_by: TriggerBy,
    instrument: Instrument,
    reason: str,
    *,
    held: Decimal | None = None,
) -> tuple[IntentDraft, ...]:
    """Stops that cover `qty` together: split at the venue's largest market order, which each becomes when it fires."""
    slices = instrument.market_slices(qty) or (qty,)
    return tuple(stop_draft(symbol, side, part, trigger_price, trigger_by, reason, held=held) for part in slices)


def stop_draft(
    symbol: str,
    side: Side,
    qty: Decimal,
    trigger_price: Decimal,
    trigger_by: TriggerBy,
    reason: str,
    *,
    held: Decimal | None = None,
) -> IntentDraft:
    """A reduce-only stop-market covering `qty` of a position on `side`."""
    return IntentDraft(
        symbol=symbol,
        purpose=Purpose.STOP,
        side=side.closing,
        type=OrderType.STOP_MARKET,
        qty=qty,
        reason=reason,
        trigger_price=trigger_price,
        trigger_by=trigger_by,
        held=held,
    )


def target_draft(
    symbol: str, side: Side, name: str, qty: Decimal, price: Decimal, reason: str, *, held: Decimal | None = None
) -> IntentDraft:
    """A take-profit ('tp1', 'tp2') of a position on `side`: a reduce-only limit."""
    return IntentDraft(
        symbol=symbol,
        purpose=Purpose(name),
        side=side.closing,
        type=OrderType.LIMIT,
        qty=qty,
        reason=reason,
        price=price,
        held=held,
    )


def amend_draft(
    order_id: str, symbol: str, side: OrderSide, trigger_price: Decimal, qty: Decimal | None, reason: str
) -> IntentDraft:
    """A stop moved in place: its trigger, and its quantity unless None."""
    return IntentDraft(
        symbol=symbol,
        purpose=Purpose.AMEND,
        side=side,
        type=OrderType.STOP_MARKET,
        qty=qty,
        reason=reason,
        trigger_price=trigger_price,
        cancels_order_id=order_id,
    )


def cancel_draft(symbol: str, side: OrderSide, order_id: str, reason: str) -> IntentDraft:
    """The cancel of one order, by the venue's id."""
    return IntentDraft(
        symbol=symbol,
        purpose=Purpose.CANCEL,
        side=side,
        type=OrderType.MARKET,
        qty=None,
        reason=reason,
        cancels_order_id=order_id,
    )


@dataclass(frozen=True, slots=True)
class Intent:
    """A recorded intent, as the store keeps it."""

    number: int
    client_id: str
    symbol: str
    purpose: Purpose
    side: OrderSide
    type: OrderType
    qty: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None
    trigger_by: TriggerBy | None
    reduce_only: bool
    close_position: bool
    stop: BracketLeg | None
    target: BracketLeg | None
    cancels_order_id: str | None
    reason: str
    created_ms: int  # on the venue's clock; the request's timestamp
    expires_ms: int  # created + receive window
    epoch: int  # the lease it was recorded under; 0 for an operator's
    actor: str  # 'bot' or an operator's name
    state: IntentState
    order_id: str | None = None
    detail: str = ""  # the venue's words, or why it is in this state
    updated_ms: int = 0
    searches: int = 0  # complete searches that did not find it, after it expired
    ended: OrderStatus | None = None  # how its order ended, as far as that is known; None: it may stand
    filled: Decimal | None = None  # of its order, as last heard

    def request(self) -> OrderRequest:
        return OrderRequest(
            client_id=self.client_id,
            symbol=self.symbol,
            side=self.side,
            type=self.type,
            qty=self.qty,
            timestamp_ms=self.created_ms,
            expires_ms=self.expires_ms,
            price=self.price,
            trigger_price=self.trigger_price,
            trigger_by=self.trigger_by,
            reduce_only=self.reduce_only,
            close_position=self.close_position,
            stop=self.stop,
            target=self.target,
        )
