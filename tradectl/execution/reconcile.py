"""Venue against books: pure functions from both sides to a plan. Nothing is read or sent here.

What every plan holds to (numbered; the property tests cite the numbers):

    R1  every symbol with a position on either side has exactly one finding of its own, and so has every open order
    R2  no action adds exposure, closes a position, or touches an order that is not ours
    R3  nothing is taken for gone without closing fills; where a source is in doubt nothing is changed
    R4  entries are blocked wherever a person is needed, and for the whole account where another bot trades on it
    R5  a stop is cancelled only where no position is left for it, as both sides say
    R6  the same two sides give the same plan, in whatever order they were listed
    R7  after its actions, the same world gives a plan without any
    R8  the fingerprint changes with positions, orders and books, and with nothing else: prices move all the time
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tradectl.domain.finding import Finding, FindingKind, Severity
from tradectl.domain.intent import IntentState
from tradectl.domain.lifecycle import PositionState
from tradectl.domain.money import text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.execution.reconcile_sides import Action, ActionKind, Local
from tradectl.execution.reconcile_symbol import classify
from tradectl.execution.whose import Owner, Whose

_K = FindingKind


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found, what is done about it without a person, and the world that this was true of."""

    at_ms: int
    findings: tuple[Finding, ...]
    actions: tuple[Action, ...]
    fingerprint: str
    event_seq: int = 0  # the picture's last account event

    @property
    def severity(self) -> Severity:
        return max((finding.severity for finding in self.findings), default=Severity.AGREES)


def plan(picture: Snapshot, local: Local, *, adopt: frozenset[str] = frozenset(), report_only: bool = False) -> Plan:
    """adopt: symbols in which an operator takes the venue's picture over the books. report_only: positions that
    nothing of ours explains are not protected."""
    orders = sorted(picture.orders, key=lambda order: (len(order.order_id), order.order_id))
    by_symbol = _orders_by_symbol(orders)
    legs = _legs(picture.positions)
    whose = Owner(local.store_tag, local.parents)
    findings: list[Finding] = []
    actions: list[Action] = []
    if any(local.unbooked.values()) or local.overfull:
        count = sum(local.unbooked.values())
        taken = f"{count} fill{'s' if count > 1 else ''} of the venue taken in"
        actions.append(Action(ActionKind.BOOK, "", taken if count else "what stood in for fills is taken back"))
    for symbol in sorted(legs.keys() | local.lots.keys() | local.lots_after.keys() | local.managed.keys()):
        found, steps = classify(symbol, legs.get(symbol, ()), local, adopt, in_doubt=bool(picture.doubts))
        findings.append(found)
        actions += steps
        for position in legs.get(symbol, ()):
            for naked in _naked(position, by_symbol.get(symbol, ()), found, report_only=report_only):
                findings.append(naked)
                if naked.automatic:
                    actions.append(Action(ActionKind.PROTECT, symbol, naked.evidence))
    flat = _flat_symbols(by_symbol, legs, local) if not picture.doubts else frozenset()
    for order in orders:
        found, steps = _order(order, whose, local, gone=order.symbol in flat)
        findings.append(found)
        actions += steps
    for sentence in picture.doubts:
        findings.append(Finding(_K.UNREADABLE, "", sentence, person="try again", commands=("tradectl reconcile",)))
    actions += _blocks(findings, local, in_doubt=bool(picture.doubts))
    return Plan(picture.at_ms, tuple(findings), tuple(actions), fingerprint(picture, local), picture.event_seq)


def _naked(
    position: PositionFact, orders: Iterable[OrderFact], found: Finding, *, report_only: bool
) -> Iterator[Finding]:
    cover = coverage(position, orders)
    if cover.protection is Protection.COVERED:
        return
    evidence = (
        f"stops cover {text(cover.covered_qty)} of {text(abs(position.qty))}{f'; {cover.why}' if cover.why else ''}"
    )
    unexplained = found.blocks and found.kind in (_K.PHANTOM, _K.CONFLICT)
    if unexplained and report_only:
        command = f"tradectl stops place-missing --symbol {position.symbol} --apply"
        yield Finding(_K.NAKED, position.symbol, evidence, person="place the missing stop", commands=(command,))
        return
    where = "measured from the mark" if unexplained else "at its planned level"
    yield Finding(_K.NAKED, position.symbol, evidence, automatic=f"the missing stop is placed, {where}")


def _order(order: OrderFact, whose: Owner, local: Local, *, gone: bool) -> tuple[Finding, list[Action]]:
    kind = whose.of(order)
    what = f"{order.side.value} {order.type.value} of {text(order.qty)}"
    if kind is Whose.OTHER_STORE:
        evidence = f"{what} carries {order.client_id}: a bot with another store trades on this account"
        found = Finding(
            _K.OTHER_STORE,
            order.symbol,
            evidence,
            person="stop that bot, then cancel its order",
            commands=(f"tradectl orders cancel {order.order_id}",),
            order_id=order.order_id,
            blocks=True,
        )
        return found, _noted(order, "other_store", local)
    if kind is Whose.FOREIGN:
        found = Finding(_K.FOREIGN, order.symbol, f"{what} is not ours: left alone", order_id=order.order_id)
        return found, _noted(order, "foreign", local)
    if gone and order.reduces:
        evidence = f"{what} is ours, and its position is gone on both sides"
        found = Finding(_K.STRAY, order.symbol, evidence, automatic="cancelled", order_id=order.order_id)
        return found, [Action(ActionKind.CANCEL, order.symbol, "its position is gone", order_id=order.order_id)]
    if kind is Whose.ATTACHED:
        return Finding(_K.MATCHED, order.symbol, f"{what} is attached to an order of ours", order_id=order.order_id), []
    state = local.states.get(order.client_id or "")
    if state is None or state in (IntentState.REJECTED, IntentState.NOT_PLACED):
        why = "no intent of this store" if state is None else f"its intent is {state.value}"
        kept = "; it protects, and is kept" if order.protective else ""
        evidence = f"{what} carries {order.client_id}: {why}{kept}"
        if order.protective:
            return Finding(_K.STRAY, order.symbol, evidence, order_id=order.order_id), _noted(order, "stray", local)
        found = Finding(
            _K.STRAY,
            order.symbol,
            evidence,
            person="cancel it",
            commands=(f"tradectl orders cancel {order.order_id}",),
            order_id=order.order_id,
            blocks=True,
        )
        return found, _noted(order, "stray", local)
    return Finding(_K.MATCHED, order.symbol, f"{what} is {order.client_id}", order_id=order.order_id), []


def _noted(order: OrderFact, whose: str, local: Local) -> list[Action]:
    if order.order_id in local.noted:
        return []
    return [
        Action(
            ActionKind.NOTE, order.symbol, "on record", order_id=order.order_id, client_id=order.client_id, whose=whose
        )
    ]


def _blocks(findings: Iterable[Finding], local: Local, *, in_doubt: bool) -> list[Action]:
    """Latches for what a person has to see to; those whose finding is gone are lifted, unless something is in doubt."""
    wanted: dict[str, str] = {}
    for found in findings:
        if found.blocks:
            scope = "" if found.kind is _K.OTHER_STORE else found.symbol
            wanted.setdefault(scope, f"{found.kind.value}: {found.evidence}")
    steps = [
        Action(ActionKind.BLOCK, scope, why) for scope, why in sorted(wanted.items()) if scope not in local.blocked
    ]
    if not in_doubt:
        gone = sorted(local.blocked - wanted.keys())
        steps += [Action(ActionKind.UNBLOCK, scope, "venue and books agree again") for scope in gone]
    return steps


def _flat_symbols(
    by_symbol: Mapping[str, tuple[OrderFact, ...]], legs: Mapping[str, tuple[PositionFact, ...]], local: Local
) -> frozenset[str]:
    """Symbols in which both sides are flat and nothing is on its way (R5)."""
    busy = legs.keys() | local.lots_after.keys() | local.flights.keys() | local.doubtful
    return frozenset(
        symbol
        for symbol in by_symbol
        if symbol not in busy
        and (symbol not in local.managed or local.managed[symbol].state is not PositionState.PENDING)
    )


def _orders_by_symbol(orders: Iterable[OrderFact]) -> dict[str, tuple[OrderFact, ...]]:
    found: dict[str, list[OrderFact]] = {}
    for order in orders:
        found.setdefault(order.symbol, []).append(order)
    return {symbol: tuple(listed) for symbol, listed in found.items()}


def _legs(listed: Iterable[PositionFact]) -> dict[str, tuple[PositionFact, ...]]:
    found: dict[str, list[PositionFact]] = {}
    for position in listed:
        if position.qty:
            found.setdefault(position.symbol, []).append(position)
    return {symbol: tuple(sorted(legs, key=lambda leg: leg.qty)) for symbol, legs in found.items()}


def fingerprint(picture: Snapshot, local: Local) -> str:
    """Of positions, orders and books (R8)."""
    body = [
        sorted([position.symbol, text(position.qty)] for position in picture.positions if position.qty),
        sorted(
            [
                order.order_id,
                order.status.value,
                text(order.qty),
                text(order.filled_qty),
                text(order.trigger_price) if order.trigger_price is not None else "",
                text(order.price) if order.price is not None else "",
            ]
            for order in picture.orders
        ),
        sorted([symbol, text(qty)] for symbol, qty in local.lots.items()),
        sorted([symbol, text(qty)] for symbol, qty in local.lots_after.items()),
        sorted([ours.number, ours.symbol, ours.state.value, text(ours.entry_qty)] for ours in local.managed.values()),
        sorted(
            [symbol, *(f"{one.client_id}:{text(one.qty)}" for one in them)] for symbol, them in local.flights.items()
        ),
        sorted(local.doubtful),
        sorted(local.blocked),
    ]
    return hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).hexdigest()[:32]
