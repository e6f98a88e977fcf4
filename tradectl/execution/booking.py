"""What one account event does to the books, within one transaction: ledger, open trade, position of ours, counters.

Whose a fill is, its client id says, or the order that it was attached to. A position is ours when an entry of ours
opened it; what others open is in the ledger (it is the account's) and in nobody's management.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tradectl.domain import risk_state
from tradectl.domain.correction import ended
from tradectl.domain.fill import AccountEvent, Fill, FillKind, Funding, TransferFact
from tradectl.domain.intent import ClientId, Intent, Purpose
from tradectl.domain.ledger import ClosedTrade, OpenTrade, book_fill, book_funding
from tradectl.domain.lifecycle import Origin, PositionState
from tradectl.domain.money import ZERO, amount, divide, text
from tradectl.domain.risk_state import RiskState
from tradectl.domain.tags import Tag
from tradectl.execution import making_way
from tradectl.execution.making_way import Put, Share
from tradectl.store import identity, intents, invented, journal, ledger, outbox, positions, risk, session, transfers
from tradectl.store.connection import Connection
from tradectl.store.invented import Invented

Line = tuple[Tag, str, dict[str, object]]


class Booking:
    """The state of one booking transaction. `lines` are to be logged once it has committed."""

    def __init__(self, conn: Connection, currency: str) -> None:
        self._conn = conn
        self._currency = currency
        self._tag = identity.read(conn).store_tag
        self._trades = ledger.open_trades(conn)
        self._risk: RiskState | None = risk.load(conn)
        self._last_ms = 0
        self.fills: list[Fill] = []
        self.fundings: list[Funding] = []
        self.transfers: list[TransferFact] = []
        self.opened: list[OpenTrade] = []
        self.closed: list[ClosedTrade] = []
        self.lines: list[Line] = []

    def take(self, event: AccountEvent) -> None:
        """Books one event; one that is known already changes nothing (promise 7)."""
        self._last_ms = max(self._last_ms, event.at_ms)
        if isinstance(event, Fill):
            self._fill(event)
        elif isinstance(event, Funding):
            self._funding(event)
        else:
            self._transfer(event)

    def finish(self, last_seq: int) -> None:
        if not self._last_ms and self._risk is not None:  # nothing was taken
            self._last_ms = self._risk.last_equity_ms
        for one, qty in invented.overfull(self._conn):
            self._take_back(one, qty)
        if self._risk is not None:
            risk.save(self._conn, self._risk)
        ledger.set_cursor(self._conn, max(last_seq, ledger.cursor(self._conn)))
        positions.settle_all(self._conn, self._last_ms)

    def _fill(self, fill: Fill) -> None:
        if ledger.knows(self._conn, fill.execution_id):
            return
        brought_in, left = making_way.shares(self._conn, fill)
        if not brought_in:
            self._book(fill, fill, 0, ZERO)
            return
        self._entry_of(fill)  # its number is taken at the venue
        number, realised, fee = 0, ZERO, fill.fee
        for trade, them in self._by_trade(brought_in):
            qty = sum((share.qty for share in them), ZERO)
            part = replace(fill, qty=qty, fee=divide(fill.fee * qty, fill.qty) if qty != fill.qty else fill.fee)
            realised += self._put_in(trade, part, them)
            number, fee = trade.number, fee - part.fee
        if left:
            self._book(fill, replace(fill, qty=left, fee=fee), number, realised)
        else:
            self._enter(fill, realised, number)

    def _by_trade(self, brought_in: list[Share]) -> list[tuple[OpenTrade | ClosedTrade, list[Share]]]:
        grouped: dict[int, list[Share]] = {}
        for share in brought_in:
            grouped.setdefault(share.of.trade_number, []).append(share)
        found: list[tuple[OpenTrade | ClosedTrade, list[Share]]] = []
        for number, them in grouped.items():
            held = self._trades.get(them[0].of.symbol)
            trade = held if held is not None and held.number == number else ledger.trade(self._conn, number)
            assert trade is not None, "what is in no trade of ours has brought nothing in"
            found.append((trade, them))
        return found

    def _put_in(self, trade: OpenTrade | ClosedTrade, part: Fill, them: list[Share]) -> Decimal:
        """A real fill (or part of one) in the place of what had brought its quantity in: what it realised there."""
        put = making_way.put_in(self._conn, trade, part, them)
        self._moved(put)
        ours = positions.of(self._conn, part.symbol)
        if part.side is trade.side.closing and ours is not None and ours.trade_number == trade.number:
            self._reduced(part)
        return put.realised

    def _take_back(self, one: Invented, qty: Decimal) -> None:
        """The order of a stand-in has ended with less than was taken for it: the rest was never ours."""
        trade = self._trades.get(one.symbol)
        if trade is None or trade.number != one.trade_number:
            return
        put = making_way.take_back(self._conn, trade, one, min(qty, abs(trade.lot.qty)))
        if put is None or put.open is None:
            return
        self._moved(put)
        left, ours = put.open, positions.of(self._conn, one.symbol)
        gone = abs(trade.lot.qty) - abs(left.lot.qty)
        sentence = f"{text(gone)} {one.symbol} stood in for fills of {one.client_id} that never came: taken back"
        journal.append(
            self._conn,
            at_ms=self._last_ms,
            kind="state",
            actor="bot",
            subject=f"stand_in:{one.symbol}",
            symbol=one.symbol,
            body={"client_id": one.client_id, "qty": text(gone), "sentence": sentence},
        )
        self.lines.append((Tag.RECON_PENDING_ADOPTED, sentence, {"symbol": one.symbol}))
        if ours is not None and ours.trade_number == trade.number:
            positions.taken_back(self._conn, ours, gone)
        if left.lot.qty:
            return
        closed = ended(left, self._last_ms, "stand_in")
        if closed is not None:
            self._close(closed, self._last_ms)
        else:
            ledger.drop_open_trade(self._conn, left.number)
            positions.flat(self._conn, one.symbol, self._last_ms)
        del self._trades[one.symbol]

    def _moved(self, put: Put) -> None:
        for difference, at_ms in put.moved:
            self._cash(difference, at_ms)
        if put.open is not None:
            self._trades[put.open.symbol] = put.open
            ledger.save_open_trade(self._conn, put.open)
        if put.closed is None or put.before is None:
            return
        ledger.correct_trade(self._conn, put.closed)
        newest = ledger.trades(self._conn, 1)[0].number == put.closed.number
        lost, was_lost = put.closed.net < 0, put.before.net < 0
        if self._risk is not None and lost != was_lost and (lost or newest):  # later trades keep their streak
            self._risk = risk_state.book_trade(self._risk, put.closed.net, put.closed.closed_ms)
        sentence = (
            f"trade {put.closed.number} of {put.closed.symbol} corrected by its real fills: net "
            f"{amount(put.closed.net, self._currency)}, was {amount(put.before.net, self._currency)}"
        )
        journal.append(
            self._conn,
            at_ms=self._last_ms,
            kind="trade",
            actor="venue",
            subject=f"trade {put.closed.number}",
            symbol=put.closed.symbol,
            body={**_trade_body(put.closed), "net_before": text(put.before.net)},
        )
        self.lines.append((Tag.TRADE_CLOSED, sentence, {"symbol": put.closed.symbol, "trade": put.closed.number}))

    def _enter(self, fill: Fill, realised: Decimal, number: int) -> None:
        ledger.add_fill(self._conn, fill, realised, number)
        self.fills.append(fill)
        self._cash(realised - fill.fee, fill.at_ms)
        self._say_fill(fill, realised)

    def _book(self, fill: Fill, fresh: Fill, number: int, realised: Decimal) -> None:
        """`fresh`: as much of a fill as nothing has brought in yet. The rest of it is in trade `number`, with what it
        realised there."""
        before = self._trades.get(fill.symbol)
        booked = book_fill(before, fresh, ledger.next_trade_number(self._conn))
        if not number:
            number = before.number if before is not None else booked.open.number if booked.open is not None else 0
        self._enter(fill, realised + booked.realised, number)
        if before is not None and fill.side is before.side.closing:
            self._reduced(fresh)
        if booked.closed is not None:
            self._close(booked.closed, fill.at_ms, urgent=fill.kind is FillKind.LIQUIDATION)
        if booked.open is None:
            self._trades.pop(fill.symbol, None)
            return
        begins = before is None or booked.closed is not None
        trade = booked.open
        grown = min(fresh.qty, abs(trade.lot.qty))
        grew = begins or (before is not None and abs(trade.lot.qty) > abs(before.lot.qty))
        if grew:
            trade = self._with_plan(trade, fill, grown)
        self._trades[fill.symbol] = trade
        ledger.save_open_trade(self._conn, trade)
        if begins:
            self._open(trade, fill)
        if grew:
            self._manage(trade, fill, begins=begins, fresh=grown)

    def _manage(self, trade: OpenTrade, fill: Fill, *, begins: bool, fresh: Decimal) -> None:
        """An entry of ours that opened or enlarged a position, by `fresh`, moves our position along."""
        entry, ours = self._entry_of(fill)
        if not ours:
            return
        held = positions.of(self._conn, fill.symbol)
        if held is not None and held.state is PositionState.PENDING and not begins:
            return  # others opened what it went into, and nobody here manages that
        if held is not None and held.side is trade.side:
            seen = fill.kind is FillKind.SYNTHETIC
            positions.filled(self._conn, fill.symbol, trade.number, fresh, fill.at_ms, seen=seen)
        elif held is None and begins:
            # Ours by its client id, and no intent of this store began it: the store is older than the order.
            stop = entry.stop.trigger_price if entry is not None and entry.stop is not None else None
            positions.take_over(
                self._conn, fill.symbol, trade.side, Origin.EXPLAINED, trade_number=trade.number,
                entry_qty=abs(trade.lot.qty), stop_price=stop, at_ms=fill.at_ms,
            )  # fmt: skip

    def _entry_of(self, fill: Fill) -> tuple[Intent | None, bool]:
        """The entry of ours that a fill belongs to, as far as this store knows it, and whether it is ours at all."""
        ours = ClientId.parse(fill.client_id)
        if ours is None or ours.store_tag != self._tag or ours.purpose is not Purpose.ENTRY:
            return None, False
        if not ours.emergency:
            intents.keep_clear_of(self._conn, ours.number)
        return intents.by_client_id(self._conn, str(fill.client_id)), True

    def _reduced(self, fill: Fill) -> None:
        """Which of its targets a fill belongs to, that made a position smaller."""
        ours = ClientId.parse(fill.client_id)
        if ours is not None and ours.store_tag == self._tag and ours.purpose in (Purpose.TP1, Purpose.TP2):
            positions.target_filled(self._conn, fill.symbol, ours.purpose.value, fill.qty)
        elif fill.parent_id is not None and fill.reason == "target":
            positions.target_filled(self._conn, fill.symbol, Purpose.TP1.value, fill.qty)

    def _with_plan(self, trade: OpenTrade, fill: Fill, fresh: Decimal) -> OpenTrade:
        """Takes the exit plan from the entry's own intent; a position that no intent explains has none."""
        ours = ClientId.parse(fill.client_id)
        if ours is None or ours.purpose is not Purpose.ENTRY:
            return trade
        intent = intents.by_client_id(self._conn, str(fill.client_id))
        if intent is None or intent.stop is None:
            return trade
        stop = intent.stop.trigger_price
        at_risk = abs(fill.price - stop) * fresh
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

    def _close(self, closed: ClosedTrade, at_ms: int, *, urgent: bool = False) -> None:
        self.closed.append(closed)
        ledger.close_trade(self._conn, closed)
        positions.flat(self._conn, closed.symbol, at_ms)
        if self._risk is not None:
            self._risk = risk_state.book_trade(self._risk, closed.net, closed.closed_ms)
        minutes = (closed.closed_ms - closed.opened_ms) // 60_000
        sentence = (
            f"{closed.side.value} {closed.symbol} closed by {closed.exit_reason}: "
            f"net {amount(closed.net, self._currency)} after {minutes} min"
        )
        body = _trade_body(closed)
        journal.append(
            self._conn,
            at_ms=at_ms,
            kind="trade",
            actor="venue",
            subject=f"trade {closed.number}",
            symbol=closed.symbol,
            body=body,
        )
        self.lines.append((Tag.TRADE_CLOSED, sentence, {"symbol": closed.symbol, "trade": closed.number}))
        self._alert("position_closed", closed.symbol, at_ms, sentence, body, urgent=urgent)

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

    def _say_fill(self, fill: Fill, realised: Decimal) -> None:
        body: dict[str, object] = {
            "side": fill.side.value,
            "qty": text(fill.qty),
            "price": text(fill.price),
            "fee": text(fill.fee),
            "realised": text(realised),
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
            (Tag.FILL, sentence, {"symbol": fill.symbol, "fee": text(fill.fee), "realised": text(realised)})
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


def _trade_body(closed: ClosedTrade) -> dict[str, object]:
    return {
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
