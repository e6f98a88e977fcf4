"""How long positions are naked, measured and said: when a spell begins, and when nothing could be done about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tradectl import logs
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.money import text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import Coverage, PositionFact, coverage
from tradectl.domain.tags import Tag
from tradectl.store import cycles, ledger, outbox
from tradectl.store.connection import Connection
from tradectl.store.database import Database

_log = logs.get("execution.naked")
_TYPE = Tag.SAFETY_NAKED_POSITION.value.lower()
UNLISTED = "the venue does not list it any more: no order can be sized for it"


def begin(
    db: Database, position: PositionFact, trade: OpenTrade | None, cover: Coverage, now_ms: int, *, more: str = ""
) -> None:
    """A spell begins, unless one runs: from the last complete cycle, in which the position was not naked yet.

    more: what else is to be said of it.
    """
    if trade is not None and trade.naked_since_ms is not None:
        return
    sentence = (
        f"{position.side.value} {text(abs(position.qty))} {position.symbol} is {cover.protection.value}: "
        f"stops cover {text(cover.covered_qty)}{f' ({cover.why})' if cover.why else ''}{f'; {more}' if more else ''}"
    )
    with db.read() as conn:
        seen_ms = cycles.progress(conn).venue_ms
        if trade is None and _just_said(conn, position.symbol, sentence, now_ms):
            return  # no trade of the ledger keeps its spell: what was just said is not said each pass
    since = max(trade.opened_ms, min(seen_ms, now_ms)) if trade is not None else now_ms
    _log.emit(Tag.SAFETY_NAKED_POSITION, sentence, symbol=position.symbol, naked_ms=now_ms - since)
    with db.transaction() as conn:
        if trade is not None:
            ledger.begin_naked(conn, trade.number, since)
        _alert(conn, position, sentence, now_ms)


def end(db: Database, trade: OpenTrade | None, now_ms: int) -> None:
    if trade is None or trade.naked_since_ms is None:
        return
    with db.transaction() as conn:
        ledger.end_naked(conn, trade.number, now_ms)


def alarm(db: Database, position: PositionFact, sentence: str, at_ms: int) -> None:
    """What was done about a position that cannot be protected, or that nothing could be."""
    _log.emit(Tag.SAFETY_NAKED_POSITION, sentence, level=50, symbol=position.symbol, qty=text(abs(position.qty)))
    with db.transaction() as conn:
        _alert(conn, position, sentence, at_ms)


def legs(db: Database, held: Sequence[PositionFact], orders: Iterable[OrderFact], now_ms: int) -> None:
    """A symbol is held on both sides at once: said and alerted, whatever covers it; not in each pass anew."""
    found = [(leg, coverage(leg, orders)) for leg in held]
    each = " and ".join(f"{leg.side.value} {text(abs(leg.qty))} ({cover.protection.value})" for leg, cover in found)
    repeat(db, held[0], f"{held[0].symbol} has several legs: {each}; one-way mode is needed, close one of them", now_ms)


def fault(db: Database, position: PositionFact, error: Exception, now_ms: int) -> None:
    """An error of our own while this position was looked at; called while it is being handled."""
    sentence = f"{position.symbol} may be left naked, an error of the bot itself: {type(error).__name__}: {error}"
    logs.trace("execution.naked", sentence, symbol=position.symbol)
    with db.read() as conn:
        if _just_said(conn, position.symbol, sentence, now_ms):
            return
    with db.transaction() as conn:
        _alert(conn, position, sentence, now_ms)


def repeat(db: Database, position: PositionFact, sentence: str, now_ms: int) -> None:
    """What is found in each pass again: alerted when it begins, and every few minutes while it lasts."""
    with db.read() as conn:
        if _just_said(conn, position.symbol, sentence, now_ms):
            return
    alarm(db, position, sentence, now_ms)


def _just_said(conn: Connection, symbol: str, sentence: str, now_ms: int) -> bool:
    said_ms = outbox.said_ms(conn, _TYPE, symbol, sentence)
    return said_ms is not None and now_ms - said_ms < outbox.REPEAT_MS


def _alert(conn: Connection, position: PositionFact, sentence: str, at_ms: int) -> None:
    outbox.put(
        conn,
        at_ms=at_ms,
        type=_TYPE,
        symbol=position.symbol,
        urgent=True,
        text=sentence,
        context={"symbol": position.symbol, "qty": text(abs(position.qty))},
    )
