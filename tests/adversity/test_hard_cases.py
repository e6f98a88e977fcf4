"""Hard cases: stops that come too late, one symbol's error, orders that did not fill or are in doubt,
alarms about what is gone, and answers that were lost on the way out."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import CALM, FLAT, SAG, SOL, UP, D, Rig, lines, refuse, rig
from bot_process import BotDesk
from hypothesis import given
from hypothesis import strategies as st
from test_interleavings import close_elsewhere, strip

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.intent import IntentState, Purpose, exit_draft, stop_draft
from tradectl.domain.order import Confirmed, OrderFact, OrderSide, OrderStatus, OrderType, TriggerBy
from tradectl.domain.position import PositionFact, Protection, Side, coverage
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.errors import EntryRefused, ExitCode, StoreBusy, VenueUnreachable
from tradectl.execution.protect import Protected, protect
from tradectl.execution.resolve import adopt_doubt, resolve
from tradectl.execution.stop_level import already_passed, stop_level
from tradectl.execution.unprotectable import Strikes
from tradectl.operations import killswitch_check, positions_close, positions_list
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk
from tradectl.sim.faults import DropRequest, LoseAnswer
from tradectl.store import decisions, intents, ledger, outbox, session
from tradectl.store.database import Database

TWO = ("ETHUSDT", SOL)
LAST = TriggerBy.LAST


def go(desk: Rig, snapshot=None, strikes: Strikes | None = None) -> Protected:
    return desk.run(
        protect(
            desk.db, desk.bot.door, snapshot or desk.snapshot(), desk.read(ledger.open_trades),
            dict(desk.bot.instruments), desk.bot.protection, desk.bot.clock.now_ms(), strikes=strikes,
        )
    )  # fmt: skip


def stops_sent(desk: Rig) -> list[IntentState]:
    return [one.state for one in desk.intents() if one.purpose is Purpose.STOP]


def naked_alerts(desk: Rig) -> list[str]:
    return [one.text for one in desk.read(outbox.pending, 100) if one.type == "safety_naked_position"]


# 1. A stop beyond liquidation protects nothing (promise 5).


def held(qty: str, mark: str, liquidation: str | None) -> PositionFact:
    limit = None if liquidation is None else D(liquidation)
    return PositionFact(SOL, D(qty), D(100), D(mark), D(0), D(10), D(1), D(10), "isolated", limit, 1)


def resting(number: int, side: OrderSide, qty: str, trigger: str) -> OrderFact:
    return OrderFact(
        f"o{number}", None, SOL, side, OrderType.STOP_MARKET, OrderStatus.NEW, D(qty), D(0), None, 1, 1,
        trigger_price=D(trigger), trigger_by=LAST, reduce_only=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("qty", "liquidation", "trigger", "expected"),
    [
        ("2", "90", "90.01", Protection.COVERED),
        ("2", "90", "90", Protection.NAKED),
        ("2", "90", "89", Protection.NAKED),
        ("2", None, "89", Protection.COVERED),
        ("2", "0", "89", Protection.COVERED),
        ("-2", "110", "109.99", Protection.COVERED),
        ("-2", "110", "110", Protection.NAKED),
        ("-2", "110", "111", Protection.NAKED),
        ("-2", "0", "111", Protection.COVERED),
    ],
)
def test_only_a_stop_inside_liquidation_covers(qty, liquidation, trigger, expected):
    position = held(qty, "100", liquidation)
    found = coverage(position, [resting(1, position.side.closing, "2", trigger)])
    assert found.protection is expected
    assert bool(found.why) is (expected is Protection.NAKED) and len(found.beyond) == bool(found.why)


def test_a_stop_beyond_liquidation_leaves_its_part_uncovered_and_is_named():
    position = held("3", "100", "90")
    found = coverage(position, [resting(1, OrderSide.SELL, "1", "95"), resting(2, OrderSide.SELL, "2", "85")])
    assert (found.protection, found.covered_qty, found.stop_price) == (Protection.SHORT, D(1), D(95))
    assert found.why == "a stop at 85 does not count: liquidation comes first, at 90"


@given(
    side=st.sampled_from(Side),
    tick=st.sampled_from(["0.1", "0.01", "0.5", "0.0001"]),
    mark=st.integers(200, 10_000),
    away=st.integers(1, 150),
    planned=st.one_of(st.none(), st.integers(1, 20_000)),
)
def test_a_stop_level_covers_once_it_is_placed_or_counts_as_passed(side, tick, mark, away, planned):
    """So no pass places a stop that the next one would not count."""
    size = D(tick)
    instrument = Instrument(
        SOL, "SOL", "USDT", size, D("0.1"), D("0.1"), D(5), D(1000), (Tier(D(10**9), D(50), D("0.01")),)
    )
    limit = size * (mark - side.sign * away)
    position = replace(held(str(2 * side.sign), "1", "1"), mark_price=size * mark, liquidation_price=limit)
    wanted = size * planned if planned is not None else None
    price = stop_level(position, wanted, instrument, D("0.01"))
    assert price % size == 0
    assert position.inside_liquidation(price)
    if wanted is not None and position.inside_liquidation(wanted):
        assert price == wanted
    elif wanted is not None and not already_passed(side, price, position.mark_price):
        assert abs(price - limit) <= abs(position.mark_price - limit) * D("0.1") + size


def lie_about_liquidation(desk: Rig, limit: str) -> None:
    """A venue on which the position is liquidated earlier than the entry's gates foresaw (cross margin, new tiers)."""
    inner = desk.bot.venue._inner
    honest = inner.snapshot

    async def snapshot():
        seen = await honest()
        return replace(seen, positions=tuple(replace(one, liquidation_price=D(limit)) for one in seen.positions))

    inner.snapshot = snapshot  # type: ignore[method-assign]


def test_a_planned_stop_beyond_liquidation_is_placed_inside_it_once(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2", "90"))).confirmed
        desk.cycle()
        lie_about_liquidation(desk, "95")
        with lines(desk, tmp_path) as log:
            done = go(desk, desk.run(desk.bot.venue.snapshot()))
            said = [line for line in log() if "liquidation" in line]
        price = D(done.placed[SOL])
        assert D(95) < price < D("95.6"), "a tenth of the way from liquidation to the mark"
        assert any("a stop at 90 does not count: liquidation comes first, at 95" in line for line in said)
        assert any("instead of 90, beyond liquidation" in line for line in said)
        snapshot = desk.run(desk.bot.venue.snapshot())
        assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED
        for _ in range(2):
            assert not go(desk, desk.run(desk.bot.venue.snapshot())).changed, "it counts from then on"
        assert len(stops_sent(desk)) == 1


def test_our_own_stop_beyond_liquidation_goes_when_its_replacement_stands(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2", "90"))).confirmed
        desk.cycle()
        strip(desk, SOL)
        assert desk.run(desk.bot.door.submit(stop_draft(SOL, Side.LONG, D(2), D(90), LAST, "by hand"))).confirmed
        lie_about_liquidation(desk, "95")
        go(desk, desk.run(desk.bot.venue.snapshot()))
        (stop,) = desk.snapshot().orders
        assert stop.trigger_price is not None and stop.trigger_price > 95 and stop.qty == 2


def test_a_position_at_the_brink_of_liquidation_is_closed(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2", "90"))).confirmed
        desk.cycle()
        lie_about_liquidation(desk, "99.99")
        done = go(desk, desk.run(desk.bot.venue.snapshot()))
        assert "already passed" in done.closed[SOL] and desk.snapshot().positions == ()


def test_the_operators_pages_say_why_a_stop_does_not_count(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2", "90"))).confirmed
        lie_about_liquidation(desk, "95")
        snapshot = desk.run(desk.bot.venue.snapshot())
        listed = positions_list.line(snapshot.positions[0], snapshot, None, D("0.1"))
        assert listed.protection == "naked" and "liquidation comes first, at 95" in listed.stops_why
        (naked,) = killswitch_check.check(snapshot).naked
        assert "NAKED" in naked.sentence() and "liquidation comes first, at 95" in naked.sentence()


# 2. An error on one symbol is that symbol's record.


class Broken:
    """A strategy that fails on one symbol."""

    def __init__(self, inner, symbol: str) -> None:
        self.inner = inner
        self.symbol = symbol
        self.needs = inner.needs
        self.sides = inner.sides

    def evaluate(self, symbol, candles):
        if symbol == self.symbol:
            raise ZeroDivisionError("no candles\nof any use")
        return self.inner.evaluate(symbol, candles)


def test_an_error_on_one_symbol_is_its_record_and_the_others_go_on(tmp_path: Path):
    with rig(tmp_path, {name: [UP, CALM, CALM] for name in TWO}) as desk:
        desk.bot = replace(desk.bot, strategy=Broken(desk.bot.strategy, "ETHUSDT"))
        with lines(desk, tmp_path) as log:
            by_symbol = {one.symbol: one for one in desk.cycle().decisions}
            first = log()
            desk.cycle()
            desk.cycle()
            everything = log()
        assert by_symbol[SOL].outcome == "entered"
        broken = by_symbol["ETHUSDT"]
        assert (broken.outcome, broken.code) == ("error", "error")
        assert broken.sentence == "ZeroDivisionError: no candles of any use"
        assert any("SAFETY_EXECUTION_ERROR: no decision on ETHUSDT" in line for line in first)
        assert any("Traceback" in line for line in first)
        assert sum("ALERT[safety_execution_error]: no decision on ETHUSDT" in line for line in everything) == 1
        tagged = [line for line in everything if "SAFETY_EXECUTION_ERROR: no decision on ETHUSDT" in line]
        assert len(tagged) == 3, "each cycle says it"
        assert sum("Traceback" in line for line in everything) == 1, "whole when it begins"
        (stored,) = desk.read(decisions.last, "ETHUSDT", 5)
        assert stored.decision.code == "error" and stored.times == 3


def test_a_bot_whose_only_symbol_fails_in_every_cycle_goes_on(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 12, ready=False) as desk:
        desk.assembled = replace(desk.assembled, bot=replace(desk.bot, strategy=Broken(desk.bot.strategy, SOL)))
        report = desk.run(
            daemon.live(desk.assembled, RunOptions(cycles=daemon.FAULTS_IN_A_ROW + 3), "log", daemon.Stop())
        )
        assert report.cycles == daemon.FAULTS_IN_A_ROW + 3 and report.failed_cycles == 0
        assert dict(report.held_back)["error"] == report.cycles


def test_an_error_in_a_gate_is_the_symbols_too(tmp_path: Path):
    with rig(tmp_path, {name: [UP] for name in TWO}) as desk:
        desk.bot = replace(desk.bot, instruments={SOL: desk.bot.instruments[SOL]})
        by_symbol = {one.symbol: one for one in desk.cycle().decisions}
        assert by_symbol["ETHUSDT"].outcome == "error" and "KeyError" in by_symbol["ETHUSDT"].sentence
        assert by_symbol[SOL].outcome == "entered"


# 3. Confirmed is not filled.


def thin(desk: Rig, most: str | None) -> None:
    """How much the market still gives; '0': nothing at all."""
    inner = desk.bot.venue._inner
    honest = inner.place

    async def place(request):
        outcome = await honest(replace(request, qty=D(most)) if D(most) else request)
        order = replace(outcome.order, qty=request.qty, status=OrderStatus.EXPIRED, reason="no_liquidity")
        return replace(outcome, order=order)

    async def nothing(request):
        fact = OrderFact(
            "o999", request.client_id, request.symbol, request.side, request.type, OrderStatus.EXPIRED, request.qty,
            D(0), None, 1, 1, reason="no_liquidity",
        )  # fmt: skip
        return Confirmed(fact)

    inner.place = place if D(most) else nothing  # type: ignore[method-assign]


def test_an_entry_that_found_no_liquidity_is_not_entered(tmp_path: Path):
    with rig(tmp_path, {name: [UP, CALM] for name in TWO}, {"perps.session_max_trades": 1}) as desk:
        inner = desk.bot.venue._inner
        honest = inner.place
        thin(desk, "0")
        empty = inner.place

        async def place(request):
            return await (empty if request.symbol == "ETHUSDT" else honest)(request)

        inner.place = place
        with lines(desk, tmp_path) as log:
            report = desk.cycle()
            said = [line for line in log() if " ENTRY: " in line and "ETHUSDT" in line]
        first, second = report.decisions
        assert (first.outcome, first.code) == ("not_filled", "not_filled")
        assert "0 of" in first.sentence and "expired no_liquidity" in first.sentence
        assert len(said) == 1 and "WARNING" in said[0]
        assert second.outcome == "entered", "what did not fill takes nothing from the session's limit"
        assert desk.read(session.current).entries == 1
        tally = daemon.Run(RunOptions())
        tally.count(report)
        assert tally.entries == 1 and dict(tally.held_back) == {"not_filled": 1}
        names = [call.name for call in desk.plan.calls]
        assert names[names.index("place") :].count("snapshot") >= 1, "the venue is looked at again"


def test_an_entry_filled_in_part_says_of_how_much(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        thin(desk, "2")
        with lines(desk, tmp_path) as log:
            (decision,) = desk.cycle().decisions
            said = [line for line in log() if " ENTRY: entered" in line]
        asked = dict(decision.facts)["qty"]
        assert decision.outcome == "entered" and f"entered long 2 of {asked} SOLUSDT" in decision.sentence
        assert len(said) == 1 and "WARNING" in said[0]


def test_an_entry_filled_whole_says_no_more_than_that(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        (decision,) = desk.cycle().decisions
        assert decision.outcome == "entered" and " of " not in decision.sentence.split("near")[0]


# 4. A new attempt follows the old one's known outcome (promises 1, 3 and 5).


@pytest.mark.parametrize("fault", [DropRequest(), LoseAnswer()])
def test_a_stop_in_doubt_is_not_followed_by_a_second_before_its_window_has_passed(tmp_path: Path, fault):
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        strip(desk, SOL)
        before = desk.snapshot()
        faults = desk.plan.after_faults if isinstance(fault, LoseAnswer) else desk.plan.before_faults
        faults["place"] = [fault]
        go(desk)
        again = go(desk, before)
        assert stops_sent(desk) == [IntentState.UNKNOWN]
        if isinstance(fault, DropRequest):
            assert "awaited" in again.waiting[SOL] and not again.changed
        desk.cycle()  # five minutes later
        snapshot = desk.snapshot()
        assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED
        assert len(stops_sent(desk)) == (2 if isinstance(fault, DropRequest) else 1)
        assert desk.read(intents.in_doubt) == ()


def test_a_stop_that_cannot_be_searched_for_leaves_nobody_naked_beyond_its_window(tmp_path: Path):
    with rig(tmp_path, [UP, CALM, CALM], {"execution.read_backoff_seconds": []}) as desk:
        desk.cycle()
        strip(desk, SOL)
        desk.plan.before_faults["place"] = [DropRequest()]
        go(desk)
        window = desk.config.venue.recv_window_ms + desk.config.venue.max_clock_skew_ms
        desk.run(desk.bot.clock.sleep(window / 1000))
        assert SOL in go(desk).waiting, "it may still arrive"
        desk.run(desk.bot.clock.sleep(0.001))
        assert SOL in go(desk).placed, "a complete picture from after its window shows that it is not there"
        assert stops_sent(desk) == [IntentState.UNKNOWN, IntentState.CONFIRMED]


def test_an_exit_killed_between_record_and_send_is_waited_for(tmp_path: Path):
    knobs: dict[str, object] = {"perps.early_exit_on_cross": True}
    with rig(tmp_path, [UP, *[SAG] * 20], knobs) as desk:
        desk.cycle()
        (position,) = desk.snapshot().positions
        armed: list[int] = []

        def die(call) -> None:
            if call.name == "place" and not armed:
                armed.append(1)
                raise KeyboardInterrupt  # the process ends after the record, before the request

        desk.plan.on_before = die
        for _ in range(20):
            try:
                desk.cycle()
            except KeyboardInterrupt:
                break
        assert armed and [one.state for one in desk.intents()][-1] is IntentState.RECORDED
        died_ms = desk.bot.clock.now_ms()
        assert desk.start()
        assert desk.intents()[-1].state is IntentState.NOT_PLACED, "its window was waited for"
        assert desk.bot.clock.now_ms() - died_ms > desk.config.venue.recv_window_ms
        (decision,) = desk.cycle(step=False).decisions
        assert decision.outcome == "exit", "the same candle, now that the first is known not to have been placed"
        states = [one.state for one in desk.intents() if one.purpose is Purpose.EXIT]
        assert states == [IntentState.NOT_PLACED, IntentState.CONFIRMED]
        assert desk.snapshot().positions == () and position.qty > 0


def test_an_early_exit_that_waits_for_another_is_decided_again_on_the_same_candle(tmp_path: Path):
    knobs: dict[str, object] = {"perps.early_exit_on_cross": True}
    with rig(tmp_path, [UP, *[SAG] * 20], knobs) as desk:
        desk.cycle()
        draft = exit_draft(SOL, Side.LONG, D(1), "by hand", operator=True)
        at_ms = desk.bot.clock.now_ms()
        other = desk.write(intents.record, draft, created_ms=at_ms, expires_ms=at_ms + 86_400_000, epoch=0, actor="ann")
        for _ in range(20):
            (decision,) = desk.cycle().decisions
            if decision.code != "no_cross":
                break
        assert (decision.outcome, decision.code) == ("refused", "exit_in_doubt")
        desk.write(intents.advance, other.number, IntentState.NOT_PLACED, at_ms=desk.bot.clock.now_ms())
        (decision,) = desk.cycle(step=False).decisions
        assert decision.outcome == "exit" and desk.snapshot().positions == ()


def test_an_operators_close_under_way_is_waited_for_too(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.cycle()
        qty = desk.snapshot().positions[0].qty
        draft = exit_draft(SOL, Side.LONG, qty, "by hand", operator=True)
        at_ms = desk.bot.clock.now_ms()
        desk.write(intents.record, draft, created_ms=at_ms, expires_ms=at_ms + 5000, epoch=0, actor="ann")
        with pytest.raises(EntryRefused) as caught:
            desk.run(desk.bot.door.submit(exit_draft(SOL, Side.LONG, qty, "early")))
        assert caught.value.code == "exit_in_doubt"
        adopt_doubt(desk.db, desk.bot.clock, reason="left behind")
        desk.run(desk.bot.clock.sleep(10))
        desk.run(resolve(desk.db, desk.bot.venue, desk.bot.clock, max_skew_ms=1000))
        assert desk.run(desk.bot.door.submit(exit_draft(SOL, Side.LONG, qty, "early"))).confirmed


# 5. No alarm about a position that is gone.


def test_a_position_closed_by_an_operator_meanwhile_is_neither_alarmed_about_nor_closed(tmp_path: Path):
    with rig(tmp_path, {name: [UP, CALM, CALM] for name in TWO}) as desk:
        desk.cycle()
        for name in TWO:
            strip(desk, name)
        done: list[object] = []

        def act(call) -> None:
            if call.name == "place" and call.symbol == "ETHUSDT" and not done:
                done.append(call)
                close_elsewhere(desk, SOL)

        desk.plan.on_before = act
        protected = go(desk)
        assert done and protected.gone.keys() == {SOL} and protected.changed
        assert not any(SOL in text for text in naked_alerts(desk)), "only ETHUSDT was naked"
        assert [one.symbol for one in desk.intents() if one.purpose in (Purpose.STOP, Purpose.EXIT)] == ["ETHUSDT"]


def test_a_position_closed_while_its_stop_is_refused_is_not_closed_again(tmp_path: Path):
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        strip(desk, SOL)
        refuse(desk, "reduce_only", "st")
        strikes = Strikes()
        assert "pass 1 of 2" in go(desk, strikes=strikes).naked[SOL]

        def act(call) -> None:
            if call.name == "place" and len(desk.plan.names("place")) == 5:  # the entry's, and two of the first pass
                desk.plan.on_before = None
                close_elsewhere(desk, SOL)

        desk.plan.on_before = act
        protected = go(desk, strikes=strikes)
        assert protected.closed == {} and protected.naked == {} and SOL in protected.gone
        assert Purpose.EXIT not in [one.purpose for one in desk.intents()]
        assert not any("unprotectable" in text for text in naked_alerts(desk))


def test_a_fresh_look_that_fails_hides_no_naked_position(tmp_path: Path):
    """An unread venue is never 'gone' (promise 4)."""
    with rig(tmp_path, [UP, CALM], {"execution.read_backoff_seconds": []}) as desk:
        desk.cycle()
        strip(desk, SOL)
        snapshot = desk.snapshot()
        desk.plan.before_faults["snapshot"] = [DropRequest()]
        done = go(desk, snapshot)
        assert SOL in done.placed and len(naked_alerts(desk)) == 1


# 6. The report is not lost with the lock.


@contextmanager
def locked(path: Path) -> Iterator[None]:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_a_locked_store_does_not_cost_the_session_report(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        tally = daemon.Run(RunOptions(), end_reason="2 cycles done")
        tally.count(desk.cycle())
        with locked(desk.db.path):
            report = daemon._finish(desk.assembled, tally, "log")
        assert report.cycles == 1 and report.entries == 1 and len(report.held) == 1
        (sentence,) = desk.assembled.unwritten
        assert "the session's end could not be written" in sentence
        assert desk.read(session.current) is not None, "the next run goes on with it"


def test_a_store_that_is_locked_for_a_moment_is_waited_for(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        tally = daemon.Run(RunOptions(), end_reason="done")
        holder = sqlite3.connect(desk.db.path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")

        async def whole():
            loop = asyncio.get_running_loop()
            freed = loop.run_in_executor(None, lambda: holder.execute("ROLLBACK"))
            report = daemon._finish(desk.assembled, tally, "log")
            await freed
            return report

        desk.run(whole())
        holder.close()
        assert desk.assembled.unwritten == [] and desk.read(session.current) is None


def test_a_bot_told_to_end_while_the_store_is_locked_reports_and_says_what_is_missing(tmp_path: Path):
    desk = BotDesk.make(tmp_path)
    with desk.start("--speed", "30") as bot:
        bot.wait_for("CYCLE_SUMMARY")
        with locked(desk.store):
            bot.tell(signal.SIGTERM)
            assert bot.end() == 75
    said = "".join(bot.lines)
    assert "Session over: stopped by SIGTERM" in said and "1 completed" in said
    assert "the session's end could not be written" in said and "the lease could not be released" in said
    assert "Traceback" not in bot.said()
    desk.run_well("--cycles", "1", "--speed", "max")


# 7. An order that has left is said to have left.


class Blind:
    """The venue, whose reads fail from the first order on, for as many reads as it is told."""

    def __init__(self, inner, reads: int) -> None:
        self.inner = inner
        self.reads = reads
        self.placed = False

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    async def place(self, request):
        outcome = await self.inner.place(request)
        self.placed = True
        return outcome

    def _lost(self) -> None:
        if self.placed and self.reads:
            self.reads -= 1
            raise VenueUnreachable("the exchange did not answer")

    async def snapshot(self):
        self._lost()
        return await self.inner.snapshot()

    async def account_events(self, after_seq, limit):
        self._lost()
        return await self.inner.account_events(after_seq, limit)


@pytest.mark.parametrize("reads", [1, 2, 100])
def test_a_close_that_cannot_be_verified_says_that_its_order_has_left(tmp_path: Path, reads: int):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.cycle()
        with Database.open(desk.db.path, expect=None, durable=False) as db:
            books = Books(desk.db.path, db)
            venue = Blind(desk.embedded.venue, reads)
            counter = Desk(venue, desk.bot.clock)  # type: ignore[arg-type]

            async def whole():
                planned = await positions_close.plan(books, counter, SOL, Decimal(1))
                return await positions_close.apply(books, counter, planned, reason="news", actor="ann")

            closed = desk.run(whole())
        (sent,) = closed.reduced.sent
        assert closed.exit_code is ExitCode.DRIFT and closed.reduced.unverified and not closed.done
        assert f"order {sent.client_id} HAS left" in closed.reduced.problem
        assert sent.client_id == [one.client_id for one in desk.intents() if one.purpose is Purpose.CLOSE][-1]
        assert "tradectl positions list" in closed.left[0]
        assert desk.snapshot().positions == (), "it had arrived"


def test_a_venue_that_is_gone_before_anything_left_is_to_be_tried_again(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.cycle()
        with Database.open(desk.db.path, expect=None, durable=False) as db:
            books = Books(desk.db.path, db)
            venue = Blind(desk.embedded.venue, 5)
            counter = Desk(venue, desk.bot.clock)  # type: ignore[arg-type]

            async def whole():
                planned = await positions_close.plan(books, counter, SOL, Decimal(1))
                venue.placed = True
                await positions_close.apply(books, counter, planned, reason="news", actor="ann")

            with pytest.raises(VenueUnreachable):
                desk.run(whole())
        assert Purpose.CLOSE not in [one.purpose for one in desk.intents()]


def test_a_store_busy_while_an_order_is_sent_still_ends_the_cycle(tmp_path: Path):
    """What belongs to sending is not taken for an error of one symbol."""
    with rig(tmp_path, [UP]) as desk:
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        holder = sqlite3.connect(desk.db.path, isolation_level=None)
        desk.plan.on_before = lambda call: holder.execute("BEGIN IMMEDIATE") if call.name == "set_leverage" else None
        with pytest.raises(StoreBusy):
            desk.cycle()
        holder.execute("ROLLBACK")
        holder.close()
