"""An error on one symbol is that symbol's record; and confirmed is not filled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot_kit import CALM, FLAT, SOL, UP, D, Rig, lines, rig
from protect_kit import TWO

from tradectl.domain.order import Confirmed, OrderFact, OrderStatus
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.store import decisions, session

# An error on one symbol is that symbol's record.


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


# Confirmed is not filled.


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
