"""Fills and funding into the ledger: each once, with the counters they move, or not at all (promise 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bot_kit import DAY_MS, FIVE_MS, FLAT, SOL, START_MS, D, Rig, rig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradectl.domain import risk_state
from tradectl.domain.fill import AccountEvent, Fill, FillKind, Funding
from tradectl.domain.intent import ClientId, Purpose, exit_draft
from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderSide
from tradectl.domain.position import Side
from tradectl.errors import VenueUnreachable
from tradectl.execution import ingest as module
from tradectl.execution.ingest import Ingested, ingest
from tradectl.store import journal, ledger, outbox, risk, session

AT = START_MS + DAY_MS // 2


class Booked:
    """A venue that has only a history: account events, given out in pages."""

    def __init__(self, events: Sequence[AccountEvent], *, fails_on_page: int | None = None) -> None:
        self.events = list(events)
        self.pages: list[int] = []
        self.fails_on_page = fails_on_page

    async def account_events(self, after_seq: int, limit: int) -> list[AccountEvent]:
        self.pages.append(after_seq)
        if self.fails_on_page == len(self.pages):
            raise VenueUnreachable("cut off half-way")
        return [event for event in self.events if event.seq > after_seq][:limit]


def fill(seq: int, signed: str, price: str = "100", *, fee: str = "0.1", at_ms: int = AT, **more: object) -> Fill:
    qty = D(signed)
    side = OrderSide.BUY if qty > 0 else OrderSide.SELL
    plain = Fill(f"x{seq}", seq, f"o{seq}", None, None, SOL, side, abs(qty), D(price), D(fee), at_ms, False)
    return replace(plain, **more)  # type: ignore[arg-type]


def funding(seq: int, amount: str, at_ms: int = AT) -> Funding:
    return Funding(f"f{seq}", seq, SOL, D("0.0001"), D(amount), at_ms)


@pytest.fixture
def desk(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4, ready=False) as made:
        made.write(risk.save, risk_state.first_state(D(10_000), AT - FIVE_MS))
        yield made


def take(desk: Rig, events: Sequence[AccountEvent], **how: int) -> Ingested:
    return desk.run(ingest(desk.db, Booked(events, **how), "USDT"))  # type: ignore[arg-type]


def everything(desk: Rig) -> tuple[object, ...]:
    return (
        desk.read(ledger.totals),
        desk.read(ledger.open_trades),
        desk.read(ledger.trades, 100),
        desk.read(risk.load),
        desk.read(ledger.cursor),
        desk.read(journal.head),
        desk.read(outbox.backlog),
        desk.read(session.current),
    )


def test_a_trade_runs_from_flat_to_flat_with_fees_and_funding_in_its_net_and_apart(desk):
    taken = take(
        desk,
        [fill(1, "2"), fill(2, "1", "103"), funding(3, "-0.05"), fill(4, "-1", "102"), fill(5, "-2", "104")],
    )
    assert len(taken.opened) == 1 and len(taken.closed) == 1
    (trade,) = desk.read(ledger.trades, 10)
    assert trade.gross == D(2 * 104 + 102) - D(2 * 100 + 103) and trade.max_qty == 3
    assert (trade.fees, trade.funding) == (D("0.4"), D("-0.05"))
    assert trade.net == trade.gross - D("0.4") - D("0.05")
    assert desk.read(ledger.open_trades) == {}
    totals = desk.read(ledger.totals)
    assert totals.net == trade.net and (totals.fills, totals.trades) == (4, 1)


def test_ingesting_the_same_events_again_changes_nothing(desk):
    events: list[AccountEvent] = [fill(1, "2"), funding(2, "-0.05"), fill(3, "-2", "99"), fill(4, "1")]
    take(desk, events)
    before = everything(desk)
    assert not take(desk, events).anything
    desk.write(ledger.set_cursor, 0)  # as if the cursor had been lost: execution ids still tell them apart
    again = take(desk, events)
    assert not again.anything and everything(desk) == before


def test_two_fills_of_one_instant_are_two(desk):
    taken = take(desk, [fill(1, "1", at_ms=AT), fill(2, "1", at_ms=AT)])
    assert len(taken.fills) == 2 and desk.read(ledger.open_trades)[SOL].lot.qty == 2


def test_events_are_paged_to_the_end(desk):
    count = module.PAGE * 2 + 50
    venue = Booked([fill(number, "1") for number in range(1, count + 1)])
    taken = desk.run(ingest(desk.db, venue, "USDT"))  # type: ignore[arg-type]
    assert len(taken.fills) == count and venue.pages == [0, module.PAGE, 2 * module.PAGE]
    assert desk.read(ledger.cursor) == count


def test_a_full_last_page_is_followed_by_one_more_question(desk):
    venue = Booked([fill(number, "1") for number in range(1, module.PAGE + 1)])
    desk.run(ingest(desk.db, venue, "USDT"))  # type: ignore[arg-type]
    assert venue.pages == [0, module.PAGE]


def test_paging_that_breaks_off_books_nothing(desk):
    before = everything(desk)
    with pytest.raises(VenueUnreachable, match="half-way"):
        take(desk, [fill(number, "1") for number in range(1, module.PAGE + 2)], fails_on_page=2)
    assert everything(desk) == before


def test_a_booking_that_is_cut_books_nothing(desk):
    before = everything(desk)
    desk.db.conn.execute(
        "CREATE TEMP TRIGGER cut BEFORE UPDATE OF cursor ON main.ledger BEGIN SELECT RAISE(ABORT, 'cut'); END"
    )
    with pytest.raises(Exception, match="cut"):
        take(desk, [fill(1, "2"), fill(2, "-2", "90")])
    assert everything(desk) == before
    desk.db.conn.execute("DROP TRIGGER cut")
    assert len(take(desk, [fill(1, "2"), fill(2, "-2", "90")]).closed) == 1


def test_a_fill_past_flat_closes_one_trade_and_opens_the_next(desk):
    take(desk, [fill(1, "2"), fill(2, "-3", "101", fee="0.3")])
    (closed,) = desk.read(ledger.trades, 10)
    trade = desk.read(ledger.open_trades)[SOL]
    assert closed.number == 1 and closed.net == D(2) - D("0.1") - D("0.2")
    assert trade.number == 2 and trade.side is Side.SHORT and trade.lot.qty == -1 and trade.fees == D("0.1")


# The counters.


def test_realised_today_is_net_of_fees_and_funding(desk):
    take(desk, [fill(1, "2"), funding(2, "-0.05"), fill(3, "-2", "95")])
    assert desk.read(risk.load).realised_today == D(-10) - D("0.2") - D("0.05")


def test_cash_of_another_day_does_not_move_todays_counter(desk):
    yesterday = AT - DAY_MS
    take(desk, [fill(1, "2", at_ms=yesterday), fill(2, "-2", "95", at_ms=yesterday)])
    assert desk.read(risk.load).realised_today == ZERO
    assert desk.read(risk.load).streak == 1, "a losing trade lengthens the streak whatever its day"


def test_a_loss_lengthens_the_streak_and_break_even_after_fees_resets_it(desk):
    take(desk, [fill(1, "1"), fill(2, "-1", "99"), fill(3, "1"), fill(4, "-1", "100")])
    after_losses = desk.read(risk.load)
    assert (after_losses.streak, after_losses.streak_at_ms) == (2, AT), "flat before fees is a loss after them"
    take(desk, [fill(5, "1"), fill(6, "-1", "100.2")])
    assert (desk.read(risk.load).streak, desk.read(risk.load).streak_at_ms) == (0, None)


def test_an_entry_of_ours_counts_for_the_session_once_however_many_fills_it_has(desk):
    tag = desk.db.identity.store_tag
    ours, theirs = str(ClientId(tag, Purpose.ENTRY, 1)), None
    take(desk, [fill(1, "1", client_id=ours), fill(2, "1", client_id=ours), fill(3, "-2")])
    assert desk.read(session.current).entries == 1
    take(desk, [fill(4, "1", client_id=theirs)])
    assert desk.read(session.current).entries == 1, "somebody else's position is no entry of ours"


def test_a_liquidation_is_an_urgent_alert(desk):
    take(desk, [fill(1, "2"), fill(2, "-2", "80", kind=FillKind.LIQUIDATION, reason="liquidation")])
    alerts = {alert.type: alert for alert in desk.read(outbox.pending, 10)}
    assert alerts["position_closed"].urgent and not alerts["new_position"].urgent
    assert "closed by liquidation" in alerts["position_closed"].text


def test_each_event_and_the_trade_are_journalled_with_the_venue_as_their_actor(desk):
    take(desk, [fill(1, "2"), funding(2, "0.05"), fill(3, "-2", "101")])
    rows = desk.read(journal.latest, 4)[::-1]
    assert [(row.kind, row.actor) for row in rows] == [(kind, "venue") for kind in ("fill", "funding", "fill", "trade")]


# The plan.


def test_the_plan_of_a_trade_comes_from_the_intent_of_its_entry(desk):
    assert desk.start()
    submitted = desk.run(desk.bot.door.submit(desk.entry("2", stop="98", target="105")))
    taken = desk.run(ingest(desk.db, desk.bot.venue, "USDT"))
    trade = desk.read(ledger.open_trades)[SOL]
    (entry,) = taken.fills
    assert entry.client_id == submitted.intent.client_id
    assert (trade.stop_price, trade.target_price) == (D(98), D(105))
    assert trade.risk_amount == (entry.price - 98) * 2
    assert trade.entry_equity == D(10_000)


def test_the_plan_stays_with_the_trade_when_it_is_reduced(desk):
    assert desk.start()
    desk.run(desk.bot.door.submit(desk.entry("2", stop="98", target=None)))
    desk.run(desk.bot.door.submit(exit_draft(SOL, Side.LONG, D("0.5"), "part of it")))
    desk.run(ingest(desk.db, desk.bot.venue, "USDT"))
    trade = desk.read(ledger.open_trades)[SOL]
    assert trade.lot.qty == D("1.5") and trade.stop_price == D(98) and trade.target_price is None


def test_a_position_that_no_intent_explains_has_no_plan(desk):
    take(desk, [fill(1, "2")])
    trade = desk.read(ledger.open_trades)[SOL]
    assert (trade.stop_price, trade.target_price, trade.risk_amount, trade.entry_equity) == (None, None, None, None)


events_of = st.lists(st.tuples(st.sampled_from((-3, -2, -1, 1, 2, 3)), st.integers(90, 110)), min_size=1, max_size=25)


@given(events_of, st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_however_events_are_cut_into_visits_the_books_come_out_the_same(tmp_path_factory, made, data):
    events = [fill(number, str(signed), str(price)) for number, (signed, price) in enumerate(made, 1)]
    cut = data.draw(st.integers(0, len(events)))
    books = []
    for parts in ([events], [events[:cut], events]):
        folder = tmp_path_factory.mktemp("books")
        with rig(folder, [FLAT] * 2, ready=False, warm=2) as desk:
            desk.write(risk.save, risk_state.first_state(D(10_000), AT - FIVE_MS))
            for part in parts:
                take(desk, part)
            books.append((everything(desk)[:6], desk.read(journal.verify).ok))
            totals, trades = desk.read(ledger.totals), desk.read(ledger.open_trades)
    assert books[0] == books[1] and books[0][1]
    bought = sum((event.qty * event.side.sign * event.price for event in events), ZERO)
    held = trades[SOL].lot if SOL in trades else None
    assert totals.gross == (held.cost if held else ZERO) - bought
