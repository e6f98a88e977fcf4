"""At which price something trades, and which orders a price has reached.

Takers trade at the quote: last ± slippage, rounded to the tick against them. A stop or target trades at the worse of
its trigger and the path point at which it was found beyond it, plus slippage: a stop that a bar crosses on its way to
the low fills at that low. This is the pessimistic reading of spec simulation.md, and the same for a gap. A resting
limit fills at its own price once the path has traded through it; a mere touch does not fill (others were there first).
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import ONE
from tradectl.domain.order import OrderFact, OrderSide, OrderType, TriggerBy
from tradectl.sim.state import Prices, Settings

_BPS = Decimal("0.0001")


def taker_price(instrument: Instrument, settings: Settings, side: OrderSide, base: Decimal) -> Decimal:
    """`base` made worse by the slippage, on the tick, never below one tick."""
    slip = settings.slippage_bps * _BPS
    if side is OrderSide.BUY:
        return instrument.ceil_price(base * (ONE + slip))
    return max(instrument.floor_price(base * (ONE - slip)), instrument.tick_size)


def worse(side: OrderSide, one: Decimal, other: Decimal) -> Decimal:
    """The worse of two prices for a trader on this side."""
    return max(one, other) if side is OrderSide.BUY else min(one, other)


def watched_price(by: TriggerBy | None, prices: Prices) -> Decimal:
    return prices.mark if by is TriggerBy.MARK else prices.index if by is TriggerBy.INDEX else prices.last


def triggered_at(type_: OrderType, side: OrderSide, trigger: Decimal, watched: Decimal) -> bool:
    """A stop buys above and sells below its trigger, a take-profit the other way round; reaching it is enough."""
    upwards = (type_ is OrderType.STOP_MARKET) == (side is OrderSide.BUY)
    return watched >= trigger if upwards else watched <= trigger


def reached(fact: OrderFact, prices: Prices) -> bool:
    """True when these prices fill a resting limit or fire a conditional order."""
    if fact.type is OrderType.LIMIT:
        assert fact.price is not None
        return prices.last < fact.price if fact.side is OrderSide.BUY else prices.last > fact.price
    assert fact.trigger_price is not None
    return triggered_at(fact.type, fact.side, fact.trigger_price, watched_price(fact.trigger_by, prices))


def threshold(fact: OrderFact) -> Decimal:
    """The price at which `reached` turns true."""
    price = fact.price if fact.type is OrderType.LIMIT else fact.trigger_price
    assert price is not None
    return price
