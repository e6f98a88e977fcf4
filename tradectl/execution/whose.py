"""Whose an order is: by its client id, or by the order that it was attached to; and whether a position is ours.
Everybody else's are left alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.intent import ClientId, Purpose
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed, PositionState
from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact
from tradectl.store import intents
from tradectl.store.connection import Connection


class Whose(StrEnum):
    OURS = "ours"
    ATTACHED = "attached"  # to an order of ours
    OTHER_STORE = "other_store"  # our prefix, another store's tag: a second bot on the account
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Owner:
    """Tells orders apart for one store. `parents`: orders of ours that others may be attached to."""

    store_tag: str
    parents: frozenset[str]

    def of(self, order: OrderFact) -> Whose:
        found = ClientId.parse(order.client_id)
        if found is not None:
            return Whose.OURS if found.store_tag == self.store_tag else Whose.OTHER_STORE
        return Whose.ATTACHED if order.parent_id in self.parents else Whose.FOREIGN

    def ours(self, order: OrderFact) -> bool:
        """Placed by this store, or attached to what it placed."""
        return self.of(order) in (Whose.OURS, Whose.ATTACHED)


def ours_of(
    position: PositionFact, managed: Managed | None, trade: OpenTrade | None, flying: Decimal
) -> Managed | None:
    """What is managed here, where it is this position; None where it is somebody's beside it.

    A pending one holds nothing yet. Quantity is taken for it only where its entries in flight account for all that is
    there (`flying`, signed): reconciliation's rule. trade: the ledger's of that symbol.
    """
    if managed is None or managed.side is not position.side:
        return None
    if managed.state is not PositionState.PENDING:
        return managed
    accounted = trade is None and flying * position.side.sign >= abs(position.qty)
    return managed if accounted else None


def held_of(position: PositionFact, trade: OpenTrade | None) -> Decimal:
    """How much of a position the ledger has, without sign: no more than that is ours to close."""
    if trade is None or trade.side is not position.side:
        return ZERO
    return min(abs(trade.lot.qty), abs(position.qty))


def owner(conn: Connection, store_tag: str, orders: Iterable[OrderFact]) -> Owner:
    """For these orders: asks the store about the parents that they name."""
    named = sorted({order.parent_id for order in orders if order.parent_id is not None})
    return Owner(store_tag, intents.known_orders(conn, named) if named else frozenset())


def purpose_of(order: OrderFact) -> Purpose | None:
    """What an order of ours was placed for, as its client id says; None for any other."""
    found = ClientId.parse(order.client_id)
    return None if found is None else found.purpose
