"""Each invariant says what it says, at its bound and beside it; what halts does not degrade as well."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.config.schema import Config
from tradectl.domain.inequality import Inequality, Operator, quantity
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.domain.position import PositionFact
from tradectl.domain.risk_state import first_state
from tradectl.domain.snapshot import Account, Snapshot
from tradectl.safety.breach import Breach, Level
from tradectl.safety.check import BOUNDS, INVARIANTS, check
from tradectl.safety.view import SafetyView

D = Decimal
CONFIG = Config.model_validate({})


def held(symbol: str, margin: str = "10", qty: str = "1", **more: object) -> PositionFact:
    plain = PositionFact(symbol, D(qty), D(100), D(100), D(0), D(margin), D(1), D(10), "isolated", None, 1)
    return replace(plain, **more)  # type: ignore[arg-type]


def stop(symbol: str, number: int) -> OrderFact:
    return OrderFact(
        f"o{number}", f"tdc.abc123.st.{number}", symbol, OrderSide.SELL, OrderType.STOP_MARKET, OrderStatus.NEW,
        D(1), D(0), None, 1, 1, trigger_price=D(90), reduce_only=True,
    )  # fmt: skip


def view(
    equity: str = "1000", margin: str = "0", *positions: PositionFact, peak: str = "1000", bare: bool = False,
    orders: tuple[OrderFact, ...] = (), **more: object,
) -> SafetyView:  # fmt: skip
    stops = () if bare else tuple(stop(one.symbol, number) for number, one in enumerate(positions, 1))
    account = Account("USDT", D(equity), D(0), D(margin), D(0), D(equity))
    snapshot = Snapshot(1, account, positions, (*stops, *orders), 1)
    risk = replace(first_state(D(equity), 1), peak_equity=D(peak))
    ours = frozenset(one.order_id for one in (*stops, *orders) if one.client_id is not None)
    return SafetyView(CONFIG, snapshot, risk, ours=ours, **more)  # type: ignore[arg-type]


def said(found: tuple[Breach, ...]) -> list[tuple[str, Level, str]]:
    return [(one.invariant, one.level, one.symbol) for one in found]


@pytest.mark.parametrize(
    ("margin", "level"),
    [("849.99", None), ("850", Level.DEGRADE), ("919.99", Level.DEGRADE), ("920", Level.HALT), ("5000", Level.HALT)],
)
def test_margin_utilisation_degrades_at_its_first_bound_and_halts_at_its_second(
    margin: str, level: Level | None
) -> None:
    found = check(view("1000", margin))
    assert said(found) == ([("margin_utilisation", level, "")] if level else [])
    if level is Level.HALT:
        assert found[0].code == "MARGIN_CRITICAL" and "92" in found[0].evidence


@pytest.mark.parametrize(("peak", "level"), [("1111", None), ("1112", Level.DEGRADE), ("1177", Level.HALT)])
def test_drawdown_degrades_and_then_halts(peak: str, level: Level | None) -> None:
    assert said(check(view("1000", "0", peak=peak))) == ([("equity_drawdown", level, "")] if level else [])


def test_equity_that_is_gone_is_not_a_share_of_zero() -> None:
    for equity in ("0", "-5"):
        found = {one.invariant: one.level for one in check(view(equity, "10", held("AUSDT")))}
        assert found["margin_utilisation"] is Level.HALT and found["equity_drawdown"] is Level.HALT
    assert check(view("0", "0", peak="0")) == (), "an account that never had anything is not in danger"


def test_one_position_more_than_the_bound_halts() -> None:
    ten = [held(f"S{number}USDT") for number in range(10)]
    assert check(view("1000", "100", *ten)) == ()
    found = check(view("1000", "110", *ten, held("TUSDT")))
    assert said(found) == [("position_count", Level.HALT, "")] and "11" in found[0].evidence


def test_a_position_that_is_too_large_is_a_finding_of_its_own_symbol() -> None:
    found = check(view("1000", "500", held("AUSDT", "250"), held("BUSDT", "250.01")))
    assert said(found) == [("single_position", Level.FINDING, "BUSDT")]


def test_an_uncovered_position_is_seen_and_a_dangerous_order_halts() -> None:
    assert said(check(view("1000", "10", held("AUSDT"), bare=True))) == [("protection", Level.FINDING, "AUSDT")]
    entry = OrderFact(
        "e1", "tdc.abc123.en.9", "AUSDT", OrderSide.BUY, OrderType.LIMIT, OrderStatus.NEW, D(1), D(0), None, 1, 1,
        price=D(90),
    )  # fmt: skip
    assert check(view("1000", "10", held("AUSDT"), orders=(entry,), entries=frozenset({"e1"}))) == ()
    ours = check(view("1000", "10", held("AUSDT"), orders=(entry,)))
    assert said(ours) == [("no_flip", Level.HALT, "AUSDT")] and "ours that is no entry" in ours[0].evidence
    theirs = replace(entry, client_id=None)
    known = frozenset({"e1"})
    on_a_position = check(view("1000", "10", held("AUSDT"), orders=(theirs,), recorded=known))
    assert said(on_a_position) == [("no_flip", Level.HALT, "AUSDT")]
    elsewhere = replace(theirs, symbol="BUSDT")
    assert check(view("1000", "10", held("AUSDT"), orders=(elsewhere,), recorded=known)) == ()
    assert said(check(view("1000", "10", held("AUSDT"), orders=(elsewhere,)))) == [
        ("known_orders", Level.FINDING, "BUSDT")
    ]


def test_in_a_guard_session_only_an_order_of_ours_can_be_out_of_place() -> None:
    theirs = OrderFact(
        "e1", "web-1", "AUSDT", OrderSide.BUY, OrderType.LIMIT, OrderStatus.NEW, D(1), D(0), None, 1, 1, price=D(90)
    )
    known = frozenset({"e1"})
    seen = view("1000", "10", held("AUSDT"), orders=(theirs,), recorded=known)
    seen = replace(seen, ours=seen.ours - known)
    assert said(check(seen)) == [("no_flip", Level.HALT, "AUSDT")]
    assert check(replace(seen, guard=True)) == (), "that is how others trade"
    ours = replace(seen, guard=True, ours=seen.ours | known)
    assert said(check(ours)) == [("no_flip", Level.HALT, "AUSDT")]


def test_books_clock_and_jump() -> None:
    found = check(view(disagreements={"AUSDT": "the books hold 1"}, clock_skew_ms=-1001, unexplained=D("100.01")))
    assert said(found) == [
        ("equity_jump", Level.JUMP, ""), ("ledger_agrees", Level.NO_ENTRIES, "AUSDT"), ("clock", Level.NO_ENTRIES, ""),
    ]  # fmt: skip
    assert check(view(disagreements={}, clock_skew_ms=1000, unexplained=D("-100"))) == ()


def test_every_invariant_of_the_table_can_break_and_has_its_file() -> None:
    assert len(set(INVARIANTS)) == 10
    assert {bound.invariant for bound in BOUNDS} <= set(INVARIANTS)
    assert len({bound.row_name for bound in BOUNDS}) == len(BOUNDS)


amounts = st.decimals(-5, 2000, places=2)


@given(amounts, amounts, st.decimals(1, 3000, places=2))
def test_a_worse_account_is_never_judged_better(equity: Decimal, margin: Decimal, peak: Decimal) -> None:
    def worst(one: SafetyView) -> dict[str, Level]:
        found: dict[str, Level] = {}
        for breach in check(one):
            found[breach.invariant] = max(found.get(breach.invariant, Level.FINDING), breach.level)
        return found

    margin = abs(margin)
    now = worst(view(str(equity), str(margin), peak=str(peak)))
    for less in (
        view(str(equity - 1), str(margin), peak=str(peak)),
        view(str(equity), str(margin + 1), peak=str(peak)),
    ):
        assert all(worst(less).get(name, Level.FINDING) >= level for name, level in now.items())


def test_an_inequality_prints_itself_and_evaluates_in_decimal() -> None:
    rule = Inequality((quantity("a") + quantity("b")) / quantity("c"), Operator.AT_MOST, "x.y")
    assert str(rule) == "((a + b) / c) <= x.y"
    assert rule.term.value({"a": D(1), "b": D(2), "c": D(4)}) == D("0.75")
    assert rule.term.value({"a": D(1), "b": D(2), "c": D(0)}) is None
    assert rule.term.value({"a": D(1), "b": D(-1), "c": D(0)}) == 0
    assert rule.holds(D("0.75"), D("0.75")) and not rule.holds(None, D(1))
