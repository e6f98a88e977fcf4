"""Fills, funding and transfers into the ledger: each once, by its execution id, with the counters it moves (promise 7).

Events are paged to the end first, then booked in one transaction: ledger rows, open trades, risk counters, journal,
alerts and the cursor commit together or not at all, so a crash anywhere books each of them exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl import logs
from tradectl.domain import risk_state
from tradectl.domain.fill import AccountEvent, Fill, FillKind, Funding, TransferFact
from tradectl.domain.intent import ClientId, Purpose
from tradectl.domain.ledger import Booked, ClosedTrade, OpenTrade, book_fill, book_funding
from tradectl.domain.money import ZERO, amount, text
from tradectl.domain.ports import Venue
from tradectl.domain.risk_state import RiskState
from tradectl.domain.tags import Tag
from tradectl.store import intents, journal, ledger, outbox, risk, session, transfers
from tradectl.store.connection import Connection
from tradectl.store.database import Database

_log = logs.get("execution.ingest")
PAGE = 200


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one ingestion booked, and the cursor it ended at."""

    cursor: int
    fills: tuple[Fill, ...] = ()
    fundings: tuple[Funding, ...] = ()
    transfers: tuple[TransferFact, ...] = ()
    opened: tuple[OpenTrade, ...] = ()
    closed: tuple[ClosedTrade, ...] = ()

    @property
    def anything(self) -> bool:
        return bool(self.fills or self.fundings or self.transfers)


async def fetch_events(venue: Venue, after_seq: int) -> list[AccountEvent]:
    """Every account event after the cursor, oldest first; raises VenueUnreachable rather than stop half-way."""
    events: list[AccountEvent] = []
    while True:
        page = await venue.account_events(after_seq, PAGE)
        events.extend(page)
        if len(page) < PAGE:
            return events
        after_seq = page[-1].seq


async def ingest(db: Database, venue: Venue, currency: str, after_seq: int | None = None) -> Ingested:
    """Takes in everything since the stored cursor, or since `after_seq` where the caller knows it.

    Another process may have booked some of it meanwhile: what is known already is passed over.
    """
    if after_seq is None:
        with db.read() as conn:
            after_seq = ledger.cursor(conn)
    events = await fetch_events(venue, after_seq)
    if not events:
        return Ingested(after_seq)
    with db.transaction() as conn:
        booking = _Booking(conn, currency)
        for event in events:
            booking.take(event)
        booking.finish(events[-1].seq)
    for line in booking.lines:
        _log.emit(*line)
    return Ingested(
        cursor=events[-1].seq,
        fills=tuple(booking.fills),
        fundings=tuple(booking.fundings),
        transfers=tuple(booking.transfers),
        opened=tuple(booking.opened),
        closed=tuple(booking.closed),
    )


class _Booking:
    """The state of one booking transaction."""

    def __init__(self, conn: Connection, currency: str) -> None:
        self._conn = conn
        self._currency = currency
        self._trades = ledger.open_trades(conn)
        self._risk: RiskState | None = risk.load(conn)
        self.fills: list[Fill] = []
        self.fundings: list[Funding] = []
        self.transfers: list[TransferFact] = []
        self.opened: list[OpenTrade] = []
        self.closed: list[ClosedTrade] = []
        self.lines: list[tuple[Tag, str, dict[str, object]]] = []

    def take(self, event: AccountEvent) -> None:
        if isinstance(event, Fill):
            self._fill(event)
        elif isinstance(event, Funding):
            self._funding(event)
        else:
            self._transfer(event)

    def finish(self, last_seq: int) -> None:
        if self._risk is not None:
            risk.save(self._conn, self._risk)
        ledger.set_cursor(self._conn, last_seq)

    def _fill(self, fill: Fill) -> None:
        before = self._trades.get(fill.symbol)
        booked = book_fill(before, fill, ledger.next_trade_number(self._conn))
        number = before.number if before is not None else booked.open.number if booked.open is not None else 0
        if not ledger.add_fill(self._conn, fill, booked.realised, number):
            return
        self.fills.append(fill)
        self._cash(booked.realised - fill.fee, fill.at_ms)
        self._say_fill(fill, booked)
        if booked.closed is not None:
            self._close(booked.closed, fill)
        if booked.open is None:
            self._trades.pop(fill.symbol, None)
            return
        trade = self._with_plan(booked.open, fill)
        self._trades[fill.symbol] = trade
        ledger.save_open_trade(self._conn, trade)
        if before is None or booked.closed is not None:
            self._open(trade, fill)

    def _with_plan(self, trade: OpenTrade, fill: Fill) -> OpenTrade:
        """Takes the exit plan from the entry's own intent; a position that no intent explains has none."""
        ours = ClientId.parse(fill.client_id)
        if ours is None or ours.purpose is not Purpose.ENTRY:
            return trade
        intent = intents.by_client_id(self._conn, str(fill.client_id))
        if intent is None or intent.stop is None:
            return trade
        stop = intent.stop.trigger_price
        at_risk = abs(fill.price - stop) * fill.qty
        return replace(
            trade,
            stop_price=stop,
            target_price=intent.target.trigger_price if intent.target else None,
            risk_amount=(trade.risk_amount or ZERO) + at_risk,
            entry_equity=trade.entry_equity or (self._risk.last_equity if self._risk else None),
        )

    def _open(self, trade: OpenTrade, fill: Fill) -> None:
        self.opened.append(trade)
        ours = ClientId.parse(fill.client_id)
        if ours is not None and ours.purpose is Purpose.ENTRY and session.current(self._conn) is not None:
            # Without a session (the bot was stopped before it saw this fill) there is no count that it belongs to.
            session.count_entry(self._conn)
        sentence = f"{trade.side.value} {fill.symbol} opened at {text(fill.price)}"
        self._alert("new_position", fill.symbol, fill.at_ms, sentence, {"qty": text(fill.qty)})

    def _close(self, closed: ClosedTrade, fill: Fill) -> None:
        self.closed.append(closed)
        ledger.close_trade(self._conn, closed)
        if self._risk is not None:
            self._risk = risk_state.book_trade(self._risk, closed.net, closed.closed_ms)
        minutes = (closed.closed_ms - closed.opened_ms) // 60_000
        sentence = (
            f"{closed.side.value} {closed.symbol} closed by {closed.exit_reason}: "
            f"net {amount(closed.net, self._currency)} after {minutes} min"
        )
        body: dict[str, object] = {
            "trade": closed.number,
            "side": closed.side.value,
            "entry_price": text(closed.entry_price),
            "exit_price": text(closed.exit_price),
            "gross": text(closed.gross),
            "fees": text(closed.fees),
            "funding": text(closed.funding),
            "net": text(closed.net),
            "reason": closed.exit_reason,
        }
        journal.append(
            self._conn,
            at_ms=fill.at_ms,
            kind="trade",
            actor="venue",
            subject=f"trade {closed.number}",
            symbol=closed.symbol,
            body=body,
        )
        self.lines.append((Tag.TRADE_CLOSED, sentence, {"symbol": closed.symbol, "trade": closed.number}))
        urgent = fill.kind is FillKind.LIQUIDATION
        self._alert("position_closed", closed.symbol, fill.at_ms, sentence, body, urgent=urgent)

    def _funding(self, funding: Funding) -> None:
        trade = self._trades.get(funding.symbol)
        if not ledger.add_funding(self._conn, funding, trade.number if trade else None):
            return
        self.fundings.append(funding)
        self._cash(funding.amount, funding.at_ms)
        if trade is not None:
            self._trades[funding.symbol] = book_funding(trade, funding)
            ledger.save_open_trade(self._conn, self._trades[funding.symbol])
        journal.append(
            self._conn,
            at_ms=funding.at_ms,
            kind="funding",
            actor="venue",
            subject=funding.funding_id,
            symbol=funding.symbol,
            body={"rate": text(funding.rate), "amount": text(funding.amount)},
        )
        word = "received" if funding.amount > 0 else "paid"
        sentence = f"funding {word}: {amount(abs(funding.amount), self._currency, 4)}"
        self.lines.append((Tag.FUNDING, sentence, {"symbol": funding.symbol, "rate": text(funding.rate)}))

    def _transfer(self, fact: TransferFact) -> None:
        """Peak and day-start move with the money, from the equity last seen before it; nothing else does."""
        if not transfers.add(self._conn, fact):
            return
        self.transfers.append(fact)
        if self._risk is not None and self._risk.last_equity > 0:
            self._risk = risk_state.transfer(self._risk, fact.amount, self._risk.last_equity)
        journal.append(
            self._conn,
            at_ms=fact.at_ms,
            kind="transfer",
            actor="venue",
            subject=fact.transfer_id,
            symbol="",
            body={"amount": text(fact.amount)},
        )
        word = "deposit" if fact.amount > 0 else "withdrawal"
        sentence = f"{word} of {amount(abs(fact.amount), self._currency)}: neither profit nor loss"
        self.lines.append((Tag.TRANSFER, sentence, {"transfer": fact.transfer_id}))

    def _cash(self, net: Decimal, at_ms: int) -> None:
        if self._risk is not None:
            self._risk = risk_state.book_cash(self._risk, net, at_ms)

    def _say_fill(self, fill: Fill, booked: Booked) -> None:
        body: dict[str, object] = {
            "side": fill.side.value,
            "qty": text(fill.qty),
            "price": text(fill.price),
            "fee": text(fill.fee),
            "realised": text(booked.realised),
            "order": fill.order_id,
            "reason": fill.reason,
        }
        journal.append(
            self._conn,
            at_ms=fill.at_ms,
            kind="fill",
            actor="venue",
            subject=fill.execution_id,
            symbol=fill.symbol,
            body=body,
        )
        sentence = f"{fill.reason} {fill.side.value} {text(fill.qty)} {fill.symbol} at {text(fill.price)}"
        self.lines.append(
            (Tag.FILL, sentence, {"symbol": fill.symbol, "fee": text(fill.fee), "realised": text(booked.realised)})
        )

    def _alert(
        self, kind: str, symbol: str, at_ms: int, sentence: str, context: dict[str, object], *, urgent: bool = False
    ) -> None:
        outbox.put(
            self._conn,
            at_ms=at_ms,
            type=kind,
            symbol=symbol,
            urgent=urgent,
            text=sentence,
            context={"symbol": symbol, **context},
        )
