"""Whose the things are that a reconciliation calls not ours: an order is attached to one that carries a tag, a position
was opened by one. A store that was put back from a copy knows neither; the venue's fills do. Words only: what is done
about them stays the plan's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from tradectl.domain.fill import Fill
from tradectl.domain.finding import Finding, FindingKind
from tradectl.domain.intent import ClientId
from tradectl.errors import Busy, StoreRefused
from tradectl.execution.ingest import fetch_events
from tradectl.execution.reconcile_read import read_sides
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk
from tradectl.operations.reconcile import Reconciliation
from tradectl.store import ledger

_ASKED = (FindingKind.FOREIGN, FindingKind.PHANTOM)


async def told(books: Books, desk: Desk, found: Reconciliation) -> Reconciliation:
    """The same with what the tags say in its findings; as it is where that cannot be read."""
    if books.db is None or not any(one.kind in _ASKED for one in found.plan.findings):
        return found
    with suppress(Busy, StoreRefused):
        read = await read_sides(books.db, desk.venue)
        with books.db.read() as conn:
            cursor = ledger.cursor(conn)
        new = [event for event in await fetch_events(desk.venue, cursor) if isinstance(event, Fill)]
        placed = {fill.order_id: fill.client_id for fill in new}
        parents: dict[str, str | None] = {}
        with books.db.read() as conn:
            for order in read.picture.orders:
                if order.parent_id is not None:
                    known = ledger.order_of_fill(conn, order.parent_id, order.symbol)
                    parents[order.order_id] = placed.get(order.parent_id) or (known[1] if known is not None else None)
        openers = read.local.openers_after
        tag = found.identity.store_tag
        findings = tuple(
            _order(one, parents.get(one.order_id), tag)
            if one.order_id is not None
            else _position(one, openers.get(one.symbol), tag)
            for one in found.plan.findings
        )
        return replace(found, plan=replace(found.plan, findings=findings))
    return found


def _order(one: Finding, client_id: str | None, tag: str) -> Finding:
    parent = ClientId.parse(client_id)
    if one.kind is not FindingKind.FOREIGN or parent is None:
        return one
    if parent.store_tag == tag:
        said = f"attached to {client_id}, which carries this store's tag: it belongs to its position, and stays"
        return replace(one, kind=FindingKind.MATCHED, evidence=said)
    said = f"attached to {client_id}, of another store's bot (tag {parent.store_tag}): left alone"
    return replace(one, kind=FindingKind.OTHER_STORE, evidence=said)


def _position(one: Finding, client_id: str | None, tag: str) -> Finding:
    opener = ClientId.parse(client_id)
    if one.kind is not FindingKind.PHANTOM or opener is None or opener.store_tag == tag:
        return one
    said = f"{one.evidence}; opened by another store's bot (tag {opener.store_tag}, {client_id})"
    return replace(one, kind=FindingKind.OTHER_STORE, evidence=said.replace("by orders that are not ours; opened ", ""))
