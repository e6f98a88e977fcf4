"""Whatever orders come to and in whatever order it is learnt: positions only ever move along the table."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledger_kit import D, X, entry, read, store, write

from tradectl.domain.fill import Fill, FillKind
from tradectl.domain.intent import ClientId, Intent, IntentState, Purpose, exit_draft
from tradectl.domain.lifecycle import POSITION_TRANSITIONS, Managed, PositionState
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus
from tradectl.domain.position import Side
from tradectl.errors import EntryRefused
from tradectl.execution.admission import OVER, admit
from tradectl.execution.booking import Booking
from tradectl.store import intents, invented, journal, ledger, positions

EDGES = {(before, after, sentence) for before, after, _, sentence in POSITION_TRANSITIONS}


class Lives(RuleBasedStateMachine):
    """One symbol at a venue that is a number: what is held there, and the fills that the books still lack."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.db = store(self.folder)
        self.held = D(0)
        self.unbooked: list[Fill] = []
        self.seq = 0
        self.now_ms = 1_000
        self.candle = 0
        self.side = Side.LONG
        self.said = 0

    @initialize(side=st.sampled_from(Side))
    def begin(self, side: Side) -> None:
        self.side = side

    def teardown(self) -> None:
        try:
            self.settle_everything()
        finally:
            self.db.close()
            shutil.rmtree(self.folder)

    # What the venue does.

    def fill(self, signed: Decimal, client_id: str | None, price: Decimal) -> None:
        self.seq += 1
        self.held += signed
        side = OrderSide.BUY if signed > 0 else OrderSide.SELL
        self.unbooked.append(
            Fill(f"x{self.seq}", self.seq, f"o{client_id}", client_id, None, X, side, abs(signed), price, D("0.01"),
                 self.now_ms, False, reason="market")
        )  # fmt: skip

    def doubtful(self) -> list[Intent]:
        return list(read(self.db, intents.in_doubt))

    def ours(self) -> Managed | None:
        return read(self.db, positions.of, X)

    # What we do.

    @rule(fresh=st.booleans(), qty=st.integers(1, 3))
    def enter(self, fresh: bool, qty: int) -> None:
        self.now_ms += 1
        self.candle += fresh
        draft = entry(self.side, D(qty), candle=self.candle)
        before = self.ours()
        with self.db.transaction() as conn:
            try:
                admit(conn, draft, store=self.db.path, epoch=0, last_resort=False)
            except EntryRefused as refusal:
                if refusal.code == OVER:
                    assert not fresh, "another signal's entry"
                else:
                    assert before is not None or ledger.open_trade(conn, X) is not None
                return
            intents.record(conn, draft, created_ms=self.now_ms, expires_ms=self.now_ms + 5, epoch=0, actor="bot")
        after = self.ours()
        assert after is not None and after.state in (PositionState.PENDING, PositionState.OPEN)
        assert before is None or after.number == before.number

    @precondition(lambda self: self.held != 0)
    @rule(operator=st.booleans(), qty=st.integers(1, 4))
    def leave(self, operator: bool, qty: int) -> None:
        self.now_ms += 1
        side = Side.LONG if self.held > 0 else Side.SHORT
        draft = exit_draft(X, side, min(D(qty), abs(self.held)), "out", operator=operator)
        with self.db.transaction() as conn:
            intents.record(conn, draft, created_ms=self.now_ms, expires_ms=self.now_ms + 5, epoch=0, actor="bot")

    @precondition(lambda self: self.doubtful())
    @rule(which=st.integers(0, 9), what=st.sampled_from(["confirmed", "confirmed", "taken", "refused", "unknown"]),
          share=st.sampled_from(["0", "0.5", "1", "1"]), price=st.integers(90, 110))  # fmt: skip
    def hear(self, which: int, what: str, share: str, price: int) -> None:
        self.now_ms += 1
        doubtful = self.doubtful()
        self.settle(doubtful[which % len(doubtful)], what, D(share), D(price))

    def settle(self, one: Intent, what: str, share: Decimal, price: Decimal) -> None:
        assert one.qty is not None
        unknown = one.state is IntentState.UNKNOWN
        if what == "unknown" and unknown:
            return
        to = {"unknown": IntentState.UNKNOWN, "refused": IntentState.REJECTED}.get(what, IntentState.CONFIRMED)
        order = None
        if to is IntentState.CONFIRMED:
            order = self.at_venue(one, share, price, done=what == "confirmed")
        if to is IntentState.REJECTED and unknown:
            to = IntentState.NOT_PLACED
        with self.db.transaction() as conn:
            if not unknown:
                intents.advance(conn, one.number, IntentState.SENT, at_ms=self.now_ms)
            intents.advance(conn, one.number, to, at_ms=self.now_ms, order=order)

    def at_venue(self, one: Intent, share: Decimal, price: Decimal, *, done: bool) -> OrderFact:
        """Its order; `done`: at its end, with this share of it filled, else as it was taken."""
        assert one.qty is not None
        most = one.qty * share * done
        if one.purpose is not Purpose.ENTRY:
            most = min(most, max(-self.held * one.side.sign, D(0)))
        if most:
            self.fill(most * one.side.sign, one.client_id, price)
        ended = OrderStatus.FILLED if most == one.qty else OrderStatus.EXPIRED
        status = ended if done else OrderStatus.NEW
        return OrderFact(f"o{one.client_id}", one.client_id, X, one.side, one.type, status, one.qty, most, price, 1, 1)

    @precondition(lambda self: read(self.db, intents.standing))
    @rule(share=st.sampled_from(["0", "0.5", "1"]), price=st.integers(90, 110))
    def order_ends(self, share: str, price: int) -> None:
        """What was taken by the venue and stood has come to its end."""
        self.now_ms += 1
        one = read(self.db, intents.standing)[0]
        write(self.db, intents.note_order, self.at_venue(one, D(share), D(price), done=True), self.now_ms)

    @precondition(lambda self: self.held != 0)
    @rule(price=st.integers(90, 110))
    def stop_fires(self, price: int) -> None:
        self.now_ms += 1
        self.fill(-self.held, None, D(price))

    @rule(signed=st.sampled_from([-2, -1, 1, 2]), price=st.integers(90, 110))
    def stranger_trades(self, signed: int, price: int) -> None:
        self.now_ms += 1
        self.fill(D(signed), None, D(price))

    @precondition(lambda self: self.unbooked)
    @rule(count=st.integers(1, 3))
    def book(self, count: int) -> None:
        taken, self.unbooked = self.unbooked[:count], self.unbooked[count:]
        with self.db.transaction() as conn:
            booking = Booking(conn, "USDT")
            for fill in taken:
                booking.take(fill)
            booking.finish(taken[-1].seq)

    @precondition(lambda self: self.unbooked and self.unbooked[0].client_id)
    @rule()
    def stand_in(self) -> None:
        """The venue shows the next fill's quantity before the fill itself: reconciliation lets another stand in."""
        first, trade = self.unbooked[0], read(self.db, ledger.open_trade, X)
        if self.held * first.signed_qty <= 0 or (trade is not None and trade.side.opening is not first.side):
            return
        if trade is not None and ClientId.parse(trade.opener) is None:
            return
        flying = {client_id: qty for _, client_id, qty in read(self.db, positions.flights)}
        if first.client_id not in flying:
            return
        with self.db.transaction() as conn:
            seq = ledger.next_invented(conn)
            booking = Booking(conn, "USDT")
            booking.take(replace(first, execution_id=f"synthetic:{-seq}", seq=seq, kind=FillKind.SYNTHETIC, fee=D(0)))
            booking.finish(0)

    @precondition(lambda self: len(self.unbooked) > 1)
    @rule()
    def falls_behind(self) -> None:
        """A fill that another stands in for enters the list late, behind those that came after it."""
        first = self.unbooked[0]
        if first.client_id is not None and read(self.db, invented.stand_ins, first.client_id):
            self.unbooked.append(self.unbooked.pop(0))

    # What holds.

    @invariant()
    def every_change_is_one_of_the_table(self) -> None:
        rows = [one for one in read(self.db, journal.latest, 10_000)[::-1] if one.subject == f"position:{X}"]
        now: dict[object, object] = {}
        for one in rows:
            before, after = one.body["from"], one.body["to"]
            assert now.get(one.body["position"]) == before, "each change goes on from the one before it"
            assert (before, after, one.body["sentence"]) in EDGES
            now[one.body["position"]] = after
        with self.db.read() as conn:
            stored = dict(conn.execute("SELECT number, state FROM positions").fetchall())
        assert stored == now, "what the store holds is what the journal tells"
        assert sum(state != "closed" for state in stored.values()) <= 1

    @invariant()
    def nothing_is_given_up_that_may_fill_yet(self) -> None:
        """A position is not called failed, nor an exit ended, while an order of it may still come to something."""
        rows = read(self.db, journal.latest, 10_000)[::-1]
        for one in rows[self.said :]:
            if one.subject == f"position:{X}" and one.body["to"] in ("closed", "open"):
                if one.body["from"] == "pending" and one.body["to"] == "closed":
                    assert not self.may_fill(one.body["position"], "entry")
                elif one.body["from"] == "closing" and one.body["to"] == "open":
                    assert not self.may_fill(one.body["position"], "exit", "close")
        self.said = len(rows)

    def may_fill(self, number: object, *purposes: str) -> list[str]:
        with self.db.read() as conn:
            rows = conn.execute(
                "SELECT i.client_id, i.purpose, i.state, i.ended FROM intents i, positions p WHERE p.number = ? AND"
                " ((i.purpose = 'entry' AND i.number >= p.first_intent) OR (i.purpose <> 'entry' AND"
                " i.created_ms >= p.opened_ms)) AND i.state NOT IN ('rejected', 'not_placed')",
                (number,),
            ).fetchall()
        coming = {fill.client_id for fill in self.unbooked}
        return [
            client_id
            for client_id, purpose, state, ended in rows
            if purpose in purposes and (state != "confirmed" or ended is None or client_id in coming)
        ]

    @invariant()
    def a_flat_ledger_has_no_open_position(self) -> None:
        ours = self.ours()
        if ours is not None and ours.state is not PositionState.PENDING:
            trade = read(self.db, ledger.open_trade, X)
            assert trade is not None and trade.side is ours.side and trade.number == ours.trade_number
            opener = ClientId.parse(trade.opener)
            assert opener is not None and opener.purpose is Purpose.ENTRY, "what others opened is nobody's here"

    def settle_everything(self) -> None:
        """Once every order has an outcome and every fill is booked, nothing is on its way any more."""
        for one in self.doubtful():
            self.settle(one, "refused", D(0), D(100))
        while read(self.db, intents.standing):
            self.order_ends("1", 100)
        while self.unbooked:
            self.book(1)
        ours, trade = self.ours(), read(self.db, ledger.open_trade, X)
        assert (trade.lot.qty if trade is not None else D(0)) == self.held
        assert not read(self.db, invented.stand_ins), "each has made way"
        assert read(self.db, ledger.totals).fees == self.seq * D("0.01"), "the fee of each fill, once"
        assert ours is None or ours.state is PositionState.OPEN
        assert read(self.db, journal.verify).ok


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]
TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=50, stateful_step_count=20, suppress_health_check=CHECKS)


class ManyLives(Lives):
    """The same, deeper."""


TestManyLives = pytest.mark.slow(ManyLives.TestCase)
TestManyLives.settings = settings(max_examples=1500, stateful_step_count=40, suppress_health_check=CHECKS)
