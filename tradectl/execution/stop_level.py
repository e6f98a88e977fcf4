"""Where a protective stop belongs (promise 5): on the right side, inside liquidation, rounded to the smaller loss."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import ONE
from tradectl.domain.position import PositionFact, Side

# A planned stop that the venue would liquidate before it fires is put this share of the way from liquidation to mark:
# room for the slippage between the two, and as little tighter than planned as that allows.
LIQUIDATION_BUFFER = Decimal("0.1")


def stop_level(
    position: PositionFact, planned: Decimal | None, instrument: Instrument, stop_loss_pct: Decimal
) -> Decimal:
    """The planned stop, else the configured distance from entry; moved inside liquidation where it lies beyond.

    So close to liquidation that no tick is left between the two, it comes out as `already_passed`.
    """
    side, limit = position.side, position.liquidation_price
    price = planned if planned is not None else stop_price(instrument, side, position.entry_price, stop_loss_pct)
    if limit is None or position.inside_liquidation(price):
        return price
    return _tightened(instrument, side, limit + (position.mark_price - limit) * LIQUIDATION_BUFFER)


def stop_price(instrument: Instrument, side: Side, entry_price: Decimal, stop_loss_pct: Decimal) -> Decimal:
    """The configured distance from entry, rounded to the smaller loss: a long's stop up, a short's down."""
    return _tightened(instrument, side, entry_price * (ONE - side.sign * stop_loss_pct))


def already_passed(side: Side, price: Decimal, mark: Decimal) -> bool:
    """True when a stop at `price` would trigger at once."""
    return mark <= price if side is Side.LONG else mark >= price


def _tightened(instrument: Instrument, side: Side, price: Decimal) -> Decimal:
    return instrument.ceil_price(price) if side is Side.LONG else instrument.floor_price(price)
