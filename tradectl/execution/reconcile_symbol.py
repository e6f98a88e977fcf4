"""One symbol, venue against books: what it is, and what follows. Pure; the numbered rules stand in reconcile.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from tradectl.domain.finding import Finding, FindingKind
from tradectl.domain.lifecycle import Managed, Origin, PositionState
from tradectl.domain.money import ZERO, text
from tradectl.domain.position import PositionFact
from tradectl.execution.reconcile_sides import Action, ActionKind, Flight, Local

_K = FindingKind
_TAKE = "look at the venue, then take its picture over"


def classify(
    symbol: str, legs: tuple[PositionFact, ...], local: Local, adopt: frozenset[str], *, in_doubt: bool
) -> tuple[Finding, list[Action]]:
    if len(legs) > 1:
        both = " and ".join(f"{leg.side.value} {text(abs(leg.qty))}" for leg in legs)
        evidence = f"the venue shows several legs: {both}"
        return _person(_K.CONFLICT, symbol, evidence, "close one leg at the venue; one-way mode is needed"), []
    position = legs[0] if legs else None
    after = local.lots_after.get(symbol, ZERO)
    found, steps = (
        _absent(symbol, after, local, in_doubt=in_doubt) if position is None else _present(position, after, local)
    )
    if symbol in adopt and found.blocks and not in_doubt:
        return _adopted(symbol, position, after, found, local.managed.get(symbol))
    return found, steps


def _absent(symbol: str, after: Decimal, local: Local, *, in_doubt: bool) -> tuple[Finding, list[Action]]:
    """The venue shows no position. That alone is not evidence of anything (R3)."""
    now, ours = local.lots.get(symbol, ZERO), local.managed.get(symbol)
    if after:
        evidence = f"the books hold {text(after)}, the venue lists nothing, and no fill closes it"
        if in_doubt:
            return Finding(
                _K.UNREADABLE, symbol, evidence, person="try again", commands=("tradectl reconcile",), blocks=True
            ), []
        return _person(_K.ORPHAN, symbol, evidence, _TAKE, _adopt(symbol)), []
    if now:
        count = local.unbooked.get(symbol, 0)
        evidence = f"the books hold {text(now)}; {count} fill{'s' if count > 1 else ''} at the venue closed it"
        if not count:
            evidence = f"the books hold {text(now)} in place of fills that never came"
        return Finding(_K.ORPHAN, symbol, evidence, automatic="booked and closed; what it left behind is cancelled"), []
    if ours is not None and ours.state is PositionState.PENDING:
        return Finding(_K.MATCHED, symbol, "an entry is in flight, and nothing has filled"), []
    if ours is not None:
        evidence = f"position {ours.number} is {ours.state.value}, and ledger and venue are flat"
        reason = "ledger and venue are flat"
        return Finding(_K.ORPHAN, symbol, evidence, automatic="closed here"), [
            Action(ActionKind.TAKE_OVER, symbol, reason, qty=ZERO)
        ]
    return Finding(_K.MATCHED, symbol, "flat on both sides"), []


def _present(position: PositionFact, after: Decimal, local: Local) -> tuple[Finding, list[Action]]:
    symbol, theirs = position.symbol, position.qty
    now, ours = local.lots.get(symbol, ZERO), local.managed.get(symbol)
    missing = theirs - after
    flights = local.flights.get(symbol, ())
    flying = sum((one.qty for one in flights), ZERO)
    if after and (after > 0) != (theirs > 0):
        evidence = f"the venue shows {text(theirs)}, the books hold {text(after)}: opposite sides"
        return _person(_K.CONFLICT, symbol, evidence, _TAKE, _adopt(symbol)), []
    mine = not after or local.held_by_us(symbol) or (ours is not None and ours.state is not PositionState.PENDING)
    if mine and missing and flying and (flying > 0) == (theirs > 0) == (missing > 0) and abs(missing) <= abs(flying):
        evidence = f"the venue shows {text(theirs)}, an entry of {text(flying)} is in flight, its fills are not here"
        said = "adopted by a fill that stands in until the real ones come"
        return Finding(_K.PENDING_ADOPTED, symbol, evidence, automatic=said), _stand_ins(position, missing, flights)
    if not after:
        if flying and (flying > 0) != (theirs > 0):
            evidence = f"the venue shows {text(theirs)} while an entry of {text(flying)} is in flight"
            return _person(_K.CONFLICT, symbol, evidence, _TAKE, _adopt(symbol)), []
        evidence = f"the venue shows {text(theirs)} at {text(position.entry_price)}; no fill of ours explains it"
        return _person(_K.PHANTOM, symbol, evidence, "adopt it, or close it", _adopt(symbol), _close(symbol)), []
    if missing:
        evidence = f"the venue shows {text(theirs)}, the books come to {text(after)}, and no fill explains the rest"
        return _person(_K.DRIFT, symbol, evidence, _TAKE, _adopt(symbol)), []
    return _agreeing(position, now, ours, local)


def _agreeing(position: PositionFact, now: Decimal, ours: Managed | None, local: Local) -> tuple[Finding, list[Action]]:
    """Venue and ledger have the same quantity: whose is it, and is it as it should be?"""
    symbol, theirs = position.symbol, position.qty
    if ours is not None and ours.state is not PositionState.PENDING and now * theirs < 0:
        ours = None  # the fills that turned it over close it
    if ours is not None and ours.state is not PositionState.PENDING and ours.side is not position.side:
        evidence = f"the position here is {ours.side.value}, the venue's is {position.side.value}"
        return _person(_K.CONFLICT, symbol, evidence, _TAKE, _adopt(symbol)), []
    if (ours is None or ours.state is PositionState.PENDING) and not local.held_by_us(symbol):
        evidence = f"{text(theirs)} at {text(position.entry_price)} was opened by orders that are not ours"
        return _person(_K.PHANTOM, symbol, evidence, "adopt it, or close it", _adopt(symbol), _close(symbol)), []
    if position.side not in local.sides and (ours is None or ours.origin is not Origin.ADOPTED):
        evidence = f"{position.side.value} {text(abs(theirs))}: the strategy does not trade that direction"
        return _person(_K.CONFLICT, symbol, evidence, "close it", _close(symbol)), []
    if ours is None:
        evidence = f"{text(theirs)} at the venue, opened by {local.openers_after.get(symbol)}; no position of it here"
        reason = "our own orders opened it"
        take = Action(ActionKind.TAKE_OVER, symbol, reason, qty=theirs, price=position.entry_price)
        return Finding(_K.EXPLAINED, symbol, evidence, automatic="taken over with its stops and targets"), [take]
    if now != theirs:
        count = local.unbooked.get(symbol, 0)
        fills = f"{count} fills explain" if count > 1 else "one fill explains"
        if not count:
            fills = "what stood in for more fills than came explains"
        evidence = f"the books hold {text(now)}, the venue {text(theirs)}: {fills} it"
        return Finding(_K.DRIFT, symbol, evidence, automatic="booked; its stops are sized anew"), []
    return Finding(_K.MATCHED, symbol, f"{text(theirs)} on both sides"), []


def _stand_ins(position: PositionFact, missing: Decimal, flights: Iterable[Flight]) -> list[Action]:
    steps: list[Action] = []
    for flight in flights:
        share = min(abs(missing), abs(flight.qty)) * (1 if missing > 0 else -1)
        if share:
            steps.append(
                Action(
                    ActionKind.STAND_IN,
                    position.symbol,
                    "the venue shows it before its fills",
                    qty=share,
                    price=position.entry_price,
                    client_id=flight.client_id,
                )
            )
        missing -= share
    return steps


def _adopted(
    symbol: str, position: PositionFact | None, after: Decimal, found: Finding, ours: Managed | None
) -> tuple[Finding, list[Action]]:
    """An operator's word: the venue's picture counts."""
    theirs = position.qty if position is not None else ZERO
    if theirs and ours is not None and ours.state is PositionState.PENDING:
        return replace(found, person="wait for the entry of ours that is in flight there, then adopt it"), []
    reason = "adopted on an operator's word"
    price = position.entry_price if position is not None else None
    steps = [Action(ActionKind.ADJUST, symbol, reason, qty=theirs - after, price=price)] if theirs != after else []
    if theirs:
        steps.append(Action(ActionKind.ADOPT, symbol, reason, qty=theirs, price=price))
    said = f"the books are set to the venue's {text(theirs)}" if theirs != after else "taken over and managed"
    return Finding(found.kind, symbol, found.evidence, automatic=f"{said}: adopted"), steps


def _person(kind: FindingKind, symbol: str, evidence: str, person: str, *commands: str) -> Finding:
    return Finding(kind, symbol, evidence, person=person, commands=commands, blocks=True)


def _adopt(symbol: str) -> str:
    return f"tradectl reconcile --adopt {symbol} --apply --reason TEXT"


def _close(symbol: str) -> str:
    return f"tradectl positions close {symbol} --reason TEXT"
