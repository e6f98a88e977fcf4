"""Real fills in the place of what stood in for them: once each in quantity, whenever and in whatever state they find
their trade (promise 7).

A stand-in makes way for its own order's fills; an adjustment for whatever its picture of the venue had already, which
is everything up to that picture's last account event. What they brought in is not brought in again; price, fee and what
was realised since become those of the real fills.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.correction import Entered, Told, corrected, corrected_closed, tell
from tradectl.domain.fill import Fill
from tradectl.domain.ledger import ClosedTrade, OpenTrade
from tradectl.domain.money import ZERO
from tradectl.store import invented, ledger
from tradectl.store.connection import Connection
from tradectl.store.invented import Invented


@dataclass(frozen=True, slots=True)
class Share:
    """As much of a real fill (without sign) as one invented fill has brought in."""

    of: Invented
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Put:
    """What came of it: the trade, corrected, whichever of the two it is; what the real fill itself realised in it; and
    by how much what others had realised has moved, each with its time."""

    open: OpenTrade | None
    closed: ClosedTrade | None
    realised: Decimal
    moved: tuple[tuple[Decimal, int], ...]
    before: ClosedTrade | None = None


def shares(conn: Connection, fill: Fill, taken: Mapping[str, Decimal] | None = None) -> tuple[list[Share], Decimal]:
    """What has brought a fill in already, and what is left of it. `taken`: {execution id: what others have had}."""
    left, found = fill.qty, []
    if fill.kind.invented:
        return [], left
    for one in invented.stand_ins(conn, fill.client_id) if fill.client_id is not None else ():
        qty = min(abs(one.qty) - (taken or {}).get(one.execution_id, ZERO), left)
        if qty > 0 and one.qty * fill.signed_qty > 0 and _there(conn, one):
            found.append(Share(one, qty))
            left -= qty
    adjusted = invented.adjustment(conn, fill.symbol, fill.seq) if left else None
    if adjusted is not None and _there(conn, adjusted):
        found.append(Share(adjusted, left))
        left = ZERO
    return found, left


def put_in(conn: Connection, trade: OpenTrade | ClosedTrade, part: Fill, them: list[Share]) -> Put:
    """`part` of a real fill, where those of this trade were that have brought it in. Its own row is the caller's."""
    sign = 1 if part.signed_qty > 0 else -1
    sizes = {share.of.execution_id: share.of.qty - sign * share.qty for share in them}
    real = Entered(part.execution_id, (part.seq, False), part.signed_qty, part.price, part.at_ms)
    before, after = _told(conn, trade, sizes, real)
    if after.lot.qty != before.lot.qty:
        # In between it went through flat, and more of what happened then is to come: the quantity is what counts.
        after = before
    moved = _move(conn, before, after)
    for share in them:
        invented.resize(conn, share.of, sizes[share.of.execution_id])
    realised = after.realised.get(part.execution_id, ZERO)
    if isinstance(trade, OpenTrade):
        return Put(corrected(trade, before, after, part.fee), None, realised, moved)
    return Put(None, corrected_closed(trade, before, after, part.fee), realised, moved, trade)


def take_back(conn: Connection, trade: OpenTrade, one: Invented, qty: Decimal) -> Put | None:
    """An open trade without so much of a stand-in. None, and nothing changed: what was closed since had it too."""
    less = one.qty - qty * trade.side.sign
    before, after = _told(conn, trade, {one.execution_id: less}, None)
    if after.lot.qty != before.lot.qty - qty * trade.side.sign:
        return None
    moved = _move(conn, before, after)
    invented.resize(conn, one, less)
    return Put(corrected(trade, before, after, ZERO), None, ZERO, moved)


def _told(
    conn: Connection, trade: OpenTrade | ClosedTrade, sizes: Mapping[str, Decimal], real: Entered | None
) -> tuple[Told, Told]:
    had = invented.entered(conn, trade.number)
    now = [
        Entered(one.execution_id, one.place, sizes.get(one.execution_id, one.qty), one.price, one.at_ms) for one in had
    ]
    return tell(trade.side, had), tell(trade.side, [*now, *([real] if real is not None else [])])


def _move(conn: Connection, before: Told, after: Told) -> tuple[tuple[Decimal, int], ...]:
    """What the trade's other fills have realised, as it is now."""
    moved = []
    for execution_id, was in before.realised.items():
        difference = after.realised[execution_id] - was
        if difference:
            moved.append((difference, ledger.correct_fill(conn, execution_id, difference)))
    return tuple(moved)


def _there(conn: Connection, one: Invented) -> bool:
    """Whether the books still have its trade."""
    held = ledger.open_trade(conn, one.symbol)
    return (held is not None and held.number == one.trade_number) or ledger.trade(conn, one.trade_number) is not None
